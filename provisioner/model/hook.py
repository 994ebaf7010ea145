"""Commands of the user's own that run on this machine at fixed moments of a run, and how they ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

HookName = Literal["pre-build", "pre-apply", "post-batch", "post-apply", "on-failure"]

HOOKS: tuple[HookName, ...] = ("pre-build", "pre-apply", "post-batch", "post-apply", "on-failure")
"""The moments: before images are made, before anything moves, after every batch, after the proof, after a failure."""


@dataclass(frozen=True, slots=True)
class Hook:
    """A command, the seconds it may take, variables it gets besides ours, and the secrets it asked for by name.

    A secret is in a variable of its own name. The command runs in the folder of the spec.
    """

    command: tuple[str, ...]
    timeout: float = 60.0
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Moment:
    """What a hook is told: the moment, the fleet, the release it goes to and the one it comes from, by which command.

    `hosts` and `nodes` are those that change, after a batch those of the batch. `outcome`, `exit_code` and `message`
    are how the run ended, empty and None before that.
    """

    hook: HookName
    fleet: str
    command: str
    release: str = ""
    previous: str = ""
    hosts: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    outcome: str = ""
    exit_code: int | None = None
    message: str = ""


@dataclass(frozen=True, slots=True)
class HookEnd:
    """How a hook ended: its command, seconds it took, why it failed (empty where it did not), its last lines."""

    command: tuple[str, ...]
    seconds: float
    failure: str = ""
    output: tuple[str, ...] = ()
