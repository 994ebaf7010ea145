"""Gathers the evidence on a container that fails, before anything of it is taken back, and has it read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from provisioner.errors import EngineRefused, EngineUnavailable, HostUnreachable, NodeUnhealthy, ProvisionerError
from provisioner.model.diagnosis import Diagnosis
from provisioner.model.evidence import (
    Answer,
    Belongings,
    ContainerPast,
    Evidence,
    ListeningSocket,
    PortHolder,
    Question,
    Wait,
)
from provisioner.model.observed import ObservedContainer, ObservedHost
from provisioner.model.plan import Action, AwaitHealthy, AwaitRunning, WatchSlot
from provisioner.model.release import ReleaseChange
from provisioner.planning.compare import compare
from provisioner.planning.diagnosis.belongings import belongings
from provisioner.planning.diagnosis.diagnose import diagnose
from provisioner.planning.diagnosis.expectation import Examined, expectation, port_holders
from provisioner.ports import Examiner, HostReader
from provisioner.reconcile.run import Run

LOG_LINES = 80
POLL = 0.5
SHORTEST_EXTRA, LONGEST_EXTRA = 5.0, 30.0
"""Seconds that a node which may only be slow is watched beyond its deadline: a quarter of that, within these."""

_READY = range(200, 400)
_NOT_YET = 503

_Found = TypeVar("_Found")


@dataclass(slots=True)
class _Examination:
    """One container under examination; what cannot be found out is noted and left out."""

    action: Examined
    run: Run
    host: str
    reader: HostReader
    examiner: Examiner
    gaps: list[str] = field(default_factory=list)
    lost: bool = False

    def try_to(self, look: Callable[[], _Found]) -> _Found | None:
        """Return what a look shows, None where it shows nothing; a host that is lost is not asked again."""
        if self.lost:
            return None
        try:
            return look()
        except (HostUnreachable, EngineUnavailable) as error:
            self.lost = True
            self._miss(error.message)
        except ProvisionerError as error:
            self._miss(error.message)
        except ValueError as error:
            # Whatever a strange host answers, a rollout does not end by our looking at it.
            self._miss(f"{self.host}: its answer cannot be read: {error}")
        return None

    def _miss(self, reason: str) -> None:
        if reason not in self.gaps:
            self.gaps.append(reason)


def examine(action: Action, error: ProvisionerError, run: Run) -> Diagnosis | None:
    """Return why a container failed, None where no container did, or where its host cannot be asked."""
    if not isinstance(action, Examined) or not isinstance(error, NodeUnhealthy | EngineRefused):
        return None
    host = action.node_host if isinstance(action, AwaitHealthy | WatchSlot) else action.host
    try:
        reader, examiner = run.hands(host).reader, run.world.hosts.examiner(run.hosts[host])
    except (HostUnreachable, EngineUnavailable):
        return None
    return diagnose(_evidence(_Examination(action, run, host, reader, examiner), error))


def _evidence(looking: _Examination, error: NodeUnhealthy | EngineRefused) -> Evidence:
    run, reader, name = looking.run, looking.reader, looking.action.name
    desired = run.release.content.desired
    expected = expectation(looking.action, desired, None)
    found = Evidence(
        host=looking.host,
        node=looking.action.node,
        expected=expected,
        now=belongings(run.release, expected.service) or Belongings(run.release.name),
        before=belongings(run.earlier, expected.service) if run.earlier else None,
        changes=_changes(run, expected.service),
        container=looking.try_to(lambda: reader.container(name)),
    )
    found = _with_error(found, looking.action, error)
    if found.container is not None:
        found = _look_inside(looking, found, found.container)
    # Last: looking at a whole host takes seconds, in which what is slow gets ready and what dies is gone.
    host = looking.try_to(lambda: reader.observe(run.fleet))
    found = replace(found, expected=expectation(looking.action, desired, host))
    rooms = looking.try_to(looking.examiner.rooms) or ()
    return replace(found, rooms=rooms, holders=_holders(looking, found, host), gaps=tuple(looking.gaps))


def _with_error(found: Evidence, action: Examined, error: NodeUnhealthy | EngineRefused) -> Evidence:
    """Return the evidence with what the failed action itself said."""
    if isinstance(error, EngineRefused):
        return replace(found, engine_error=error.reason)
    watched, wait = error.watched, Wait()
    if isinstance(action, AwaitHealthy | AwaitRunning):
        limits = action.healthy_deadline, action.min_healthy_time
        wait = Wait(*limits, waited=watched.waited, good=watched.good, watched=watched.waited)
    objection = error.reason if isinstance(action, WatchSlot) else ""
    return replace(found, check=watched.check, check_words=watched.words, wait=wait, objection=objection)


def _look_inside(looking: _Examination, found: Evidence, seen: ObservedContainer) -> Evidence:
    """Return the evidence with what the container, its log and its answers show; wait on for one that is only slow."""
    examiner, name = looking.examiner, seen.name
    found = replace(found, past=looking.try_to(lambda: examiner.past(name)) or ContainerPast(), log=_log(looking, name))
    if not seen.running or found.engine_error:
        return found
    found = replace(found, sockets=_sockets(looking, name), answer=_ask(looking, found.expected.question, name))
    return _watch_on(looking, found) if _may_be_slow(found) else found


def _log(looking: _Examination, name: str) -> tuple[str, ...]:
    lines = looking.try_to(lambda: looking.reader.logs(name, LOG_LINES)) or ()
    return tuple(line for line in lines if line.strip())


def _sockets(looking: _Examination, name: str) -> tuple[ListeningSocket, ...] | None:
    return looking.try_to(lambda: looking.examiner.sockets(name))


def _ask(looking: _Examination, question: Question | None, name: str) -> Answer | None:
    return looking.try_to(lambda: looking.examiner.ask(name, question)) if question else None


def _may_be_slow(found: Evidence) -> bool:
    """Tell whether more time may be all that is missing: nothing is listened on, or it says it is not ready yet."""
    if not found.wait.waited or found.wait.good:
        return False
    question, answer = found.expected.question, found.answer
    if question is None:
        return found.container is not None and found.container.health == "starting"
    asleep = not found.sockets and (answer is None or bool(answer.fault))
    return asleep or (answer is not None and answer.status == _NOT_YET)


def _watch_on(looking: _Examination, found: Evidence) -> Evidence:
    """Watch beyond the deadline, within a bound, until it is ready, says something else, or dies."""
    clock, wait, before = looking.run.world.clock, found.wait, found.log
    began, bound = clock.monotonic(), min(max(wait.deadline / 4, SHORTEST_EXTRA), LONGEST_EXTRA)
    while clock.monotonic() - began < bound and _may_be_slow(found) and found.container and found.container.running:
        looking.run.progress(looking.action)("watching whether it is only slow", 0, 0)
        clock.sleep(POLL)
        found = _look_again(looking, found)
    watched = wait.waited + clock.monotonic() - began
    name, ready = looking.action.name, watched if _is_ready(found) else None
    past = looking.try_to(lambda: looking.examiner.past(name)) or found.past
    log = _log(looking, name)
    return replace(found, log=log, past=past, wait=replace(wait, watched=watched, ready=ready, moved=log != before))


def _look_again(looking: _Examination, found: Evidence) -> Evidence:
    name = looking.action.name
    container = looking.try_to(lambda: looking.reader.container(name))
    if container is None or not container.running:
        return replace(found, container=container)
    answer = _ask(looking, found.expected.question, name)
    return replace(found, container=container, sockets=_sockets(looking, name), answer=answer)


def _is_ready(found: Evidence) -> bool:
    if found.expected.question is None:
        return found.container is not None and found.container.health == "healthy"
    answer = found.answer
    if answer is None or answer.fault:
        return False
    return found.expected.question.path is None or answer.status in _READY


def _changes(run: Run, service: str) -> tuple[ReleaseChange, ...]:
    if run.earlier is None:
        return ()
    rows = compare(run.earlier.content, run.release.content)
    return tuple(row for row in rows if row.subject == service)


def _holders(looking: _Examination, found: Evidence, host: ObservedHost | None) -> tuple[PortHolder, ...]:
    """Return who holds the ports that it wants on its host; asked only where that may be the matter."""
    if not found.engine_error and found.expected.options.network != "host":
        return ()
    listening = looking.try_to(looking.examiner.listeners) or ()
    return port_holders(found.expected, looking.action.name, host, listening)
