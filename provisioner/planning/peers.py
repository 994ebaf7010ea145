"""In what hosts differ that should be the same: pure, from the facts that were read of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from provisioner.model.facts import (
    KINDS,
    Fact,
    Gap,
    HostFacts,
    HostGap,
    Kind,
    OwnWord,
    PeerComparison,
    PeerDifference,
    PeerValue,
    Scope,
)
from provisioner.model.observed import Unreachable
from provisioner.planning.alike import hidden, says_the_same, settled, unified
from provisioner.planning.masking import is_secret_file, masked_text

Texts = Mapping[str, Mapping[str, str]]
"""Contents of files, by host and path."""

MOST_TEXTS = 200
MOST_NAMES = 60_000
"""How many contents a host is asked for, and bytes of their paths: a command line has an end."""

_SHOWN, _SIDES, _FEW = 12, 2, 3
_NOT_EVERYWHERE: frozenset[Kind] = frozenset({"sysctl"})
"""Kinds in which a thing exists where a module or an interface does: only values are compared."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """A thing as one host has it; without a fact the host lacks it."""

    host: str
    own: tuple[OwnWord, ...]
    fact: Fact | None
    text: str | None

    @property
    def value(self) -> str:
        return self.fact.value if self.fact else ""

    @property
    def lines(self) -> str | None:
        """Return what a diff is made of: the file's content, else a value of several lines."""
        if self.fact is None:
            return ""
        return self.text if self.fact.digest else self.value if self.fact.digest == "" else None


def compare_peers(
    seen: Sequence[HostFacts], texts: Texts, scope: Scope, unreachable: tuple[Unreachable, ...] = ()
) -> PeerComparison:
    """Return every difference, in the order of kinds; with fewer than two hosts there is none."""
    names = tuple(each.host for each in seen)
    kinds = tuple(kind for kind in KINDS if kind in scope.kinds)
    return PeerComparison(
        hosts=(*names, *(each.name for each in unreachable)),
        kinds=kinds,
        differences=_folded(_differences(seen, texts, scope)),
        gaps=_gaps(seen, scope),
        left_out=tuple((each.host, line) for each in seen for line in each.left_out if "application" in scope.kinds),
        unreachable=unreachable,
    )


def wanted_texts(seen: Sequence[HostFacts], scope: Scope) -> Mapping[str, tuple[str, ...]]:
    """Return the paths each host is to be asked for the contents of: those of files that differ and are no secret."""
    wanted: dict[str, list[str]] = {}
    differing = {(each.kind, each.key) for each in _folded(_differences(seen, {}, scope))}
    for place, row in _rows(seen, {}, scope):
        if place in differing and len({each.fact.digest if each.fact else None for each in row}) > 1:
            for each in row:
                if each.fact and each.fact.digest and not is_secret_file(each.fact.key):
                    wanted.setdefault(each.host, []).append(each.fact.key)
    return {host: tuple(_bounded(paths)) for host, paths in wanted.items()}


def _bounded(paths: Iterable[str]) -> Iterator[str]:
    length = 0
    for number, path in enumerate(paths):
        length += len(path.encode(errors="surrogateescape")) + 3
        if number < MOST_TEXTS and length < MOST_NAMES:
            yield path


def _differences(seen: Sequence[HostFacts], texts: Texts, scope: Scope) -> Iterator[PeerDifference]:
    for (kind, key), row in _rows(seen, texts, scope):
        groups = _groups(row)
        if len(groups) > 1:
            ahead = len(groups[0]) > len(groups[1])
            values = tuple(_value(groups[0], group) for group in groups)
            yield PeerDifference(kind, key, "outlier" if ahead else "tie", values)


def _value(most: Sequence[_Seen], group: Sequence[_Seen]) -> PeerValue:
    diff = _diff(most, group) if group is not most else ""
    return PeerValue(_shown(group[0]), tuple(each.host for each in group), group[0].fact, diff)


def _rows(
    seen: Sequence[HostFacts], texts: Texts, scope: Scope
) -> Iterator[tuple[tuple[Kind, str], tuple[_Seen, ...]]]:
    """Yield each thing with all hosts it can be told of; a host whose answer has a gap there is not among them.

    What every host has alike is not among the things.
    """
    seen = _apart(seen, scope)
    tables = _tables(seen)
    places = {place for table in tables.values() for place in table}
    for place in sorted(places, key=lambda place: (KINDS.index(place[0]), place[1])):
        row = tuple(
            _seen(each, tables[each.host].get(place), texts) for each in seen if not _hides(each, tables, place)
        )
        if place[0] in _NOT_EVERYWHERE and not place[1].startswith("/"):
            row = tuple(each for each in row if each.fact)
        yield place, row


def _seen(host: HostFacts, fact: Fact | None, texts: Texts) -> _Seen:
    return _Seen(host.host, host.own, fact, texts.get(host.host, {}).get(fact.key) if fact else None)


def _hides(host: HostFacts, tables: Mapping[str, Mapping[tuple[Kind, str], Fact]], place: tuple[Kind, str]) -> bool:
    return place not in tables[host.host] and any(gap.covers(*place) for gap in host.gaps)


