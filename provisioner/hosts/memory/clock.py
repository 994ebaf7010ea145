"""A clock that passes only while somebody sleeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import RLock

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


class MemoryClock:
    """Time that sleeping advances at once, so that a rollout of minutes is tested in milliseconds.

    `watchers` are called with the new time after every advance: a property test looks at the fleet there.
    """

    def __init__(self, start: datetime = EPOCH) -> None:
        self._start = start
        self._passed = 0.0
        self._lock = RLock()
        self.watchers: list[Callable[[float], None]] = []

    def monotonic(self) -> float:
        """Return the seconds that passed since the clock was made."""
        return self._passed

    def sleep(self, seconds: float) -> None:
        """Advance; what has passed already because others slept meanwhile is not waited for again."""
        until = self._passed + max(seconds, 0.0)
        with self._lock:
            self._passed = max(self._passed, until)
            for watcher in tuple(self.watchers):
                watcher(self._passed)

    def now(self) -> str:
        """Return the time of day in UTC, RFC 3339."""
        return (self._start + timedelta(seconds=self._passed)).isoformat().replace("+00:00", "Z")

    @contextmanager
    def every(self, seconds: float, call: Callable[[], None]) -> Iterator[None]:
        """Call something whenever so much time has passed, until the context is left."""
        due = [self._passed + seconds]

        def watch(now: float) -> None:
            if now >= due[0]:
                due[0] = now + seconds
                call()

        self.watchers.append(watch)
        try:
            yield
        finally:
            self.watchers.remove(watch)
