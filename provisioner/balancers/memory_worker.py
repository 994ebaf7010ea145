"""A HAProxy worker in memory: what it believes of its servers, check by check, traps included.

The rules are those of HAProxy 2.6. A server is up while its health counter is at least `rise`; a fresh worker
believes every server up until a check says otherwise; leaving maintenance makes a server up on the strength of
nothing, and keeps showing the last check of whoever was there before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from provisioner.balancers.memory_file import BalancerFile, CheckRule, ServerLine
from provisioner.balancers.memory_requests import Served, spread
from provisioner.model.balancer import FULL_SHARE, AdminState, ServerState

Answers = Callable[[str, int, str | None, float], bool]
"""Tells whether address, port and path (None: a connection) answered a check at a moment."""

Fails = Callable[[str, int, float], float]
"""Tells which share of the requests to address and port is answered with 5xx at a moment, from 0 to 1."""

NEVER_CHECKED = "INI"
SHORTEST = 0.05
"""Seconds between two checks at the least, so that a file without an interval ends in time."""


@dataclass(slots=True)
class RunningServer:
    """A server as its worker sees it; `counter` is HAProxy's health counter, from 0 to rise + fall - 1."""

    line: ServerLine
    counter: int
    next_check: float
    admin: AdminState = "ready"
    check: str = NEVER_CHECKED
    sessions: int = 0
    sessions_end: float | None = None
    failed_checks: int = 0
    times_down: int = 0
    share: int = FULL_SHARE
    served: Served = field(default_factory=Served)

    @property
    def weight(self) -> int:
        """Return the weight that counts now: a whole number, so a share of little may be nothing."""
        return self.line.weight * self.share // 100

    def pause(self, rule: CheckRule) -> float:
        """Return the seconds until the next check."""
        if self.counter == rule.rise + rule.fall - 1:
            return rule.interval
        return rule.down if self.counter == 0 else rule.fast

    def judge(self, rule: CheckRule, passed: bool) -> None:  # noqa: FBT001 - a check passes or fails
        """Count one check's result."""
        web = rule.path is not None
        if passed:
            self.check = "L7OK" if web else "L4OK"
            self.counter = rule.rise + rule.fall - 1 if self.counter + 1 >= rule.rise else self.counter + 1
        else:
            self.check = "L4CON"
            was_up = self.counter >= rule.rise
            self.failed_checks += was_up
            self.counter = self.counter - 1 if self.counter > rule.rise else 0
            self.times_down += was_up and not self.counter


class Worker:
    """One worker, from the file it parsed at `born` until it is replaced."""

    def __init__(self, file: BalancerFile, born: float, answers: Answers, fails: Fails = lambda *_: 0.0) -> None:
        self.file = file
        self._answers = answers
        self._fails = fails
        self._served_until = born
        self._servers = {
            (line.backend, line.name): RunningServer(
                line, line.rule.rise if line.rule else 1, _first(line, born, at, file)
            )
            for at, line in enumerate(file.servers)
        }

    def find(self, backend: str, name: str) -> RunningServer | None:
        """Return a server, None where the file has none of that name."""
        return self._servers.get((backend, name))

    def advance(self, at: float) -> None:
        """Run every check that was due until now, each as the world stood at its moment."""
        for server in self._servers.values():
            if server.sessions_end is not None and server.sessions_end <= at:
                server.sessions, server.sessions_end = 0, None
            rule = server.line.rule
            while rule is not None and server.next_check <= at:
                if server.admin != "maint":
                    line = server.line
                    server.judge(rule, self._answers(line.address, line.port, rule.path, server.next_check))
                server.next_check += max(server.pause(rule), SHORTEST)

    def serve(self, at: float, rate: float) -> None:
        """Let clients of every backend send requests, so many a second, from the last such moment until now."""
        count = int((at - self._served_until) * rate)
        if not count:
            return
        for backend in self.pool():
            self.request(backend, count, at)
        self._served_until += count / rate

    def request(self, backend: str, count: int, at: float, failing: float | None = None) -> None:
        """Spread requests over the servers of a backend; `failing` is the share that fails, whoever answers."""
        servers = [self._servers[backend, name] for name in self.pool()[backend]]
        for server, requests in zip(servers, spread(count, [each.weight for each in servers]), strict=True):
            share = self._fails(server.line.address, server.line.port, at) if failing is None else failing
            server.served.add(requests, share)

    def set_state(self, server: RunningServer, state: AdminState, share: int = FULL_SHARE) -> None:
        """Change a server's administrative state and its share; leaving maintenance makes it up, unchecked."""
        server.share = share
        if server.admin == "maint" and state != "maint" and server.line.rule is not None:
            server.counter = server.line.rule.rise
        server.admin = state

    def distrust(self, server: RunningServer) -> None:
        """Make a server down until its next checks pass."""
        self._judged(server).counter = 0

    def is_up(self, server: RunningServer) -> bool:
        """Tell whether the worker believes that a server works."""
        judged = self._judged(server)
        return judged.line.rule is None or judged.counter >= judged.line.rule.rise

    def pool(self) -> dict[str, tuple[str, ...]]:
        """Return by backend the servers that get new requests now."""
        pool: dict[str, tuple[str, ...]] = {backend: () for backend, _ in self._servers}
        for (backend, name), server in self._servers.items():
            if server.admin == "ready" and self.is_up(server):
                pool[backend] = (*pool[backend], name)
        return pool

    def states(self) -> tuple[ServerState, ...]:
        """Return every server as the stats page shows it."""
        return tuple(self._state(server) for server in self._servers.values())

    def _judged(self, server: RunningServer) -> RunningServer:
        return self._servers[server.line.track] if server.line.track is not None else server

    def _state(self, server: RunningServer) -> ServerState:
        judged, line = self._judged(server), server.line
        up = self.is_up(server)
        never = up and (judged.line.rule is None or judged.check == NEVER_CHECKED)
        address = f"[{line.address}]" if ":" in line.address else line.address
        return ServerState(
            backend=line.backend,
            name=line.name,
            admin=server.admin,
            health="unchecked" if never or server.admin == "maint" else "up" if up else "down",
            check=judged.check,
            sessions=server.sessions,
            total=server.served.total,
            weight=server.weight if server.admin == "ready" else 0,
            address=f"{address}:{line.port}",
            failed_checks=judged.failed_checks,
            errors_5xx=server.served.failed,
            times_down=judged.times_down,
        )


def _first(line: ServerLine, born: float, place: int, file: BalancerFile) -> float:
    """Return when the first check of a server runs: HAProxy spreads them over one interval."""
    interval = line.rule.interval if line.rule else 0.0
    return born + interval * (place + 1) / max(len(file.servers), 1)
