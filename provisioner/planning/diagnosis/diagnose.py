"""Orders the reasons why a node failed: what is certain first, then what its log says, then what is left to guess."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from provisioner.model.diagnosis import Cause, Diagnosis, Reason
from provisioner.model.evidence import Evidence
from provisioner.planning.diagnosis.belongings import changed
from provisioner.planning.diagnosis.ends import crashed, is_down, out_of_memory
from provisioner.planning.diagnosis.engine import engine_reasons
from provisioner.planning.diagnosis.listening import listening_reasons
from provisioner.planning.diagnosis.probing import is_late, probe_reasons, rotation_reasons
from provisioner.planning.diagnosis.room import room_reasons
from provisioner.planning.diagnosis.waiting import waiting_reasons
from provisioner.planning.diagnosis.words import log_reasons

SHOWN_LINES = 12
MOST = 4

Reading = Callable[[Evidence], Iterable[Reason]]


def diagnose(evidence: Evidence) -> Diagnosis:
    """Return why a node failed, the likeliest reason first, each cause once, and never without a reason."""
    found: dict[Cause, Reason] = {}
    for reading in _order(evidence):
        for reason in reading(evidence):
            found.setdefault(reason.cause, reason)
    for reason in () if found else waiting_reasons(evidence):
        found.setdefault(reason.cause, reason)
    return Diagnosis(
        host=evidence.host,
        node=evidence.node,
        reasons=tuple(found.values())[:MOST] or (_unknown(evidence),),
        log=evidence.log[-SHOWN_LINES:],
        since=evidence.before.release if evidence.before else "",
        changes=changed(evidence),
        gaps=evidence.gaps,
    )


def _order(evidence: Evidence) -> Iterator[Reading]:
    """Yield the readings by how much they prove, for a program that ended and for one that runs."""
    yield engine_reasons
    yield out_of_memory
    if is_down(evidence):
        yield from (log_reasons, room_reasons, crashed)
        return
    yield rotation_reasons
    if any(listening_reasons(evidence)):
        yield listening_reasons
        return
    if is_late(evidence):
        wait = evidence.wait
        # A log that goes on says little of what is wrong: it was on its way.
        on_its_way = wait.ready is not None or wait.moved
        yield from (waiting_reasons, log_reasons) if on_its_way else (log_reasons, waiting_reasons)
        yield probe_reasons
    else:
        # A page that is not there, or lies elsewhere, says more than a log; an error of the program says less.
        says_where = evidence.answer is not None and 300 <= evidence.answer.status < 500  # noqa: PLR2004 - of HTTP
        yield from (probe_reasons, log_reasons) if says_where else (log_reasons, probe_reasons)
    yield room_reasons


def _unknown(evidence: Evidence) -> Reason:
    seen = f"; the balancer's check says {evidence.check_words}" if evidence.check_words else ""
    last = f"; its last line is {evidence.log[-1]!r}" if evidence.log else "; it wrote nothing to its log"
    return Reason(Cause.UNKNOWN, f"nothing that was looked at explains it{seen}{last}")
