"""Hosts that stand in no inventory, written as for ssh: `user@host`, `user@host:port`, `user@[address]:port`."""

from __future__ import annotations

import re

from provisioner.errors import UsageError
from provisioner.model.inventory import Host

_PLACE = re.compile(
    r"(?P<user>[^@\s:/]+)@(?:\[(?P<bracketed>[0-9A-Fa-f:.%\w]+)\]|(?P<plain>[^\s:/@\[\]]+))(?::(?P<port>\d+))?"
)
_HIGHEST_PORT = 65535


def is_address(text: str) -> bool:
    """Tell whether a host is meant by its address, and not by its name in an inventory."""
    return "@" in text


def parse_address(text: str, key_file: str | None = None) -> Host:
    """Return the host that an address means, called by that address. Raise UsageError."""
    found = _PLACE.fullmatch(text)
    port = int(found["port"]) if found and found["port"] else None
    if found is None or (port is not None and not 1 <= port <= _HIGHEST_PORT):
        hint = "for example: deploy@192.0.2.7:2222, or root@[2001:db8::7]"
        raise UsageError(f"a host is written USER@HOST[:PORT], not {text!r}", hint=hint)
    address = found["bracketed"] or found["plain"]
    return Host(text, address, port, found["user"], key_file, private_address=address)
