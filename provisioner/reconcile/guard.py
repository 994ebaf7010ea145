"""Stands before every effect of a run: the lease is still ours, what is about to happen is on the disk."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count

from provisioner.errors import HostError, LeaseLost, ProvisionerError
from provisioner.model.event import Finished
from provisioner.model.inventory import Host
from provisioner.model.lease import JournalLine
from provisioner.ports import Balancer, ContainerShell, HostHands
from provisioner.reconcile.guarded import GuardedBalancer, GuardedHands, GuardedShell
from provisioner.reconcile.held_lease import HeldLease
from provisioner.reconcile.journal import RunJournal
from provisioner.reconcile.lease import holding
from provisioner.reconcile.taking import Stop
from provisioner.reconcile.world import Fuse, World, unlit


@dataclass(frozen=True, slots=True)
class Guard:
    """What every call that changes a host or a balancer goes through, one numbered effect each.

    Without a lease nothing is asked of one: making images on this machine needs none.
    """

    lease: HeldLease | None = None
    journal: RunJournal | None = None
    fuse: Fuse = unlit
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def epoch(self) -> int:
        """Return the epoch that new containers are stamped with."""
        return self.lease.epoch if self.lease else 0

    def before_step(self) -> LeaseLost | None:
        """Give a sign of life before a step; return why the step must not begin, None where it may."""
        if self.lease is None:
            return None
        self.lease.beat()
        try:
            self.lease.refuse_lost()
        except LeaseLost as lost:
            return lost
        return None

    @contextmanager
    def effect(self, kind: str, host: str, name: str) -> Iterator[None]:
        """Let one effect happen. Raise LeaseLost or StorageFailed before it where it must not."""
        number = next(self.numbers)
        self._refuse_lost()
        self._intend(JournalLine(number, "", "intent", kind, host, name))
        self.fuse("before", number)
        # Writing the intent may have taken long.
        self._refuse_lost()
        try:
            yield
        except ProvisionerError as error:
            self._note(JournalLine(number, "", "failed", kind, host, name, _cause(error)))
            raise
        self._note(JournalLine(number, "", "done", kind, host, name))
        self.fuse("after", number)

    def hands(self, hands: HostHands, host: str) -> HostHands:
        """Return what changes a host, every call of it an effect."""
        return GuardedHands(hands, host, self.effect)

    def shell(self, shell: ContainerShell, host: str) -> ContainerShell:
        """Return a shell that a balancer is changed through: its conversations change nothing by themselves."""
        return GuardedShell(shell, host, self.effect, conversing=True)

    def balancer(self, balancer: Balancer, host: str) -> Balancer:
        """Return a balancer, every change of it an effect."""
        return GuardedBalancer(balancer, host, self.effect)

    def conclude(self, finished: Finished) -> Finished:
        """Note how the run ended, and return it."""
        self._note(JournalLine(next(self.numbers), "", "end", "run", detail=finished.outcome))
        return finished

    def _refuse_lost(self) -> None:
        if self.lease is not None:
            self.lease.refuse_lost()

    def _intend(self, line: JournalLine) -> None:
        if self.journal is not None:
            self.journal.intend(line)

    def _note(self, line: JournalLine) -> None:
        if self.journal is not None:
            self.journal.note(line)


@contextmanager
def guarded(world: World, fleet: str, hosts: tuple[Host, ...], stop: Stop) -> Iterator[Guard]:
    """Hold the lease on these hosts and guard what is done meanwhile.

    Raise LeaseHeld, HostError, and StorageFailed where no journal can be written.
    """
    controller = world.controller
    with closing(RunJournal(controller.journal(fleet, controller.run), world.clock)) as journal:
        journal.intend(JournalLine(0, "", "begin", "run", detail=f"{controller.run} of {controller.owner}"))
        with holding(world, fleet, hosts, stop, journal.tail) as lease:
            yield Guard(lease, journal, controller.fuse)


def _cause(error: ProvisionerError) -> str:
    """Return what kind of failure it was: the words of an error may hold anything."""
    status = getattr(error, "status", 0) if isinstance(error, HostError) else 0
    return f"{type(error).__name__} {status}" if status else type(error).__name__
