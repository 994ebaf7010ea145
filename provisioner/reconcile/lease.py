"""The lease of a fleet: held on every host it lies on or on none, kept alive beside a run, and handed back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from provisioner.errors import EngineRefused, UsageError
from provisioner.model.event import LeaseTaken
from provisioner.model.inventory import Host
from provisioner.reconcile.held_lease import IMAGE_TAG, HeldLease
from provisioner.reconcile.taking import Stop, Taking
from provisioner.reconcile.world import World

BEATS = 5
"""Signs of life in one term."""


@contextmanager
def holding(
    world: World, fleet: str, hosts: tuple[Host, ...], stop: Stop, tail: Callable[[], bytes]
) -> Iterator[HeldLease]:
    """Hold the lease on every host, taken in this order, or on none; `tail` travels with every sign of life.

    Raise LeaseHeld where another controller has it, HostError where a host does not answer. It is handed back
    at the end, also after an error or an interrupt; whoever is killed leaves it to expire.
    """
    if not hosts:
        raise UsageError("no host is left to hold the lease", hint="--without names a host that is dead; keep one")
    controller = world.controller
    lease = HeldLease(world.clock, controller.term, tail)
    taking = Taking(world, lease, fleet, stop)
    with controller.pulse.every(controller.term / BEATS, lease.beat):
        try:
            over = [taking.on(host) for host in hosts]
            lease.refuse_lost()
            world.sink.emit(LeaseTaken(lease.hosts, controller.run, lease.epoch, tuple(filter(None, over))))
            yield lease
        except (Exception, KeyboardInterrupt):
            lease.hand_back(world)
            raise
        lease.hand_back(world)


def remove_leases(world: World, host: Host, fleet: str) -> None:
    """Remove every lease of a fleet from a host that none will be taken on any more, and their image if it may go."""
    leases = world.controller.leases(host)
    for lease in leases.look(fleet).leases:
        leases.remove(lease.lease_id)
    with suppress(EngineRefused):
        world.hosts.hands(host).images.remove(IMAGE_TAG)
