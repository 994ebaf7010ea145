"""Where the batches of a plan end, and which of the user's hooks it calls."""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.model.hook import HOOKS, Hook
from provisioner.model.plan import (
    Action,
    AwaitRunning,
    BuildImage,
    EnterRotation,
    FetchImage,
    PlannedHook,
    RemoveContainer,
    Step,
)

Batch = tuple[Step, tuple[str, ...]]
"""The last step of a batch, and the nodes that changed in it."""


def batches(steps: tuple[Step, ...]) -> tuple[Batch, ...]:
    """Return every batch of a plan in the order of their ends: the last step about its nodes but their tidying up."""
    found: dict[tuple[str, ...], int] = {}
    entered: set[str] = set()
    ends = {node_of(each): at for at, step in enumerate(steps) for each in step.actions if not _tidies(each)}
    for step in steps:
        nodes = tuple(dict.fromkeys(node_of(each) for each in step.actions if _serves(each)))
        if nodes and not set(nodes) <= entered:
            found[nodes] = max(ends[node] for node in nodes)
            entered |= set(nodes)
    return tuple((steps[at], nodes) for nodes, at in sorted(found.items(), key=lambda item: item[1]))


def node_of(action: Action) -> str:
    """Return the node an action is about, empty where it is about none."""
    return getattr(action, "node", "")


def _serves(action: Action) -> bool:
    return isinstance(action, EnterRotation | AwaitRunning)


def _tidies(action: Action) -> bool:
    return isinstance(action, RemoveContainer)


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
