"""What the conductor is lent: ports, bundled for one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from provisioner.model.desired import Desired
from provisioner.model.hook import Hook
from provisioner.model.image import BuildInputs
from provisioner.model.inventory import Host
from provisioner.model.lease import USUAL_TERM
from provisioner.model.lock import Lock
from provisioner.model.release import NamedTemplate, Site
from provisioner.model.spec import RolloutPolicy
from provisioner.planning.desire import RenderBalancer
from provisioner.ports import (
    Balancers,
    Builder,
    Clock,
    EventSink,
    Hooks,
    Hosts,
    InputsKeeper,
    InputsUnpacker,
    JournalFile,
    Leases,
    Machines,
    Pulse,
    Readers,
    ReleaseShelf,
    Shipper,
)
from provisioner.reconcile.vault import Vault


@dataclass(frozen=True, slots=True)
class Lookout:
    """All that observing needs, and nothing that could change a host.

    `cached` tells whether this machine holds an image, by its id; `forks` hosts are looked at together.
    `machines` reads hosts themselves: only `drift` is lent it.
    """

    readers: Readers
    balancers: Balancers
    forks: int = 10
    cached: Callable[[str], bool] = lambda _: False
    machines: Machines | None = None


@dataclass(frozen=True, slots=True)
class Storeroom:
    """Where this machine keeps releases, and what they were made from."""

    keeper: InputsKeeper
    unpacker: InputsUnpacker
    shelf: ReleaseShelf


Fuse = Callable[[Literal["before", "after"], int], None]
"""Told the number of every effect of a run, before it and after it; a test ends the process there."""


def unlit(_moment: Literal["before", "after"], _number: int) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True)
class Controller:
    """Who carries a run out: its id, whose it is, and what it takes to hold the lease and to keep a journal.

    `term` is seconds a lease lasts; `journal` opens the file of a fleet's run; `fuse` is for tests.
    """

    run: str
    owner: str
    leases: Callable[[Host], Leases]
    pulse: Pulse
    journal: Callable[[str, str], JournalFile]
    term: float = USUAL_TERM
    fuse: Fuse = unlit


@dataclass(frozen=True, slots=True)
class World:
    """All that a run may use. `builder` is None where this machine has no engine and no host could stand in."""

    hosts: Hosts
    balancers: Balancers
    shipper: Shipper
    clock: Clock
    sink: EventSink
    storeroom: Storeroom
    controller: Controller
    builder: Builder | None = None
    builder_host: str = ""
    forks: int = 10
    hooks: Hooks | None = None

    @property
    def lookout(self) -> Lookout:
        """Return the part that only observes."""
        return Lookout(self.hosts, self.balancers, self.forks, self.shipper.holds)


@dataclass(frozen=True, slots=True)
class Intent:
    """What the user wants, before anything was observed.

    `desire` gives the desired fleet for the image ids known so far; `tags` are the tags of images that are
    built, by service; `references` the names of those that are fetched; `inputs` what a tag is built from.
    `hosts` carry the fleet, `inventory` are all there are; `scope` those whose nodes may change, None for all.
    `templates`, `sites` and `lock` are what a release keeps so that it can be made again. `vault` knows the values of
    secrets; the desired fleet names them, and has digests only where it comes out of a release. `commands` are
    the release commands by service. `without` are hosts that no lease is taken on: a person says that they are dead.
    `verb` is what the user said. A run that ends with differences is made so many `attempts`.
    """

    fleet: str
    hosts: Mapping[str, Host]
    desire: Callable[[Mapping[str, str]], Desired]
    render: RenderBalancer
    policy: RolloutPolicy
    tags: Mapping[str, str] = field(default_factory=dict)
    references: tuple[str, ...] = ()
    inputs: Mapping[str, BuildInputs] = field(default_factory=dict)
    templates: tuple[NamedTemplate, ...] = ()
    sites: tuple[Site, ...] = ()
    lock: Lock = Lock()
    inventory: Mapping[str, Host] = field(default_factory=dict)
    scope: frozenset[str] | None = None
    forget: frozenset[str] = frozenset()
    without: frozenset[str] = frozenset()
    author: str = ""
    commit: str = ""
    vault: Vault = field(default_factory=Vault)
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    verb: str = "apply"
    hooks: Mapping[str, Hook] = field(default_factory=dict)
    attempts: int = 1
