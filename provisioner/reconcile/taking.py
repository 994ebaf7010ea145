"""Takes the lease on one host: free, or expired and watched for a term more, and seen to be the latest afterwards."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from provisioner.errors import EngineRefused, HostError, HostUnreachable, Interrupted, LeaseHeld
from provisioner.model.container import KIND_LABEL
from provisioner.model.event import LeaseWatched
from provisioner.model.inventory import Host
from provisioner.model.lease import LeaseClaim, LeaseSight, ObservedLease
from provisioner.ports import Leases
from provisioner.reconcile.held_lease import FENCE, IMAGE_TAG, HeldLease, Holding
from provisioner.reconcile.world import World

IMAGE_FILES = {"l/about": b"A lease of a fleet lies here: `provisioner lease show` reads it.\n"}
POLL = 1.0
_TRIES = 3
_CONFLICT = 409

Stop = Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Taking:
    """One controller on its way to the lease of a fleet; what it gets is added to `lease`.

    The run it `robs` is not watched: a person says that it may lose its lease.
    """

    world: World
    lease: HeldLease
    fleet: str
    stop: Stop
    robs: str = ""

    def on(self, host: Host) -> str:
        """Take it on a host; return whose expired one was taken over, empty where it was free.

        Raise LeaseHeld, HostError, and Interrupted where somebody asks to stop meanwhile.
        """
        try:
            leases, store = self.world.controller.leases(host), self.world.hosts.hands(host).images
        except HostUnreachable as error:
            hint = f"the lease lies there too; if that host is dead for good, say --without {host.name}"
            raise HostUnreachable(host.name, error.reason, hint=hint) from error
        image = self.world.shipper.record(IMAGE_FILES, {KIND_LABEL: "lease"}, IMAGE_TAG, store)
        for _ in range(_TRIES):
            sight, over = leases.look(self.fleet), ""
            if sight.latest is not None and not sight.latest.released:
                sight, over = self._watched(leases, sight, sight.latest)
            if self._taken(host, leases, image, sight.floor + 1):
                return over
        raise held(leases.look(self.fleet), self.fleet)

    def _watched(self, leases: Leases, sight: LeaseSight, seen: ObservedLease) -> tuple[LeaseSight, str]:
        """Watch a lease until it is free, or has given no sign of life for a term by our own clock and the host's.

        Return what was seen last and whose it was. Raise LeaseHeld as soon as its owner is seen alive.
        """
        clock, term, whose = self.world.clock, seen.claim.term, f"run {seen.claim.run} of {seen.claim.owner}"
        if self.robs and seen.claim.run == self.robs:
            return sight, whose
        self.world.sink.emit(LeaseWatched(sight.host, seen.claim.owner, seen.claim.run, term))
        until = clock.monotonic() + term
        while True:
            now = clock.monotonic()
            sight = leases.look(self.fleet)
            latest = sight.latest
            if latest is None or latest.released:
                return sight, ""
            if (latest.lease_id, latest.mark) != (seen.lease_id, seen.mark):
                raise held(sight, self.fleet)
            # A host whose clock was set back would never call it old: then our own decides, after twice the time.
            if now >= until and (sight.age > term or now >= until + term):
                return sight, whose
            if self.stop():
                raise Interrupted
            clock.sleep(POLL)

    def _taken(self, host: Host, leases: Leases, image: str, epoch: int) -> bool:
        """Take an epoch and see that it is the latest; tell whether it is ours."""
        clock, controller = self.world.clock, self.world.controller
        deadline = clock.monotonic() + FENCE * controller.term
        claim = LeaseClaim(self.fleet, epoch, controller.run, controller.owner, controller.term)
        lease_id = self._create(leases, image, claim)
        if not lease_id:
            return False
        # Who slept since he looked may have been given a number that others have long done with.
        there = leases.look(self.fleet).leases
        if not there or there[0].lease_id != lease_id:
            leases.remove(lease_id)
            return False
        self.lease.add(Holding(host, leases, lease_id, epoch, deadline))
        self.lease.refuse_lost()
        for older in there[1:]:
            with suppress(HostError):
                leases.remove(older.lease_id)
        return True

    def _create(self, leases: Leases, image: str, claim: LeaseClaim) -> str:
        """Return the id of a lease on an epoch, empty where another run has it."""
        try:
            return leases.create(image, claim)
        except EngineRefused as error:
            if error.status != _CONFLICT:
                raise
        # The name may be taken by this very request, whose first answer was lost.
        latest = leases.look(self.fleet).latest
        return latest.lease_id if latest and (latest.claim.run, latest.claim.epoch) == (claim.run, claim.epoch) else ""


def held(sight: LeaseSight, fleet: str) -> LeaseHeld:
    """Return the error that says whose the lease on a host is."""
    latest = sight.latest
    claim = latest.claim if latest else LeaseClaim(fleet, sight.floor, "", "somebody")
    since, until = (_time(latest.taken), _time(latest.beaten + claim.term)) if latest else ("", "")
    return LeaseHeld(
        f"{claim.owner} is changing the fleet {fleet} since {since} (run {claim.run}); "
        f"the lease on {sight.host} lasts until {until}, and longer while that run is alive",
        host=sight.host,
        owner=claim.owner,
        run=claim.run,
        until=until,
        hint="run the same command again when it has ended; a run that died is taken over "
        f"{claim.term:g} s later. `provisioner lease show` says how far it is",
    )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
