"""What of hosts is compared, and what reads them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from provisioner.errors import UsageError
from provisioner.model.facts import KINDS, Ignored, Kind, Scope
from provisioner.model.inventory import Host, Inventory
from provisioner.ports import FactsReader
from provisioner.spec.fields import nearest
from provisioner.wiring.fleet import Settings

KindT = TypeVar("KindT", bound=str)

PATIENCE = 180.0
"""Seconds a host may take to answer the probe: it reads half a gigabyte for digests where there is that much."""


def scope(only: Sequence[str], ignore: Sequence[str]) -> Scope:
    """Return what is compared: `only` names kinds, `ignore` kinds or `KIND:GLOB`. Raise UsageError."""
    parts = (text.partition(":") for text in ignore)
    ignored = tuple(Ignored(_kind(name), pattern if colon else "*") for name, colon, pattern in parts)
    return Scope(tuple(_kind(name) for name in only) or KINDS, ignored)


def _kind(name: str) -> Kind:
    return known_kind(name, KINDS)


def known_kind(name: str, kinds: Sequence[KindT]) -> KindT:
    """Return a kind by its name. Raise UsageError where there is none of that name."""
    for kind in kinds:
        if kind == name:
            return kind
    raise UsageError(f"there is no kind '{name}'", hint=nearest(name, list(kinds)) or f"there are {', '.join(kinds)}")


@contextmanager
def open_facts(settings: Settings, inventory: Inventory) -> Iterator[Callable[[Host], FactsReader]]:
    """Lend what reads machines, and has no method that changes one."""
    from provisioner.hosts.access import AccessSettings, project_known_hosts
    from provisioner.hosts.facts.machines import SshMachines
    from provisioner.hosts.timeouts import Timeouts

    known = project_known_hosts(Path(inventory.path).absolute())
    chosen = AccessSettings(known_hosts=known, environment=settings.environment, timeouts=Timeouts(command=PATIENCE))
    with SshMachines(chosen) as machines:
        yield machines.reader
