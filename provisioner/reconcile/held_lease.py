"""The lease of a run while it is held: its signs of life, when it counts as lost, and how it is handed back."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock

from provisioner.errors import EngineRefused, HostError, LeaseLost
from provisioner.model.image import LEASE_REPOSITORY
from provisioner.model.inventory import Host
from provisioner.model.lease import JOURNAL, RELEASED
from provisioner.ports import Clock, Leases
from provisioner.reconcile.world import World

IMAGE_TAG = f"{LEASE_REPOSITORY}:1"
FENCE = 2 / 3
"""The part of a term after its last sign of life in which a run still trusts its own lease."""

_GONE = 404


@dataclass(slots=True)
class Holding:
    """The lease on one host; past `deadline` on our own clock it counts as lost."""

    host: Host
    leases: Leases
    lease_id: str
    epoch: int
    deadline: float


class HeldLease:
    """The lease of this run, on every host that it lies on; may be asked by many threads.

    Once lost it stays lost: a run that was asleep, or cut off, for too long cannot know what others did meanwhile.
    """

    def __init__(self, clock: Clock, term: float, tail: Callable[[], bytes]) -> None:
        self._clock = clock
        self._term = term
        self._tail = tail
        self._holdings: list[Holding] = []
        self._forsaken: frozenset[str] = frozenset()
        self._lost = ""
        self._lock = Lock()

    @property
    def epoch(self) -> int:
        """Return the epoch that containers of this run are stamped with."""
        return max((each.epoch for each in self._holdings), default=0)

    @property
    def hosts(self) -> tuple[str, ...]:
        """Return the names of the hosts it lies on."""
        return tuple(each.host.name for each in self._holdings)

    def add(self, holding: Holding) -> None:
        """Hold it on one host more."""
        with self._lock:
            self._holdings.append(holding)

    def refuse_lost(self) -> None:
        """Raise LeaseLost where it is lost. Asks nobody: only the clock of this machine."""
        late = [each for each in self._holdings if self._clock.monotonic() >= each.deadline]
        if late and not self._lost:
            self._lost = f"it could not be renewed on {late[0].host.name} in time, or this machine was asleep"
        if self._lost:
            raise LeaseLost(
                f"this run lost the lease: {self._lost}. It stopped before its next effect",
                hint="see `provisioner lease show`; the same command goes on from what is there",
            )

    def beat(self) -> None:
        """Give a sign of life on every host. A host that does not answer is not yet a lease that is lost."""
        with self._lock:
            for holding in self._holdings:
                self._beat(holding)

    def forsake(self, hosts: Iterable[str]) -> None:
        """Remove the lease from these hosts when it is handed back: no run will look for one there."""
        self._forsaken = frozenset(hosts)

    def hand_back(self, world: World) -> None:
        """Let the next run take it at once. One that was lost is not ours to hand back."""
        with self._lock:
            holdings = [each for each in self._holdings if not self._lost]
        for holding in holdings:
            with suppress(HostError):
                holding.leases.put(holding.lease_id, JOURNAL, self._tail())
                holding.leases.put(holding.lease_id, RELEASED, b"")
                if holding.host.name in self._forsaken:
                    holding.leases.remove(holding.lease_id)
                    world.hosts.hands(holding.host).images.remove(IMAGE_TAG)

    def _beat(self, holding: Holding) -> None:
        sent = self._clock.monotonic()
        if self._lost or sent >= holding.deadline:
            return
        try:
            holding.leases.put(holding.lease_id, JOURNAL, self._tail())
        except EngineRefused as error:
            if error.status == _GONE:
                self._lost = f"somebody removed it on {holding.host.name}, or took it over"
        except HostError:
            return
        else:
            if self._clock.monotonic() < holding.deadline:
                holding.deadline = sent + FENCE * self._term
