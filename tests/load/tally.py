"""What a strict client counts: requests, failures, executions, tunnels, who answered, and the capacity it saw."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

KEPT = 500
"""How many failures and cuts are kept one by one; all are counted."""


@dataclass(frozen=True, slots=True)
class Failure:
    """One request that failed: when it was sent, its kind, and how it failed."""

    at: float
    kind: str
    reason: str


@dataclass(frozen=True, slots=True)
class Cut:
    """One tunnel that ended before its client wanted: when, whose it was, and how."""

    at: float
    host: str
    release: str
    how: str


@dataclass(slots=True)
class Share:
    """The answers of one release: how many, and the first and the last time."""

    answers: int = 0
    first: float = 0.0
    last: float = 0.0


@dataclass(slots=True)
class Capacity:
    """The nodes in rotation of one backend: how often looked, the fewest, and each change as time and number."""

    samples: int = 0
    fewest: int | None = None
    changes: list[tuple[float, int]] = field(default_factory=list)

    def note(self, at: float, nodes: int) -> None:
        """Count one look."""
        self.samples += 1
        self.fewest = nodes if self.fewest is None else min(self.fewest, nodes)
        if not self.changes or self.changes[-1][1] != nodes:
            self.changes.append((at, nodes))


class Tally:
    """Counts what happened; times are seconds since 1970, so that they compare with those of who steers the fleet."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.begun = clock()
        self.sent: Counter[str] = Counter()
        self.answered: Counter[str] = Counter()
        self.failed: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.failures: list[Failure] = []
        self.last_failure: float | None = None
        self.twice: list[str] = []
        self.hosts: Counter[str] = Counter()
        self.releases: defaultdict[str, Share] = defaultdict(Share)
        self.opened = 0
        self.cuts: list[Cut] = []
        self.capacity: defaultdict[str, Capacity] = defaultdict(Capacity)
        self.unasked = 0
        self._seconds: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])

    def send(self, kind: str) -> float:
        """Count a request that is about to be sent; return the time."""
        at = self.clock()
        self.sent[kind] += 1
        self._seconds[int(at)][0] += 1
        return at

    def answer(self, kind: str, host: str, release: str) -> None:
        """Count a good answer, and for whom it speaks."""
        self.answered[kind] += 1
        self.serve(host, release)

    def serve(self, host: str, release: str) -> None:
        """Count an answer for its host and release, good or not; nothing where the answer names none."""
        if host:
            self.hosts[host] += 1
        if release:
            share, now = self.releases[release], self.clock()
            share.first = share.first or now
            share.answers, share.last = share.answers + 1, now

    def fail(self, at: float, kind: str, reason: str) -> None:
        """Count a failed request by the time it was sent."""
        self.failed[kind][reason] += 1
        self._seconds[int(at)][1] += 1
        self.last_failure = max(at, self.last_failure or at)
        if len(self.failures) < KEPT:
            self.failures.append(Failure(at, kind, reason))

    def cut(self, host: str, release: str, how: str) -> None:
        """Count a tunnel that was cut, with the name of who held it."""
        self.cuts.append(Cut(self.clock(), host, release, how))

    def report(self) -> dict[str, Any]:
        """Return everything counted, as it goes into JSON."""
        return {
            "begun": self.begun,
            "ended": self.clock(),
            "sent": dict(self.sent),
            "answered": dict(self.answered),
            "failed": {kind: dict(reasons) for kind, reasons in self.failed.items()},
            "first_failure": min((each.at for each in self.failures), default=None),
            "last_failure": self.last_failure,
            "failures": [asdict(each) for each in self.failures],
            "twice": self.twice,
            "hosts": dict(self.hosts),
            "releases": {name: asdict(share) for name, share in self.releases.items()},
            "tunnels": {
                "opened": self.opened,
                "cut": len(self.cuts),
                "cuts": [asdict(each) for each in self.cuts[:KEPT]],
            },
            "capacity": {name: asdict(seen) for name, seen in self.capacity.items()},
            "unasked": self.unasked,
            "seconds": [[second, *counts] for second, counts in sorted(self._seconds.items())],
        }
