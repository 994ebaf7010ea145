"""Asks a host for its own addresses and who listens there, with one read-only script, and reads the answer."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

PROBE = """\
cat /proc/net/fib_trie 2>/dev/null
echo
echo --
cat /proc/net/if_inet6 2>/dev/null
echo
echo --
grep -hs ' 0A ' /proc/net/tcp /proc/net/tcp6
exit 0
"""
"""Works without iproute2.

The first file is the kernel's routing trie, the second its list of IPv6 addresses; `0A` is the state in which a socket
listens.
"""

_LEAF = re.compile(r"\|-- (?P<address>\d+\.\d+\.\d+\.\d+)")
_LISTENER = re.compile(r"^ *\d+: ([0-9A-F]{8}(?:[0-9A-F]{24})?):([0-9A-F]{4}) [0-9A-F:]+ 0A ", re.MULTILINE)
_OWN = re.compile(r"/32 host LOCAL")


def read_addresses(answer: str) -> tuple[str, ...]:
    """Return a host's own addresses, in order, without loopback and link-local ones; empty where nothing is told."""
    trie, list6, _ = _parts(answer)
    found = {ipaddress.ip_address(text) for text in (*_own_v4(trie), *_own_v6(list6))}
    kept = [address for address in found if not (address.is_loopback or address.is_link_local)]
    return tuple(str(address) for address in sorted(kept, key=lambda address: (address.version, address.packed)))


def read_listeners(answer: str) -> tuple[tuple[str, int], ...]:
    """Return address and port of whatever accepts TCP connections, in order; the address is empty for all of them."""
    found = {(_address(at), int(port, 16)) for at, port in _LISTENER.findall(_parts(answer)[2])}
    return tuple(sorted(found, key=lambda listener: (listener[1], listener[0])))


def _parts(answer: str) -> tuple[str, str, str]:
    trie, list6, listeners, *_ = (*answer.split("\n--\n"), "", "")
    return trie, list6, listeners


def _address(digits: str) -> str:
    """Return an address from the kernel's hexadecimal, whose words of four bytes are of little endian."""
    words = [digits[start : start + 8] for start in range(0, len(digits), 8)]
    packed = b"".join(bytes.fromhex(word)[::-1] for word in words)
    address = ipaddress.ip_address(packed)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return "" if address.is_unspecified else str(mapped or address)


def _own_v4(trie: str) -> Iterator[str]:
    """Yield the leaves of the trie below which stands that the address is the host's own."""
    leaf = ""
    for line in trie.splitlines():
        if named := _LEAF.search(line):
            leaf = named["address"]
        elif leaf and _OWN.search(line):
            yield leaf


def _own_v6(table: str) -> Iterator[str]:
    for line in table.splitlines():
        digits = line.partition(" ")[0]
        if re.fullmatch(r"[0-9a-f]{32}", digits):
            yield ":".join(digits[start : start + 4] for start in range(0, 32, 4))
