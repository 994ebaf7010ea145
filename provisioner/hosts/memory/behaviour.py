"""How the program in a container behaves, as data, and what follows from it at any moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from provisioner.model.evidence import Answer, ListeningSocket

RESTART_DELAY = 1.0
"""Seconds between the end of a program and its next start by a restart policy."""


@dataclass(frozen=True, slots=True)
class AppBehaviour:
    """What a program does once started. Times are seconds since its start.

    It answers on its ports after `starts_listening_after`, on `healthy_paths` only where they are named. It ends
    by itself after `exits_after`, with `exit_code`. `stops_after` is how long it takes to obey its stop signal.
    It fails its checks during every other stretch of `sick_every`, and answers `failing_requests`, a share from 0 to
    1, of real requests with 500.
    `sockets` are what it listens on where that is not the port it is expected on, `answers` what it says by path.
    """

    starts_listening_after: float = 0.0
    healthy_paths: frozenset[str] | None = None
    exits_after: float | None = None
    exit_code: int = 0
    out_of_memory: bool = False
    stops_after: float = 0.0
    passes_engine_test: bool = True
    sick_every: float | None = None
    failing_requests: float = 0.0
    log: tuple[str, ...] = ()
    pages: Mapping[str, bytes] = field(default_factory=dict)
    sockets: tuple[ListeningSocket, ...] | None = None
    answers: Mapping[str, Answer] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Life:
    """What became of a program: how its container looks, and for how long the present process has run."""

    state: Literal["running", "restarting", "exited"]
    restarts: int
    age: float


def life(behaviour: AppBehaviour, policy: str, elapsed: float) -> Life:
    """Return how a program stands `elapsed` seconds after its container was started."""
    lifetime = behaviour.exits_after
    if lifetime is None or elapsed < lifetime:
        return Life("running", 0, elapsed)
    if not is_restarted(policy, behaviour.exit_code):
        return Life("exited", 0, 0.0)
    restarts, age = divmod(elapsed, lifetime + RESTART_DELAY)
    return Life("running" if age < lifetime else "restarting", int(restarts), age)


def is_restarted(policy: str, exit_code: int) -> bool:
    """Tell whether a restart policy brings a program back that ended by itself with that code."""
    if policy.startswith("on-failure"):
        return exit_code != 0
    return policy in {"always", "unless-stopped"}


@dataclass(slots=True)
class Tenure:
    """A stretch of time in which a started container behaved in one way; `until` is None while it lasts.

    Kept after its end, so that a health check that ran in the past is still answered as it was.
    """

    behaviour: AppBehaviour
    policy: str
    born: float
    since: float
    until: float | None = None

    def covers(self, at: float) -> bool:
        """Tell whether a moment lies in this stretch."""
        return self.since <= at and (self.until is None or at < self.until)

    def life(self, at: float) -> Life:
        """Return how the program stood at a moment."""
        return life(self.behaviour, self.policy, at - self.born)

    def listens(self, at: float) -> bool:
        """Tell whether its ports accepted connections at a moment."""
        now = self.life(at)
        return self.covers(at) and now.state == "running" and now.age >= self.behaviour.starts_listening_after

    def answers(self, path: str | None, at: float) -> bool:
        """Tell whether a health check passed at a moment: on a path, or a mere connection where it is None."""
        paths, sick = self.behaviour.healthy_paths, self.behaviour.sick_every
        if sick is not None and int(self.life(at).age // sick) % 2:
            return False
        return self.listens(at) and (path is None or paths is None or path in paths)
