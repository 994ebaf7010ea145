"""A lease: the right of one controller to change a fleet, as it lies on a host and as it is held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from provisioner.model.observed import Unreachable

SHORTEST_TERM = 15.0
"""Seconds: a host tells its time in whole seconds, so a shorter term could not be judged."""

USUAL_TERM = 30.0
"""Seconds a lease lasts after its last sign of life where nobody says otherwise."""

JOURNAL, RELEASED = "journal", "released"
"""The files of a lease: the last lines of its run's journal, and the mark that it was handed back."""


@dataclass(frozen=True, slots=True)
class LeaseClaim:
    """What a controller says when it takes a lease: the fleet, the epoch, its run, who it is, its term in seconds."""

    fleet: str
    epoch: int
    run: str
    owner: str
    term: float = USUAL_TERM


@dataclass(frozen=True, slots=True)
class ObservedLease:
    """A lease on a host. Times are seconds since 1970 on the clock of that host.

    `mark` is the engine's own text for its last sign of life, only compared for equality. Of a lease that is not the
    latest one only the claim is known.
    """

    lease_id: str
    claim: LeaseClaim
    taken: float
    beaten: float = 0.0
    mark: str = ""
    released: bool = False


@dataclass(frozen=True, slots=True)
class LeaseSight:
    """The leases of a fleet on one host, the latest first, as they were at `now` on the clock of that host.

    `floor` is the highest epoch that any lease, or any container of the fleet there, was ever stamped with.
    """

    host: str
    now: float
    leases: tuple[ObservedLease, ...]
    floor: int

    @property
    def latest(self) -> ObservedLease | None:
        """Return the lease that counts, None where the host has none."""
        return self.leases[0] if self.leases else None

    @property
    def age(self) -> float:
        """Return the seconds since the latest lease gave a sign of life."""
        return self.now - self.leases[0].beaten if self.leases else 0.0


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One line of a run's journal: what was about to happen, or how it ended, and never with what content.

    `at` is the controller's time of day (RFC 3339), `phase` is `intent`, `done`, `failed`, `begin` or `end`.
    """

    number: int
    at: str
    phase: str
    effect: str
    host: str = ""
    name: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class LeaseReport:
    """A lease on a host for people: what lies there, whether it is held now, and the end of its run's journal."""

    host: str
    now: float
    lease: ObservedLease
    state: Literal["held", "expired", "released"]
    journal: tuple[JournalLine, ...] = ()


@dataclass(frozen=True, slots=True)
class LeasesSeen:
    """The latest lease of a fleet on every host that has one, and the hosts that could not be asked."""

    fleet: str
    reports: tuple[LeaseReport, ...]
    unreachable: tuple[Unreachable, ...] = ()
