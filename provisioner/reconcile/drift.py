"""The whole of `drift`: what was declared against what is, and every host against its peers; nothing here can write."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from provisioner.model.drift import Drift, DriftQuestion, DriftReport
from provisioner.model.facts import Gap, HostFacts
from provisioner.model.observed import Observed, Unreachable
from provisioner.model.spec import LOAD_BALANCER
from provisioner.planning.aside import set_aside
from provisioner.planning.conditions import conditions
from provisioner.planning.engine_facts import engine_facts
from provisioner.planning.outliers import Grounds, circles, gaps, outliers, wanted_contents
from provisioner.planning.remedies import pasted
from provisioner.reconcile.machines import Beside
from provisioner.reconcile.prepare import Prepared, declared_drift, prepare
from provisioner.reconcile.world import Intent, Lookout


def drift(lookout: Lookout, intent: Intent, question: DriftQuestion) -> DriftReport:
    """Return every difference that was asked for, with what is left aside and why; changes nothing anywhere."""
    if lookout.machines is None or not question.machine_kinds:
        return answer(declared_drift(prepare(lookout, intent, None), intent), (), question)
    with ThreadPoolExecutor(max(1, min(lookout.forks, len(intent.hosts)))) as pool:
        beside = Beside(lookout.readers, lookout.machines, intent.hosts, pool)
        prepared = prepare(replace(lookout, readers=beside), intent, None)
        declared = declared_drift(prepared, intent)
        told = beside.facts()
        seen = tuple(each for each in told if isinstance(each, HostFacts))
        whole = tuple(_with_engine(each, prepared.observed) for each in seen)
        found = circles(whole, _grounds(prepared), question.machine_kinds)
        texts = beside.texts(wanted_contents(found))
    rows = [row for circle in found for row in outliers(circle, texts, question.shells)]
    rows += (row for host in seen for row in _alone(host, question))
    rows += (_unread(each) for each in told if isinstance(each, Unreachable))
    left_out = tuple(
        (host.host, line) for host in seen for line in host.left_out if "application" in question.machine_kinds
    )
    return answer(replace(declared, left_out=left_out), _within(rows, intent), question)


def _with_engine(host: HostFacts, observed: Observed) -> HostFacts:
    """Return a host's facts with what its engine said of itself; nothing is made of one that did not answer."""
    engine = next((each.engine for each in observed.hosts if each.name == host.host), None)
    if engine is None:
        return replace(host, gaps=(*host.gaps, Gap("engine", "", "it did not answer")))
    return replace(host, facts=(*host.facts, *engine_facts(engine)))


def _grounds(prepared: Prepared) -> Grounds:
    roles: dict[str, set[str]] = {}
    for placed in prepared.desired.nodes:
        roles.setdefault(placed.node.host, set()).add(placed.node.service)
    for balancer in prepared.desired.balancers:
        roles.setdefault(balancer.host, set()).add(LOAD_BALANCER)
    containers = (each for host in prepared.observed.hosts for each in host.containers)
    data = frozenset(mount.source for each in containers for mount in each.options.mounts if mount.kind == "bind")
    return Grounds({host: frozenset(services) for host, services in roles.items()}, data)


def _alone(host: HostFacts, question: DriftQuestion) -> Iterator[Drift]:
    yield from gaps(host, question.machine_kinds)
    yield from (row for row in conditions(host) if row.kind in question.machine_kinds)


def _unread(host: Unreachable) -> Drift:
    return Drift(host.name, "", "host", "facts", "readable", host.reason, "unknown")


def _within(rows: Sequence[Drift], intent: Intent) -> tuple[Drift, ...]:
    return tuple(row for row in rows if intent.scope is None or row.host in intent.scope)


def _thing(row: Drift) -> tuple[str, ...]:
    """Return what tells whether two rows are about one thing: of a socket its host, protocol and port."""
    if row.kind != "socket":
        return row.host, row.node, row.kind, row.key
    protocol, _, place = row.key.partition(" ")
    return row.host, row.kind, protocol.removesuffix("6"), place.rpartition(":")[2]


def answer(declared: DriftReport, rows: Sequence[Drift], question: DriftQuestion) -> DriftReport:
    """Return the declared differences and those of hosts, each thing once, as far as they were asked for."""
    told = {_thing(row) for row in declared.rows}
    known = (replace(row, remedy=pasted(row.remedy, row.host, question.shells)) for row in declared.rows)
    news = (row for row in rows if _thing(row) not in told)
    asked = (row for row in (*known, *news) if question.asks(row))
    found = replace(declared, rows=tuple(sorted(set_aside(asked, question.ignored, question.today))))
    counted = found.counted
    summary = replace(
        found.summary,
        drifted=len({row.node for row in counted if row.node and row.drift_class != "unknown"}),
        differences=len(counted),
        ignored=len(found.rows) - len(counted),
    )
    return replace(found, summary=summary)
