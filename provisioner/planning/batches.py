"""Where the batches of a plan end, and which of the user's hooks it calls."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provisioner.model.hook import HOOKS, Hook
from provisioner.model.plan import Action, AwaitRunning, BuildImage, EnterRotation, FetchImage, PlannedHook, Step

Batch = tuple[Step, tuple[str, ...]]
"""The last step of a batch, and the nodes that changed in it."""


def batches(steps: tuple[Step, ...]) -> tuple[Batch, ...]:
    """Return every batch of a plan: the step in which nodes begin to serve, or the last one about the same nodes."""
    return tuple(_batches(steps))


def _batches(steps: tuple[Step, ...]) -> Iterator[Batch]:
    last: Step | None = None
    nodes: tuple[str, ...] = ()
    for step in steps:
        entering = tuple(dict.fromkeys(node_of(each) for each in step.actions if _serves(each)))
        about = {node_of(each) for each in step.actions} - {""}
        if last is not None and (entering or not about or not about <= set(nodes)):
            yield last, nodes
            last = None
        if entering:
            last, nodes = step, entering
        elif last is not None:
            last = step
    if last is not None:
        yield last, nodes


def node_of(action: Action) -> str:
    """Return the node an action is about, empty where it is about none."""
    return getattr(action, "node", "")


def _serves(action: Action) -> bool:
    return isinstance(action, EnterRotation | AwaitRunning)


def planned_hooks(hooks: Mapping[str, Hook], steps: tuple[Step, ...]) -> tuple[PlannedHook, ...]:
    """Return the hooks that carrying these steps out may call, in the order of their moments."""
    if not steps:
        return ()
    idle = (
        set()
        if any(isinstance(each, BuildImage | FetchImage) for step in steps for each in step.actions)
        else {"pre-build"}
    )
    idle |= set() if batches(steps) else {"post-batch"}
    return tuple(PlannedHook(name, hooks[name].command) for name in HOOKS if name in hooks and name not in idle)
