"""Names of hosts to the addresses this machine resolves them to."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import replace

from provisioner.model.inventory import Host, Inventory


def resolved(inventory: Inventory) -> Inventory:
    """Return the inventory with every private address that is a name replaced by what it stands for.

    A name nobody knows stays as it is: whoever needs the address says so.
    """
    return replace(inventory, hosts={name: _resolved(host) for name, host in inventory.hosts.items()})


def _resolved(host: Host) -> Host:
    if _is_address(host.private_address):
        return host
    try:
        found = socket.getaddrinfo(host.private_address, None, type=socket.SOCK_STREAM)
    except OSError:
        return host
    addresses = [str(entry[4][0]) for entry in found]
    preferred = [address for address in addresses if ":" not in address] or addresses
    return replace(host, private_address=preferred[0])


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
