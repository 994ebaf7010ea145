"""What the wait for a node says: how long it took, how far it was, and the deadline that would have done."""

from __future__ import annotations

import math
from collections.abc import Iterator

from provisioner.model.diagnosis import Cause, Reason
from provisioner.model.evidence import Evidence
from provisioner.planning.diagnosis.listening import listens, own_sockets

_ROUND = 5


def waiting_reasons(evidence: Evidence) -> Iterator[Reason]:
    """Yield that it needs more time, does nothing, or does not stay healthy."""
    wait, container = evidence.wait, evidence.container
    if not wait.waited or container is None or not container.running:
        return
    if wait.ready is not None:
        text = f"it became healthy {wait.ready:.1f} s after its start; the deadline is {wait.deadline:g} s"
        yield Reason(Cause.SLOW_START, text, _deadline(wait.ready + wait.min_healthy_time))
    elif wait.good:
        text = f"it had been healthy for {wait.good:.1f} s of the {wait.min_healthy_time:g} s it has to stay so"
        yield Reason(Cause.SLOW_START, text, _deadline(wait.waited + wait.min_healthy_time))
    elif evidence.answer is not None and not evidence.answer.fault and evidence.answer.status < 400:  # noqa: PLR2004 - of HTTP
        text = f"it answers now, and did not go on doing so for {wait.min_healthy_time:g} s"
        yield Reason(Cause.UNSTEADY, text)
    else:
        yield from _not_yet(evidence)


def _not_yet(evidence: Evidence) -> Iterator[Reason]:
    wait, question = evidence.wait, evidence.expected.question
    last = f"; its last line is {evidence.log[-1]!r}" if evidence.log else "; it has written nothing to its log"
    if question is None or listens(evidence):
        place = "it says that it is not ready"
    elif evidence.sockets is None:
        place = f"nothing answers on port {question.port}"
    else:
        place = f"nothing listens on port {question.port}" if own_sockets(evidence) else "it listens on no port"
    if wait.moved:
        text = f"it was still starting after {wait.watched:.0f} s: {place}{last}"
        yield Reason(Cause.SLOW_START, text, _deadline(2 * wait.watched))
    else:
        text = f"it runs, and after {wait.watched:.0f} s {place}{last}"
        yield Reason(Cause.NOT_LISTENING, text, _deadline(3 * wait.watched))


def _deadline(seconds: float) -> str:
    """Return a deadline with a half more than what was needed, in whole steps of five seconds."""
    return f"rollout: {{healthy_deadline: {math.ceil(seconds * 1.5 / _ROUND) * _ROUND}s}}"
