"""What a container's answer to its health question says."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

from provisioner.model.diagnosis import Cause, Reason
from provisioner.model.evidence import Answer, Evidence, Question
from provisioner.planning.diagnosis.fixes import in_service
from provisioner.planning.diagnosis.listening import listens

_REDIRECTS = range(300, 400)
_REJECTED = range(400, 500)
_BROKEN = range(500, 600)
_MISSING = 404
_NOT_YET = 503
_NOT_SPOKEN = "L7RSP"
_LATE_CHECKS = {"L4TOUT", "L7TOUT", "L4CON"}
_CUT = 160


def is_late(evidence: Evidence) -> bool:
    """Tell whether it may only need more time: nothing answers yet, it says so, or it became ready in the end."""
    question, answer = evidence.expected.question, evidence.answer
    if evidence.wait.ready is not None:
        return True
    if question is None:
        return evidence.container is not None and evidence.container.health == "starting"
    return answer is None or (bool(answer.fault) and not listens(evidence)) or answer.status == _NOT_YET


def rotation_reasons(evidence: Evidence) -> Iterator[Reason]:
    """Yield that it passed its checks, and failed when real requests came."""
    if evidence.objection:
        yield Reason(Cause.FAILED_IN_ROTATION, evidence.objection)


def probe_reasons(evidence: Evidence) -> Iterator[Reason]:
    """Yield what the answer to the health question says, and the health test's own output."""
    question, answer = evidence.expected.question, evidence.answer
    if question is not None and answer is not None:
        yield from _answered(evidence, question, answer)
    container = evidence.container
    if container is not None and container.health == "unhealthy":
        said = f": {_cut(evidence.past.health_output)}" if evidence.past.health_output else ""
        yield Reason(Cause.HEALTH_TEST_FAILED, f"its health test fails{said}")


def _answered(evidence: Evidence, question: Question, answer: Answer) -> Iterator[Reason]:
    if answer.status:
        yield from _by_status(evidence, question, answer)
    elif evidence.check == _NOT_SPOKEN or "HTTP" in answer.fault:
        fix = f"let it speak plain HTTP on port {question.port}, or leave healthcheck.path out"
        yield Reason(Cause.NOT_HTTP, f"what it answers on port {question.port} is not HTTP: {answer.fault}", fix)
    elif answer.fault:
        if listens(evidence):
            text = f"it listens on port {question.port} and does not answer: {answer.fault}"
            yield Reason(Cause.NO_ANSWER, text, in_service(evidence, "healthcheck: {timeout: 10s}"))
    else:
        yield from _unreachable(evidence, question, answer)


def _by_status(evidence: Evidence, question: Question, answer: Answer) -> Iterator[Reason]:
    told = f"GET {question.path} is answered with {answer.status}"
    page = f": {_cut(answer.text)!r}" if answer.text else ""
    if answer.status in _REDIRECTS:
        if evidence.check == "L7STS":
            yield _redirected(evidence, question, answer, told)
    elif answer.status == _MISSING:
        yield Reason(Cause.PATH_NOT_FOUND, f"{told}{page}", in_service(evidence, "healthcheck: {path: /}"))
    elif answer.status in _REJECTED:
        text = f"{told}, asked with `Host: {question.host}`{page}"
        fix = f"let the program accept the host name {question.host}, or name its own: load_balancer.routes[].host"
        yield Reason(Cause.REQUEST_REJECTED, text, fix)
    elif answer.status in _BROKEN:
        yield Reason(Cause.SERVER_ERROR, f"{told}{page}")
    else:
        yield from _unreachable(evidence, question, answer)


def _redirected(evidence: Evidence, question: Question, answer: Answer, told: str) -> Reason:
    target = urlsplit(answer.location)
    if target.path and target.path != question.path and target.scheme in {"", "http"}:
        fix = in_service(evidence, f"healthcheck: {{path: {target.path}}}")
    else:
        fix = f"let {question.path} answer over plain HTTP: TLS ends at the balancer"
    return Reason(Cause.REDIRECTED, f"{told}, to {answer.location or 'nowhere'}", fix)


def _unreachable(evidence: Evidence, question: Question, answer: Answer) -> Iterator[Reason]:
    """Yield that it answers on its own host and not to the balancer."""
    if evidence.check in _LATE_CHECKS and evidence.wait.ready is None:
        at = ", ".join(f"{port.address or '*'}:{port.host_port}" for port in evidence.expected.ports)
        how = f"with {answer.status}" if answer.status else f"on port {question.port}"
        text = f"on its own host it answers {how}, and the balancer gets no connection to {at}: {evidence.check_words}"
        yield Reason(Cause.UNREACHABLE_FROM_BALANCER, text, f"open {at} in the firewall of {evidence.host}")


def _cut(text: str) -> str:
    line = text.strip().splitlines()[-1] if text.strip() else ""
    return line if len(line) <= _CUT else f"{line[:_CUT]}…"
