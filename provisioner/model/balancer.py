"""The load balancer's configuration as a value, and the states its servers are seen in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from provisioner.model.later import later
from provisioner.model.placement import Slot
from provisioner.model.spec import Bind, Route

AdminState = Literal["ready", "drain", "maint"]

FULL_SHARE = 100
"""Per cent: what a server gets of the requests that each of its peers gets, when nothing caps it."""


@dataclass(frozen=True, slots=True, order=True)
class Check:
    """How the balancer judges a server: HTTP on `path`, or a TCP connect where it is None. Times are seconds."""

    path: str | None
    interval: float
    timeout: float
    retries: int


@dataclass(frozen=True, slots=True, order=True)
class Server:
    """One slot at one address under one check. At rest each slot is listed once.

    While a rollout changes address, port or check, a slot is listed once per variant, each under its own name.
    """

    name: str
    node: str
    slot: Slot
    address: str
    port: int
    check: Check


@dataclass(frozen=True, slots=True)
class Backend:
    """The servers of one service."""

    service: str
    servers: tuple[Server, ...]


@dataclass(frozen=True, slots=True, order=True)
class Drained:
    """A node that a person took out of rotation until he lets it in again: who, when (UTC, RFC 3339), and why."""

    node: str
    author: str
    since: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BalancerConfig:
    """All that the balancer's file says. Times are seconds; `network` is `bridge`, or `host` for that of its host.

    `drained` names nodes that get no requests because a person wants it so; a release never does.
    """

    fleet: str
    bind: tuple[Bind, ...]
    algorithm: str
    routes: tuple[Route, ...]
    backends: tuple[Backend, ...]
    drain_timeout: float = 30.0
    network: Literal["bridge", "host"] = later("bridge")
    drained: tuple[str, ...] = later(())


@dataclass(frozen=True, slots=True)
class ServerState:
    """A server as the running balancer reports it.

    `health` is what its checks say, `unchecked` in maintenance and before the first one ran; `check` is the last
    result's code (`L7OK`, `L4CON`, …), `answer` the same in the balancer's words (`Layer7 wrong status 404`);
    `sessions` counts current ones, `weight` is effective. Since their worker began: `total` counts requests,
    `failed_checks` checks that failed while the server was up, `times_down` how often that took it down, `errors_5xx`
    answers of 500 and above, `broken` requests it accepted and did not answer.
    """

    backend: str
    name: str
    admin: AdminState
    health: Literal["up", "down", "unchecked"]
    check: str
    sessions: int
    total: int
    weight: int
    address: str = ""
    failed_checks: int = 0
    errors_5xx: int = 0
    answer: str = ""
    times_down: int = 0
    broken: int = 0
