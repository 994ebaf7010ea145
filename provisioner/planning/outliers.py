"""In what the hosts of one fleet differ from their peers, as rows beside those of its nodes."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from provisioner.model.drift import Drift
from provisioner.model.facts import Fact, HostFacts, Kind, PeerDifference, PeerValue, Scope
from provisioner.planning.fields import ABSENT
from provisioner.planning.peers import Texts, compare_peers, wanted_texts
from provisioner.planning.remedies import Shells, remedy

OF_A_ROLE: frozenset[Kind] = frozenset({"process", "socket", "mount", "application"})
"""Kinds that follow from what a host carries; all others are one thing for every host of a fleet."""

_OF_A_ROLE_TOO = frozenset({("system", "processors")})
_TOLD_ELSEWHERE: frozenset[Kind] = frozenset({"container", "node"})
_DATA: Kind = "application"
_NAMED, _SHORT = 10, 60


@dataclass(frozen=True, slots=True)
class Circle:
    """Hosts that should be alike in some kinds; `about` are those whose differences are told.

    `are_peers` is false where only what no other host has is told.
    """

    hosts: tuple[HostFacts, ...]
    scope: Scope
    about: frozenset[str]
    are_peers: bool = True


@dataclass(frozen=True, slots=True)
class Grounds:
    """What tells peers from each other: the services on each host, and the folders of hosts that containers use."""

    roles: Mapping[str, frozenset[str]]
    data: frozenset[str] = frozenset()


def circles(seen: Sequence[HostFacts], grounds: Grounds, kinds: Collection[str]) -> tuple[Circle, ...]:
    """Return who is compared with whom: all hosts, and in what follows from a role the hosts of each role.

    Of a host that nobody shares its role with, it counts what no other host has.
    """
    wanted = tuple(kind for kind in Scope().kinds if kind in kinds and kind not in _TOLD_ELSEWHERE)
    own = tuple(kind for kind in wanted if kind in OF_A_ROLE or kind == "system")
    everybody = frozenset(each.host for each in seen)
    shared = tuple(replace(each, facts=tuple(f for f in each.facts if not _of_a_role(f))) for each in seen)
    found = [Circle(shared, Scope(tuple(kind for kind in wanted if kind not in OF_A_ROLE)), everybody)]
    alone = tuple(replace(each, facts=tuple(_own_facts(each, grounds.data))) for each in seen)
    by_role: dict[frozenset[str], list[HostFacts]] = {}
    for each in alone:
        by_role.setdefault(grounds.roles.get(each.host, frozenset()), []).append(each)
    for group in by_role.values():
        are_peers = len(group) > 1
        about = frozenset(each.host for each in group)
        found.append(Circle(tuple(group) if are_peers else alone, Scope(own), about, are_peers))
    return tuple(each for each in found if each.scope.kinds and len(each.hosts) > 1)


def _of_a_role(fact: Fact) -> bool:
    return fact.kind in OF_A_ROLE or (fact.kind, fact.key) in _OF_A_ROLE_TOO


def _own_facts(host: HostFacts, data: frozenset[str]) -> Iterator[Fact]:
    for fact in host.facts:
        if _of_a_role(fact) and not (fact.kind == _DATA and _lies_in(fact.key, data)):
            yield fact


def _lies_in(path: str, folders: frozenset[str]) -> bool:
    while path:
        if path in folders:
            return True
        path = path.rpartition("/")[0]
    return False


def wanted_contents(found: Iterable[Circle]) -> Mapping[str, tuple[str, ...]]:
    """Return the paths each host is to be asked for the contents of."""
    wanted: dict[str, dict[str, None]] = {}
    for circle in found:
        for host, paths in wanted_texts(circle.hosts, circle.scope).items():
            wanted.setdefault(host, {}).update(dict.fromkeys(paths))
    return {host: tuple(paths) for host, paths in wanted.items()}


def outliers(circle: Circle, texts: Texts, shells: Shells) -> Iterator[Drift]:
    """Yield a row for each thing and each host that is not like most; where there is no majority, for all of them."""
    for found in compare_peers(circle.hosts, texts, circle.scope).differences:
        if not (circle.are_peers or _is_extra(found)):
            continue
        for value in found.values if found.verdict == "tie" else found.values[1:]:
            for host in value.hosts:
                if host in circle.about:
                    yield _row(host, found, value, shells)


def _is_extra(found: PeerDifference) -> bool:
    """Tell whether one host has what all others lack."""
    return found.verdict == "outlier" and found.values[0].fact is None and len(found.outliers) == 1


def _row(host: str, found: PeerDifference, value: PeerValue, shells: Shells) -> Drift:
    most = found.values[0]
    tie = found.verdict == "tie"
    row = Drift(
        host=host,
        node="",
        kind=found.kind,
        key=found.key,
        desired="" if tie else most.value or ABSENT,
        observed=value.value or ABSENT,
        drift_class="outlier",
        detail=value.diff,
        note=_tie(found) if tie else _majority(found),
    )
    return row if tie else replace(row, remedy=remedy(most, value.fact, host, shells))


def _majority(found: PeerDifference) -> str:
    most = found.values[0]
    count = sum(len(each.hosts) for each in found.values)
    below = f"; {found.below} more below it" if found.below else ""
    return f"{len(most.hosts)} of {count} hosts {'have' if most.value else 'lack'} it: {_names(most.hosts)}{below}"


def _tie(found: PeerDifference) -> str:
    parts = (f"{_names(each.hosts)}: {_short(each.value) or ABSENT}" for each in found.values)
    return f"tie, no majority: {'; '.join(parts)}"


def _short(value: str) -> str:
    first, more, _ = value.partition("\n")
    cut = first if len(first) <= _SHORT else f"{first[:_SHORT]}…"
    return f"{cut} …" if more else cut


def _names(hosts: Sequence[str]) -> str:
    more = f" and {len(hosts) - _NAMED} more" if len(hosts) > _NAMED else ""
    return ", ".join(hosts[:_NAMED]) + more


def gaps(host: HostFacts, kinds: Collection[str]) -> Iterator[Drift]:
    """Yield what the login may not read on a host."""
    for gap in dict.fromkeys(host.gaps):
        if gap.kind in kinds and gap.kind not in _TOLD_ELSEWHERE:
            yield Drift(host.host, "", gap.kind, gap.key, "readable", gap.reason, "unknown")
