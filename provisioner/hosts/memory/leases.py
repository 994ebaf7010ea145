"""The leases on a host in memory: one winner for each epoch, and the host's own clock in every sign of life."""

from __future__ import annotations

from provisioner.hosts.memory.containers import MemoryContainers
from provisioner.hosts.memory.machine import HeldContainer, Machine
from provisioner.model.container import (
    EPOCH_LABEL,
    FLEET_LABEL,
    KIND_LABEL,
    LEASE_LABEL,
    OWNER_LABEL,
    RUN_LABEL,
    TERM_LABEL,
    ContainerOptions,
    ContainerRequest,
)
from provisioner.model.lease import RELEASED, LeaseClaim, LeaseSight, ObservedLease
from provisioner.ports import FileContent

SINCE = 1_767_225_600.0
"""What the clock of a host in memory shows at the beginning, in seconds since 1970."""

_FOLDER = "/l"


class MemoryLeases:
    """The leases on one host in memory: a put is a sign of life, and no effect that tests count.

    `offset` is by how many seconds the host's clock was set forward.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self.offset = 0.0
        self._beaten: dict[str, float] = {}

    def look(self, fleet: str) -> LeaseSight:
        """Return the leases of a fleet, and how old the latest one's last sign of life is by the host's clock."""
        machine = self._machine
        machine.line.reach()
        with machine.lock:
            held = [each for each in machine.containers.values() if each.request.labels.get(LEASE_LABEL) == fleet]
            leases = sorted((self._seen(each) for each in held), key=lambda lease: -lease.claim.epoch)
            # An engine tells its time in whole seconds.
            return LeaseSight(machine.line.host, float(int(self._now())), tuple(leases), _floor(machine, fleet))

    def read(self, lease_id: str, name: str) -> bytes | None:
        """Return a file of a lease, None where there is none."""
        self._machine.line.reach()
        with self._machine.lock:
            found = self._machine.need(lease_id).files.get(f"{_FOLDER}/{name}")
            return found.content if found else None

    def create(self, image_id: str, claim: LeaseClaim) -> str:
        """Take an epoch and return the lease's id. Raise EngineRefused with 409 where somebody has taken it."""
        labels = {
            LEASE_LABEL: claim.fleet,
            EPOCH_LABEL: str(claim.epoch),
            RUN_LABEL: claim.run,
            OWNER_LABEL: claim.owner,
            TERM_LABEL: f"{claim.term:g}",
            KIND_LABEL: "lease",
        }
        name = f"provisioner-{claim.fleet}-lease-{claim.epoch}"
        request = ContainerRequest(name, image_id, ContainerOptions(restart="no"), "", labels=labels)
        return MemoryContainers(self._machine).create(request)

    def put(self, lease_id: str, name: str, content: bytes) -> None:
        """Write a file into a lease, which is its sign of life. Raise EngineRefused with 404 where it is gone."""
        self._machine.line.reach()
        with self._machine.lock:
            self._machine.need(lease_id).files[f"{_FOLDER}/{name}"] = FileContent(name, content)
            self._beaten[lease_id] = self._now()

    def remove(self, lease_id: str) -> None:
        """Remove a lease; one that is gone already is removed."""
        MemoryContainers(self._machine).remove(lease_id)

    def _now(self) -> float:
        return SINCE + self.offset + self._machine.clock.monotonic()

    def _seen(self, held: HeldContainer) -> ObservedLease:
        labels = held.request.labels
        term = float(labels[TERM_LABEL])
        claim = LeaseClaim(labels[LEASE_LABEL], int(labels[EPOCH_LABEL]), labels[RUN_LABEL], labels[OWNER_LABEL], term)
        taken = SINCE + held.created
        beaten = self._beaten.get(held.container_id, taken)
        released = f"{_FOLDER}/{RELEASED}" in held.files
        return ObservedLease(held.container_id, claim, float(int(taken)), beaten, f"{beaten:.9f}", released)


def _floor(machine: Machine, fleet: str) -> int:
    stamped = (each.request.labels for each in machine.containers.values())
    ours = (each for each in stamped if fleet in {each.get(FLEET_LABEL), each.get(LEASE_LABEL)})
    return max((int(each.get(EPOCH_LABEL, "0")) for each in ours), default=0)
