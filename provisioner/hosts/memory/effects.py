"""The journal of everything that changed a host in memory, and the place where a test makes it fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import RLock

Hook = Callable[[str, str], None]
"""Called with a host and what is done to it (`create shop.web-1.a`); whatever it raises is what happens."""

Repeats = Callable[[str, str], bool]
"""Tells of an effect whether its request arrives twice; the second answer is the one that is heard."""


@dataclass(frozen=True, slots=True)
class Effect:
    """One attempt to change a host: `create shop.web-1.a`, `set_state web maint web1.1.a`."""

    host: str
    name: str


class Effects:
    """Keeps every effect in order. The hooks run before an effect, and after one that worked.

    An error from `before` stands for a fault before anything happened; from `after`, for a controller that
    died, or an answer that was lost, when it had. `twice` is asked in between.
    """

    def __init__(self, before: Hook | None = None, after: Hook | None = None, twice: Repeats | None = None) -> None:
        self.before = before
        self.after = after
        self.twice = twice
        self._journal: list[Effect] = []
        self._lock = RLock()

    @property
    def journal(self) -> tuple[Effect, ...]:
        """Return all effects so far, oldest first; those that a hook or the engine refused are among them."""
        return tuple(self._journal)

    def clear(self) -> None:
        """Forget what was recorded, so that a test counts from here."""
        self._journal.clear()

    @contextmanager
    def __call__(self, host: str, name: str) -> Iterator[int]:
        """Record an effect around the code that has it, which is told how often it is carried out."""
        with self._lock:
            self._journal.append(Effect(host, name))
        if self.before is not None:
            self.before(host, name)
        yield 2 if self.twice is not None and self.twice(host, name) else 1
        if self.after is not None:
            self.after(host, name)
