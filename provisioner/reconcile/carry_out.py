"""Carries out steps: the actions of a step at once, the steps in order, and what undoes a step that failed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from provisioner.errors import BuildFailed, NodeUnhealthy, ProvisionerError
from provisioner.model.event import ActionFailed, ActionSucceeded, StepStarted
from provisioner.model.plan import Action, AwaitRunning, EnterRotation, Step
from provisioner.reconcile.actions import perform
from provisioner.reconcile.run import Run

Stop = Callable[[], bool]
"""Tells whether somebody asked the run to stop after the step it is in."""


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far the steps got: how many actions were done, whether what serves has changed, and what ended it."""

    actions: int = 0
    changed: bool = False
    failure: ProvisionerError | None = None
    stopped: bool = False


def carry_out(steps: tuple[Step, ...], run: Run, stop: Stop, before: int = 0, after: int = 0) -> Progressed:
    """Carry out steps in order until one fails or somebody asks to stop; undo the one that failed.

    `before` and `after` are how many steps of the same run come earlier and later, for their numbers.
    """
    done, changed = 0, False
    total = before + len(steps) + after
    for number, step in enumerate(steps, start=before + 1):
        if stop():
            return Progressed(done, changed, stopped=True)
        run.world.sink.emit(StepStarted(number, total, step))
        failures = _all_at_once(step.actions, run)
        done += len(step.actions) - len(failures)
        if failures:
            _undo(step, run)
            return Progressed(done, changed, failure=failures[0])
        changed = changed or any(_changes_service(action) for action in step.actions)
    return Progressed(done, changed)


def _changes_service(action: Action) -> bool:
    return isinstance(action, EnterRotation | AwaitRunning)


def _all_at_once(actions: tuple[Action, ...], run: Run) -> tuple[ProvisionerError, ...]:
    with ThreadPoolExecutor(max(1, min(run.world.forks, len(actions)))) as pool:
        results = tuple(pool.map(lambda action: _attempt(action, run), actions))
    return tuple(result for result in results if result is not None)


def _attempt(action: Action, run: Run) -> ProvisionerError | None:
    clock = run.world.clock
    begun = clock.monotonic()
    try:
        detail = perform(action, run)
    except ProvisionerError as error:
        run.world.sink.emit(ActionFailed(action, str(error), error.hint, _log(error)))
        return error
    run.world.sink.emit(ActionSucceeded(action, clock.monotonic() - begun, detail))
    return None


def _log(error: ProvisionerError) -> tuple[str, ...]:
    match error:
        case NodeUnhealthy():
            return error.log
        case BuildFailed():
            return (error.instruction, *error.output) if error.instruction else error.output
        case _:
            return ()


def _undo(step: Step, run: Run) -> None:
    for action in step.undo:
        _attempt(action, run)
