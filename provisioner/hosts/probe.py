"""Asks a host for its own addresses and who listens there, with one read-only script, and reads the answer."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

PROBE = """\
part() { echo; echo --; }
cat /proc/net/fib_trie 2>/dev/null
part
cat /proc/net/if_inet6 2>/dev/null
part
grep -hs ' 0A ' /proc/net/tcp /proc/net/tcp6
part
grep -hs ' 07 ' /proc/net/udp /proc/net/udp6
part
echo "$SSH_CONNECTION"
cat /proc/sys/net/ipv4/ip_local_port_range 2>/dev/null
part
cat /etc/docker/daemon.json 2>/dev/null
part
tr '\\000' '\\n' <"/proc/$(cat /run/docker.pid 2>/dev/null)/cmdline" 2>/dev/null
part
cat /etc/resolv.conf /run/systemd/resolve/resolv.conf 2>/dev/null
part
groups=$(grep -HsoEm1 '[0-9a-f]{64}' /proc/[0-9]*/cgroup)
echo "$groups"
part
cat /dev/null $(grep -lsE '[0-9a-f]{64}' /proc/[0-9]*/cgroup | sed 's/cgroup$/stat/') 2>/dev/null
part
rights() { stat -c '%a %u %g' "$1"; }
cd /var/lib/docker/overlay2 2>/dev/null
grep -lsE '"Name":"/'"$1"'[.]|"provisioner.fleet":"'"$1"'"' /var/lib/docker/containers/*/config.v2.json |
    while IFS= read -r config; do
        id=${config%/*} id=${id##*/}
        pid=$(echo "$groups" | grep -m1 ":$id" | cut -d/ -f3)
        mounted=$(grep -m1 ' / / ' "/proc/$pid/mountinfo" 2>/dev/null) || continue
        layers=${mounted##*lowerdir=} layers=${layers%%,*}
        upper=${mounted##*upperdir=} upper=${upper%%,*}
        find "$upper" ! -type d 2>/dev/null | head -n 1000 | while IFS= read -r file; do
            path=${file#"$upper"} below='' IFS=:
            for layer in $layers; do
                [ -e "$layer$path" ] || [ -L "$layer$path" ] || continue
                below=$layer$path
                break
            done
            if [ -c "$file" ]; then
                echo "$id 2 $path"
            elif [ -z "$below" ]; then
                echo "$id 1 $path"
            elif ! cmp -s "$file" "$below" || [ "$(rights "$file")" != "$(rights "$below")" ]; then
                echo "$id 0 $path"
            fi
        done
    done
part
cd /var/lib/docker/containers 2>/dev/null && tar -cf - */hosts */hostname */resolv.conf */resolv.conf.hash 2>/dev/null
exit 0
"""
"""Works without iproute2 and procps.

The first file is the kernel's routing trie, the second its list of IPv6 addresses; `0A` is the state in which a TCP
socket listens, `07` that of a UDP socket which is bound and not connected. Then: who came in where, the ports that the
kernel gives out by chance, what the engine was told, whom the host asks for names, the processes of containers, in what
containers of the fleet `$1` differ from their images on the disk (an engine compares sizes and times only, and looks
through what the kernel remembers), and last, as an archive, the files that an engine writes for each container; these
two where this user may read them.
"""

_BETWEEN = "\n--\n"
_PARTS = 12
_LEAF = re.compile(r"\|-- (?P<address>\d+\.\d+\.\d+\.\d+)")
_LISTENER = re.compile(r"^ *\d+: ([0-9A-F]{8}(?:[0-9A-F]{24})?):([0-9A-F]{4}) [0-9A-F:]+ 0A ", re.MULTILINE)
_STAT = re.compile(r"^(\d+) \((.*?)\) ([A-Z](?: -?\d+){20,})$", re.MULTILINE | re.DOTALL)
_GROUP = re.compile(r"^/proc/(\d+)/cgroup:([0-9a-f]{64})$", re.MULTILINE)
_CHANGE = re.compile(r"^([0-9a-f]{64}) ([012]) (/.+)$", re.MULTILINE)
_LISTENS, _BOUND = "0A", "07"
_FIELDS, _WAY = 10, 4
_CHANCE = (32768, 60999)
"""The ports that Linux gives out by chance where nobody set others."""
_OWN = re.compile(r"/32 host LOCAL")


def read_addresses(answer: str) -> tuple[str, ...]:
    """Return a host's own addresses, in order, without loopback and link-local ones; empty where nothing is told."""
    trie, list6, *_ = _parts(answer)
    found = {ipaddress.ip_address(text) for text in (*_own_v4(trie), *_own_v6(list6))}
    kept = [address for address in found if not (address.is_loopback or address.is_link_local)]
    return tuple(str(address) for address in sorted(kept, key=lambda address: (address.version, address.packed)))


def read_listeners(answer: str) -> tuple[tuple[str, int], ...]:
    """Return address and port of whatever accepts TCP connections, in order; the address is empty for all of them."""
    found = {(_address(at), int(port, 16)) for at, port in _LISTENER.findall(_parts(answer)[2])}
    return tuple(sorted(found, key=lambda listener: (listener[1], listener[0])))


def parts(answer: str, number: int) -> tuple[str, ...]:
    """Return the parts of an answer, as many as are asked for, the last ones empty where there are none."""
    found = answer.split(_BETWEEN, number - 1)
    return (*found, *([""] * (number - len(found))))


def _parts(answer: str) -> tuple[str, ...]:
    return parts(answer, _PARTS)


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


@dataclass(frozen=True, slots=True)
class BoundSocket:
    """A socket of the host that waits for whoever comes; the address is empty for all of them."""

    protocol: Literal["tcp", "udp"]
    address: str
    port: int
    inode: str = ""


@dataclass(frozen=True, slots=True)
class Process:
    """A process of a container, in numbers of its host; `started` is in ticks since the host's start."""

    number: int
    parent: int
    session: int
    started: int
    name: str
    zombie: bool = False


@dataclass(frozen=True, slots=True)
class Probed:
    """What the probe tells beside addresses: sockets, the port we came in by, the engine's settings, its containers.

    `processes` are by container id; `changes` too, each a kind as the Engine API has it (0 changed, 1 added, 2 deleted)
    and a path; `archive` holds the files an engine wrote for containers, empty where this user may
    not read them.
    """

    sockets: tuple[BoundSocket, ...] = ()
    entrance: int = 0
    chance: tuple[int, int] = _CHANCE
    daemon_file: str = ""
    daemon_flags: str = ""
    resolvers: str = ""
    processes: Mapping[str, tuple[Process, ...]] = field(default_factory=dict)
    changes: Mapping[str, tuple[tuple[int, str], ...]] = field(default_factory=dict)
    archive: bytes = field(default=b"", repr=False)


def read_probe(answer: bytes) -> Probed:
    """Return what the probe told beside addresses and listeners."""
    head, archive = _without_archive(answer)
    _, _, tcp, udp, ways, daemon_file, flags, resolvers, groups, stats, changes = parts(head, _PARTS - 1)
    entrance, chance = _ways(ways)
    return Probed(
        sockets=tuple(dict.fromkeys((*_sockets("tcp", tcp), *_sockets("udp", udp)))),
        entrance=entrance,
        chance=chance,
        daemon_file=daemon_file,
        daemon_flags=flags.strip(),
        resolvers=resolvers,
        processes=_by_container(groups, read_processes(stats)),
        changes=_changes(changes),
        archive=archive,
    )


def _without_archive(answer: bytes) -> tuple[str, bytes]:
    found = answer.split(_BETWEEN.encode(), _PARTS - 1)
    archive = found[_PARTS - 1] if len(found) == _PARTS else b""
    return _BETWEEN.join(part.decode(errors="replace") for part in found[: _PARTS - 1]), archive


def _sockets(protocol: Literal["tcp", "udp"], table: str) -> Iterator[BoundSocket]:
    state = _LISTENS if protocol == "tcp" else _BOUND
    for line in table.splitlines():
        words = line.split()
        if len(words) >= _FIELDS and words[3] == state and set(words[2]) <= {"0", ":"}:
            address, _, port = words[1].rpartition(":")
            yield BoundSocket(protocol, _address(address), int(port, 16), words[9])


def _ways(text: str) -> tuple[int, tuple[int, int]]:
    """Return the port of this host that sshd took us in at, and the range of ports that are given out by chance."""
    came, _, span = text.partition("\n")
    words, numbers = came.split(), span.split()
    entrance = int(words[3]) if len(words) == _WAY and words[3].isdigit() else 0
    known = len(numbers) == 2 and all(number.isdigit() for number in numbers)  # noqa: PLR2004 - from and to
    return entrance, (int(numbers[0]), int(numbers[1])) if known else _CHANCE


def read_processes(stats: str) -> dict[int, Process]:
    """Return processes by number, from the text of `/proc/PID/stat` of each; a name may hold anything but a null."""
    found = {}
    for number, name, rest in _STAT.findall(stats):
        words = rest.split()
        # From the third field on: state, parent, process group, session; the 22nd is when it was started (proc(5)).
        process = Process(int(number), int(words[1]), int(words[3]), int(words[19]), name, zombie=words[0] in "ZX")
        found[process.number] = process
    return found


def _changes(told: str) -> dict[str, tuple[tuple[int, str], ...]]:
    found: dict[str, list[tuple[int, str]]] = {}
    for container_id, kind, path in _CHANGE.findall(told):
        found.setdefault(container_id, []).append((int(kind), path))
    return {container_id: tuple(each) for container_id, each in found.items()}


def _by_container(groups: str, processes: Mapping[int, Process]) -> dict[str, tuple[Process, ...]]:
    owners: dict[int, str] = {}
    for number, container_id in _GROUP.findall(groups):
        # The innermost is named last: a host may be a container itself.
        owners[int(number)] = container_id
    found: dict[str, list[Process]] = {}
    for number, container_id in owners.items():
        if number in processes:
            found.setdefault(container_id, []).append(processes[number])
    return {container_id: tuple(each) for container_id, each in found.items()}