def _apart(seen: Sequence[HostFacts], scope: Scope) -> tuple[HostFacts, ...]:
    """Return the hosts with those facts that not all of them have: of fifty hosts alike that is next to nothing."""
    held = [scope.facts(each.facts) for each in seen]
    common = frozenset(held[0]).intersection(*held[1:]) if held else frozenset()
    # Two facts of one name on one host are both kept where one of them is: the later one counts.
    kept = {fact.key for facts in held for fact in facts if fact not in common}
    return tuple(
        replace(each, facts=tuple(fact for fact in facts if fact.key in kept))
        for each, facts in zip(seen, held, strict=True)
    )


def _tables(seen: Sequence[HostFacts]) -> Mapping[str, Mapping[tuple[Kind, str], Fact]]:
    """Return the facts of each host by what they are called there.

    What is called after its host, a site's file for instance, is one thing where its peers have the same after theirs.
    """
    facts = {each.host: {(fact.kind, fact.key): fact for fact in each.facts} for each in seen}
    held = Counter(place for table in facts.values() for place in table)
    renamed = {each.host: {place: _renamed(place, each) for place in facts[each.host]} for each in seen}
    after = Counter(
        new for names in renamed.values() for place, new in names.items() if new != place and held[place] < len(seen)
    )
    return {
        host: {
            (new if after[new] > 1 and held[place] < len(seen) else place): facts[host][place]
            for place, new in names.items()
        }
        for host, names in renamed.items()
    }


def _renamed(place: tuple[Kind, str], host: HostFacts) -> tuple[Kind, str]:
    return place[0], hidden(place[1], host.own)


def _groups(row: Sequence[_Seen]) -> list[list[_Seen]]:
    """Return hosts that have the same together, most hosts first."""
    groups: list[list[_Seen]] = []
    for each in row:
        group = next((group for group in groups if _alike(group[0], each)), None)
        if group is None:
            groups.append([each])
        else:
            group.append(each)
    return sorted(groups, key=lambda group: -len(group))


def _alike(one: _Seen, other: _Seen) -> bool:
    if one.fact is None or other.fact is None:
        return one.fact is other.fact
    same = says_the_same(one.fact.value, one.own, other.fact.value, other.own)
    return same and _contents_alike(one, other, one.fact.digest, other.fact.digest)


def _contents_alike(one: _Seen, other: _Seen, digest: str | None, others: str | None) -> bool:
    if digest is None or others is None or digest == others:
        return True
    both = one.text is not None and other.text is not None
    return both and says_the_same(one.text or "", one.own, other.text or "", other.own)


def _shown(seen: _Seen) -> str:
    if seen.fact is None:
        return ""
    content = f" sha256 {seen.fact.digest[:_SHOWN]}" if seen.fact.digest else ""
    note = f" ({seen.fact.note})" if seen.fact.note else ""
    return f"{masked_text(seen.fact.value)}{content}{note}"


def _diff(most: Sequence[_Seen], others: Sequence[_Seen]) -> str:
    """Return the unified diff of two groups, empty where their values say all that can be said."""
    one, other = most[0], others[0]
    before, after = one.lines, other.lines
    short = one.text is None and other.text is None and "\n" not in f"{before}{after}"
    if before is None or after is None or short:
        return ""
    names = (_named(most), _named(others))
    if before and after:
        return masked_text(unified(settled(before, one.own, after), settled(after, other.own, before), names))
    return masked_text(unified(before.splitlines(), after.splitlines(), names))


def _named(group: Sequence[_Seen]) -> str:
    return ", ".join(each.host for each in group)


def _folded(found: Iterable[PeerDifference]) -> tuple[PeerDifference, ...]:
    """Return the differences, what lies below a folder that a host lacks counted with the folder where it is much."""
    kept: list[tuple[PeerDifference, list[PeerDifference]]] = []
    places: dict[tuple[str, tuple[str, ...]], list[PeerDifference]] = {}
    for each in found:
        lacking = next((value.hosts for value in each.values if not value.value and len(each.values) == _SIDES), ())
        above = next((places[place] for place in _folders(each.key, lacking) if place in places), None)
        if above is not None:
            above.append(each)
            continue
        below: list[PeerDifference] = []
        kept.append((each, below))
        if lacking and each.key.startswith("/"):
            places[each.key, lacking] = below
    return tuple(difference for each, below in kept for difference in _unfolded(each, below))


def _unfolded(folder: PeerDifference, below: Sequence[PeerDifference]) -> Iterator[PeerDifference]:
    if len(below) > _FEW:
        yield replace(folder, below=len(below))
    else:
        yield from (folder, *below)


def _folders(key: str, lacking: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    while lacking and key.startswith("/") and (key := key.rpartition("/")[0]):
        yield key, lacking


def _gaps(seen: Sequence[HostFacts], scope: Scope) -> tuple[HostGap, ...]:
    hosts: dict[Gap, list[str]] = {}
    for each in seen:
        for gap in dict.fromkeys(each.gaps):
            if scope.holds(gap.kind, gap.key):
                hosts.setdefault(gap, []).append(each.host)
    ordered = sorted(hosts, key=lambda gap: (KINDS.index(gap.kind), gap.key))
    return tuple(HostGap(gap, tuple(hosts[gap])) for gap in ordered)
