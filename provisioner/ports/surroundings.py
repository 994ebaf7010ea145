"""What surrounds a run: time, its journal, the hooks of the user, and who hears what happens."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from provisioner.model.event import Event
from provisioner.model.hook import HookEnd, Moment
from provisioner.model.secret import Secret


class JournalFile(Protocol):
    """A file on this machine that only grows."""

    def append(self, line: bytes, *, durable: bool) -> None:
        """Append a line; a durable one is on the disk when this returns. Raise StorageFailed."""

    def close(self) -> None:
        """Give it back."""


class Clock(Protocol):
    """Time, lent so that tests need not wait."""

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back, and that goes on while the machine sleeps."""

    def sleep(self, seconds: float) -> None:
        """Wait."""

    def now(self) -> str:
        """Return the time of day in UTC, RFC 3339."""


class Pulse(Protocol):
    """What beats beside whatever goes on."""

    def every(self, seconds: float, call: Callable[[], None]) -> AbstractContextManager[None]:
        """Call something whenever so many seconds have passed, until the context is left."""


class Hooks(Protocol):
    """Runs commands of the user's own on this machine."""

    def run(self, moment: Moment, say: Callable[[str], None], secret: Callable[[str], Secret]) -> HookEnd | None:
        """Run the hook of a moment to its end or its time limit, each line it writes said; None where there is none.

        `secret` gives the value of a secret that it asks for by name. Raise SecretMissing.
        """


class EventSink(Protocol):
    """Hears what happens."""

    def emit(self, event: Event) -> None:
        """Take an event; called from several threads."""
