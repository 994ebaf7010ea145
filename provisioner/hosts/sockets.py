"""Asks who listens on TCP ports, inside a container or on its host, and reads the kernel's tables."""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Iterator, Mapping

from provisioner.model.evidence import ListeningSocket

INSIDE = """\
grep -q "$2" "/proc/$1/cgroup" 2>/dev/null || exit 1
cat "/proc/$1/net/tcp" || exit 1
cat "/proc/$1/net/tcp6" 2>/dev/null
exit 0
"""
"""Prints the TCP tables of a container's network. `$1` its process on the host, `$2` its id, which has to fit.

Any user may read them; where processes of others are hidden it fails, and the container itself is asked (`CAT`).
"""

CAT = ("cat", "/proc/net/tcp", "/proc/net/tcp6")

ON_HOST = """\
cat /proc/net/tcp /proc/net/tcp6 2>/dev/null
echo
echo --
while IFS=: read -r name _ uid _; do echo "$uid $name"; done </etc/passwd
echo --
ls -l /proc/[0-9]*/fd 2>/dev/null | while read -r line; do
    case $line in
    /proc/*) pid=${line#/proc/} pid=${pid%%/*} ;;
    *'-> socket:['*)
        inode=${line##*'socket:['}
        echo "${inode%]} $pid"
        ;;
    esac
done
exit 0
"""
"""Prints the TCP tables of the host, its users, and as far as this user may see it which process has which socket."""

NAMES = """\
for pid in "$@"; do read -r name <"/proc/$pid/comm" && echo "$pid $name"; done
exit 0
"""
"""Prints the names of processes."""

_LISTENING = "0A"
_PLACE = re.compile(r"(?:[0-9A-F]{8}|[0-9A-F]{32}):[0-9A-F]{4}")
_FIELDS = 10


def read_listening(tables: str) -> tuple[ListeningSocket, ...]:
    """Return what is listened on, from the text of `/proc/net/tcp` and `tcp6`; `user` is the number of the user."""
    return tuple(dict.fromkeys(socket for socket, _ in _listening(tables)))


def read_host(answer: str) -> tuple[tuple[ListeningSocket, str], ...]:
    """Return what is listened on with the users' names and, where told, the number of a process, else ''."""
    tables, users, owners = (*answer.split("\n--\n"), "", "")[:3]
    names, processes = _pairs(users), _pairs(owners)
    return tuple(
        (
            ListeningSocket(socket.address, socket.port, user=names.get(socket.user, socket.user)),
            processes.get(inode, ""),
        )
        for socket, inode in _listening(tables)
    )


def read_names(answer: str) -> Mapping[str, str]:
    """Return names of processes by number."""
    return _pairs(answer)


def _pairs(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(" ")
        found.setdefault(key, value)
    return found


def _listening(tables: str) -> Iterator[tuple[ListeningSocket, str]]:
    """Yield each listening socket with its inode."""
    for line in tables.splitlines():
        words = line.split()
        if len(words) >= _FIELDS and _PLACE.fullmatch(words[1]) and words[3] == _LISTENING:
            address, _, port = words[1].rpartition(":")
            yield ListeningSocket(read_address(address), int(port, 16), user=words[7]), words[9]


def read_address(digits: str) -> str:
    """Return an address from words of 32 bits, each written as a number of a little-endian machine."""
    words = [int(digits[start : start + 8], 16) for start in range(0, len(digits), 8)]
    found = ipaddress.ip_address(struct.pack(f"<{len(words)}I", *words))
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)
