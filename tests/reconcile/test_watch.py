"""Looking again and again: what is told of each look, and what is not."""

from __future__ import annotations

from collections.abc import Callable

from provisioner.errors import ProvisionerError, StorageFailed, UsageError
from provisioner.hosts.memory import MemoryClock
from provisioner.model.drift import Drift, DriftReport, DriftSummary
from provisioner.model.event import DriftAppeared, DriftGone, Event, LookFailed
from provisioner.reconcile.watch import watch

HTOP = Drift("web3", "", "package", "htop", "absent", "3.2.2", "outlier", note="3 of 4 hosts lack it")
LOST = Drift("web3", "", "host", "", "reachable", "connection refused", "unknown")
LEVEL = Drift("web1", "web1/web-1", "environment", "LOG_LEVEL", "info", "debug", "drift")


def report(*rows: Drift) -> DriftReport:
    """Return what a look found."""
    return DriftReport("shop", rows, DriftSummary(4, 3, 0, 0), ("web1", "web3"))


class Watched:
    """Looks that were prepared, a clock that a person interrupts when they are over, and what was told."""

    def __init__(self, *looks: DriftReport | ProvisionerError) -> None:
        self.looks = list(looks)
        self.events: list[Event] = []
        self.published: list[DriftReport | None] = []
        self.slept: list[float] = []
        self.clock = MemoryClock()

    def look(self) -> DriftReport:
        """Return the next look, which took a second."""
        self.clock.sleep(1.0)
        found = self.looks.pop(0)
        if isinstance(found, ProvisionerError):
            raise found
        return found

    def emit(self, event: Event) -> None:
        """Keep what was told."""
        self.events.append(event)

    def monotonic(self) -> float:
        """Return the time."""
        return self.clock.monotonic()

    def now(self) -> str:
        """Return the time of day."""
        return "now"

    def sleep(self, seconds: float) -> None:
        """Sleep, or be interrupted where no look is left."""
        self.slept.append(seconds)
        if not self.looks:
            raise KeyboardInterrupt

    def run(self, publish: Callable[[DriftReport | None], None] | None = None) -> list[tuple[str, str]]:
        """Watch every minute, and return what came and went."""
        watch(self.look, self, self, 60.0, publish or self.published.append)
        return [_told(event) for event in self.events]


def _told(event: Event) -> tuple[str, str]:
    match event:
        case DriftAppeared():
            return "appeared", event.row.key or event.row.kind
        case DriftGone():
            return "gone", event.row.key or event.row.kind
        case LookFailed():
            return "failed", event.reason
        case _:
            raise AssertionError(event)


def test_what_comes_and_goes_is_told_once() -> None:
    """A difference that stays is no news; one whose value changed is."""
    watched = Watched(report(HTOP), report(HTOP, LEVEL), report(LEVEL))
    assert watched.run() == [("appeared", "htop"), ("appeared", "LOG_LEVEL"), ("gone", "htop")]
    assert watched.slept == [59.0, 59.0, 59.0]
    assert [each is not None for each in watched.published] == [True, True, True]


def test_a_look_that_fails_is_a_line_and_not_the_end() -> None:
    """What was known stays known."""
    watched = Watched(report(HTOP), UsageError("fleet.yaml is gone"), report(HTOP))
    assert [what for what, _ in watched.run()] == ["appeared", "failed"]
    assert [each is not None for each in watched.published] == [True, False, True]


def test_what_a_lost_host_had_is_not_gone() -> None:
    """It is gone when the host was seen without it."""
    watched = Watched(report(HTOP, LEVEL), report(LOST), report())
    assert watched.run() == [
        ("appeared", "htop"),
        ("appeared", "LOG_LEVEL"),
        ("appeared", "host"),
        ("gone", "LOG_LEVEL"),
        ("gone", "host"),
        ("gone", "htop"),
    ]


def test_counts_that_cannot_be_written_are_a_line_too() -> None:
    """The watch goes on."""

    def full(_: DriftReport | None) -> None:
        raise StorageFailed("no space left")

    assert Watched(report(HTOP), report(HTOP)).run(full) == [
        ("failed", "no space left"),
        ("appeared", "htop"),
        ("failed", "no space left"),
    ]
