"""Which hosts are meant by the words of a command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from provisioner.errors import UsageError
from provisioner.model.inventory import Host, Inventory
from provisioner.spec.addresses import is_address, parse_address
from provisioner.spec.patterns import select
from provisioner.wiring.fleet import STATE_FOLDER, Settings, read_fleet_inventory


def named_hosts(settings: Settings, words: Sequence[str], identity_file: str | None = None) -> Inventory:
    """Return the hosts that are meant: names and patterns of the inventory, and addresses; each once, in that order.

    Without an inventory, keys that `trust` records lie beside what else we keep. Raise UsageError or InvalidInput.
    """
    key_file = str(Path(identity_file).expanduser()) if identity_file else None
    if all(is_address(word) for word in words):
        inventory = Inventory(_inventory_path(settings), {}, {})
    else:
        inventory = read_fleet_inventory(settings)
    hosts: dict[str, Host] = {}
    for word in words:
        found = (parse_address(word, key_file),) if is_address(word) else _selected(inventory, word)
        hosts |= {host.name: host for host in found}
    return Inventory(inventory.path, hosts, {})


def _inventory_path(settings: Settings) -> str:
    """Return the inventory whose known hosts count: the one that is meant, else one that need not be there."""
    try:
        return read_fleet_inventory(settings).path
    except UsageError:
        if settings.inventory or settings.environment_name:
            raise
        return str(settings.folder / STATE_FOLDER / "hosts.yaml")


def _selected(inventory: Inventory, word: str) -> tuple[Host, ...]:
    return tuple(inventory.hosts[name] for name in select(inventory, word))
