"""Carries out steps: the actions of a step at once, the steps in order, and what undoes a node that failed."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from provisioner.errors import (
    BuildFailed,
    CapacityLow,
    EngineRefused,
    EngineUnavailable,
    GivenUp,
    HostUnreachable,
    Interrupted,
    LeaseLost,
    NodeUnhealthy,
    ProvisionerError,
    ReleaseCommandFailed,
)
from provisioner.model.event import ActionFailed, ActionSucceeded, StepStarted
from provisioner.model.plan import (
    Action,
    AwaitHealthy,
    AwaitRunning,
    BuildImage,
    EnterRotation,
    FetchImage,
    HoldSlot,
    LeaveRotation,
    RecordInputs,
    ReviveContainer,
    RunReleaseCommand,
    ShipImage,
    StartNode,
    Step,
    StopContainer,
    WatchSlot,
)
from provisioner.planning.diff import BALANCER_NODE
from provisioner.reconcile.actions import perform
from provisioner.reconcile.at_once import at_once
from provisioner.reconcile.examine import examine
from provisioner.reconcile.run import Run
from provisioner.reconcile.vigil import INTERVAL, evict_all, look, of_node, undoing

Stop = Callable[[], bool]
"""Tells whether somebody asked the run to stop after the step it is in."""

Failure = tuple[Action, ProvisionerError]
"""An action and why it failed."""

Way = tuple[tuple[Step, ...], tuple[Step, ...]]
"""All steps that are carried out together, and those of them that were by now."""


@dataclass(frozen=True, slots=True)
class Progressed:
    """How far the steps got, and what ended them.

    `began` says whether anything but images was touched, `changed` whether a node serves that did not before.
    """

    actions: int = 0
    changed: bool = False
    began: bool = False
    failure: ProvisionerError | None = None
    stopped: bool = False


def carry_out(steps: tuple[Step, ...], run: Run, stop: Stop, before: int = 0, after: int = 0) -> Progressed:
    """Carry out steps in order until the run fails or somebody asks to stop; nodes that failed are taken back.

    Asked to stop, a step that waits for something is left as it is; any other is finished.
    `before` and `after` are how many steps of the same run come earlier and later, for their numbers.
    """
    done, began, entered = 0, False, set[str]()
    run = replace(run, stop=stop)
    total = before + len(steps) + after
    run.vigil.expect(steps)
    run.vigil.advance(run)
    todo = deque(enumerate(steps, start=before + 1))
    while todo:
        number, planned = todo.popleft()
        if stop():
            return Progressed(done, _changed(entered, run), began, stopped=True)
        if lost := run.guard.before_step():
            return Progressed(done, _changed(entered, run), began, failure=lost)
        step = _without(planned, run.vigil.failures)
        if not step.actions:
            continue
        run.world.sink.emit(StepStarted(number, total, step))
        failures = _all_at_once(step.actions, run)
        done += len(step.actions) - len(failures)
        began = began or any(_moves(action) for action in step.actions)
        entered |= {of_node(action) for action in step.actions if _serves(action)}
        if lost := next((error for _, error in failures if isinstance(error, LeaseLost)), None):
            return Progressed(done, _changed(entered, run), began, failure=lost)
        left = [error for _, error in failures if isinstance(error, Interrupted)]
        failures = tuple((action, error) for action, error in failures if error not in left)
        if failure := _failed(step, failures, (steps, steps[: number - before]), run):
            return Progressed(done, _changed(entered, run), began, failure=failure)
        if left:
            return Progressed(done, _changed(entered, run), began, stopped=True)
        if any(isinstance(error, CapacityLow) for _, error in failures):
            todo.appendleft((number, planned))  # asked again, now that whoever was short of it was taken back
            continue
        if any(_serves(action) or isinstance(action, WatchSlot) for action in step.actions):
            run.vigil.advance(run)
        run.after_step(planned)
    return Progressed(done, _changed(entered, run), began)


def _without(step: Step, failed: Iterable[str]) -> Step:
    """Return what is left of a step when some nodes are not touched any more."""
    gone = set(failed)
    return replace(step, actions=tuple(each for each in step.actions if of_node(each) not in gone))


def _moves(action: Action) -> bool:
    return not isinstance(action, BuildImage | FetchImage | ShipImage | RunReleaseCommand | RecordInputs)


def _serves(action: Action) -> bool:
    return isinstance(action, EnterRotation | AwaitRunning)


def _changed(entered: set[str], run: Run) -> bool:
    return bool(entered - set(run.vigil.failures))


def _failed(step: Step, failures: tuple[Failure, ...], way: Way, run: Run) -> ProvisionerError | None:
    """Take back the nodes that failed in a step, or beside it; return why the run ends, None where it goes on."""
    look(run)
    unheard = dict(run.vigil.failures)
    others: list[ProvisionerError] = []
    for action, error in failures:
        unheard.pop(of_node(action), None)
        if _of_its_node(action, error):
            run.vigil.failures.setdefault(of_node(action), error)
        elif not isinstance(error, GivenUp):
            others.append(error)
    beside = {node: error for node, error in unheard.items() if node not in run.vigil.taken_back}
    for node, error in beside.items():
        _tell(run, node, error)
    new = [node for node in run.vigil.failures if node not in run.vigil.taken_back]
    others += [run.vigil.failures[node] for node in new if _is_lost(run.vigil.failures[node])]
    if new and all(isinstance(error, CapacityLow) for error in others):
        others = []  # nodes are short because these failed: they count, and are taken back
    ends = bool(others) or run.vigil.tripped
    if ends and run.at_the_end == "evict" and not any(_is_lost(error) for error in others):
        evict_all(run)
    undo = step.undo if ends and not _serving(step) else tuple(each for each in step.undo if of_node(each) in new)
    undo += tuple(each for node in beside for each in undoing(way[0], node, way[1]) if each not in undo)
    if ends and run.at_the_end != "take back":
        # What is proven stays as it is: the way back has a better plan, a pause none.
        undo = tuple(each for each in undo if of_node(each) not in run.vigil.proven)
    if failures or beside:
        take_back(undo, run, hold_only=ends and run.at_the_end == "hold")
    run.vigil.drop(new)
    if not ends:
        return None
    return others[0] if others else next(run.vigil.failures[node] for node in new or run.vigil.failures)


def _serving(step: Step) -> bool:
    """Tell whether the fresh nodes of a step serve: where it ends the run, they have done nothing wrong."""
    return all(isinstance(action, WatchSlot | LeaveRotation | StopContainer) for action in step.actions)


def _of_its_node(action: Action, error: ProvisionerError) -> bool:
    """Tell whether a failure speaks against the node an action belongs to, and against nothing else."""
    kinds = StartNode | ReviveContainer | AwaitHealthy | AwaitRunning | EnterRotation | WatchSlot
    return isinstance(action, kinds) and isinstance(error, NodeUnhealthy | EngineRefused) and _is_node(action)


def _is_lost(error: ProvisionerError) -> bool:
    return isinstance(error, HostUnreachable | EngineUnavailable)


def _is_node(action: Action) -> bool:
    return not of_node(action).endswith(f"/{BALANCER_NODE}")


def _tell(run: Run, node: str, error: ProvisionerError) -> None:
    """Say that a node failed its watch while something else was done."""
    action = next((each for (_, name), each in run.vigil.expected.items() if name == node), None)
    if action is not None:
        run.world.sink.emit(ActionFailed(action, str(error), error.hint, _log(error), examine(action, error, run)))


def _all_at_once(actions: tuple[Action, ...], run: Run) -> tuple[Failure, ...]:
    with ThreadPoolExecutor(max(1, min(run.world.forks, len(actions)))) as pool:
        attempts = [pool.submit(attempt, action, run) for action in actions]
        while wait(attempts, timeout=INTERVAL).not_done:
            look(run)
        errors = [each.result() for each in attempts]
    return tuple((action, error) for action, error in zip(actions, errors, strict=True) if error is not None)


def attempt(action: Action, run: Run) -> ProvisionerError | None:
    """Carry out one action and tell how it ended; return why it failed."""
    clock = run.world.clock
    begun = clock.monotonic()
    try:
        detail = perform(action, run)
    except Interrupted as asked:
        return asked
    except ProvisionerError as error:
        # Now, while the container is still there: what undoes the step removes it.
        run.world.sink.emit(ActionFailed(action, str(error), error.hint, _log(error), examine(action, error, run)))
        return error
    run.world.sink.emit(ActionSucceeded(action, clock.monotonic() - begun, detail))
    return None


def _log(error: ProvisionerError) -> tuple[str, ...]:
    match error:
        case NodeUnhealthy() | ReleaseCommandFailed():
            return error.log
        case BuildFailed():
            return (error.instruction, *error.output) if error.instruction else error.output
        case _:
            return ()


def take_back(undo: tuple[Action, ...], run: Run, *, hold_only: bool = False) -> None:
    """Carry out what undoes nodes, all nodes at once; of a node nothing more is done where one part did not work.

    With `hold_only` they are kept out of rotation, and left to be looked at.
    """
    quiet = run.quiet()
    nodes = dict.fromkeys(of_node(action) for action in undo)
    chains = [[each for each in undo if of_node(each) == node] for node in nodes]
    at_once(lambda chain: _one_by_one(chain, quiet, hold_only=hold_only), chains, run.world.forks)


def _one_by_one(chain: Iterable[Action], run: Run, *, hold_only: bool) -> None:
    for action in chain:
        if hold_only and not isinstance(action, HoldSlot):
            continue
        if attempt(action, run) is not None:
            return
