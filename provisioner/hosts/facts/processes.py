"""Asks a host what runs there with which arguments, and who listens on which port."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from provisioner.hosts.facts.replies import fields, named_lines
from provisioner.hosts.sockets import read_address
from provisioner.model.facts import Fact, Gap

ASK = """\
section self
echo $$
section processes
grep -aHsZ -E '^(PPid|Uid|NSpid):' /proc/[0-9]*/status
section commands
grep -azHsZ '' /proc/[0-9]*/cmdline
section sockets
grep -aHsZ '' /proc/net/tcp /proc/net/tcp6 /proc/net/udp /proc/net/udp6
section owners
find /proc/[0-9]*/fd -lname 'socket:*' -printf '%p %l\\n' 2>/dev/null
"""

ASK_AGAIN = """\
section processes-again
echo /proc/[0-9]*
"""
"""Stands at the end of the script: what has ended by then was passing."""

_SESSION = re.compile(
    r"sshd(?:-session|-auth)?: (?!.*\[listener\])|dropbear\b.* -2|login -- |\S*systemd --user|\(sd-pam\)"
)
_SCHEDULER = re.compile(r"(?:\S*/)?(?:cron|crond|CRON|atd)\b")
_ENGINE = re.compile(r"(?:\S*/)?(?:dockerd|containerd)\b(?!-)")
"""What it starts is its own: containers, and what packs an archive of one while somebody reads it."""
_OF_AN_ENGINE = re.compile(r"(?:\S*/)?(?:containerd-shim\S*|docker-proxy|runc|conmon|agetty)\b")
_PASSING = re.compile(r"postgres: .*(?:\(\d+\)|\[local\])|nginx: worker process is shutting down")
_COUNTING = re.compile(r" \d+ of \d+-\d+ startups$")

_PROCESS = re.compile(r"/proc/(\d+)/")
_OWNER = re.compile(r"/proc/(\d+)/fd/\d+ socket:\[(\d+)\]")
_STATES = {"tcp": "0A", "tcp6": "0A", "udp": "07", "udp6": "07"}
_PASSING_PORTS = 32768
"""From this port on sockets are what programs get who ask for any."""
_REGISTERED = frozenset({"rpc.statd", "rpc.mountd", "kernel"})
_EMBEDDED_RESOLVER = "127.0.0.11"
"""Where an engine answers names inside a container, on a port of chance; our lab's hosts are containers."""
_CELLS = 10


@dataclass(frozen=True, slots=True)
class _Process:
    number: str
    parent: str
    user: str
    words: tuple[str, ...]
    contained: bool

    @property
    def title(self) -> str:
        words = self.words
        return _COUNTING.sub("", words[0].strip() if len(words) == 1 else shlex.join(words))

    @property
    def program(self) -> str:
        return self.words[0].split(" ")[0].rstrip(":").rpartition("/")[2] or self.words[0]


class Running:
    """What ran when the host was asked: its services, without sessions, containers, kernel threads and the probe."""

    def __init__(self, reply: Mapping[str, str]) -> None:
        self._reply = reply
        self._users = _users(reply)
        self._processes = _processes(reply, self._users)
        self._lasting = frozenset(_number(f"{path}/") for path in reply.get("processes-again", "").split())
        self._probe = reply.get("self", "").strip()
        self._above_probe = frozenset(self._session(self._probe)) - {"1"}

    def processes(self) -> Iterator[Fact]:
        """Yield every program with the users and arguments it runs with; how often is no part of it."""
        found: dict[str, set[str]] = {}
        for each in self._processes.values():
            if self._counts(each):
                found.setdefault(each.program, set()).add(f"{each.user}: {each.title}")
        for program, lines in found.items():
            yield Fact("process", program, "\n".join(sorted(lines)))

    def sockets(self, own: frozenset[str], *, root: bool) -> Iterator[Fact]:
        """Yield who listens where; an address of the host's own is told as such."""
        owners = _owners(self._reply)
        for protocol, address, port, user, inode in _listening(self._reply):
            holder = self._processes.get(owners.get(inode, ""))
            if holder and (holder.contained or _OF_AN_ENGINE.match(holder.program)):
                continue
            place = "<address>" if address in own else f"[{address}]" if ":" in address else address
            program = holder.program if holder else "kernel" if root else ""
            by_chance = _is_of_chance(address, port, program)
            number = f"<any port> {program}".rstrip() if by_chance else str(port)
            told = f"as {self._users.get(user, user)}"
            yield Fact("socket", f"{protocol} {place}:{number}", f"{program} {told}".lstrip() if root else told)

    def _counts(self, process: _Process) -> bool:
        if process.contained or _OF_AN_ENGINE.match(process.program) or _PASSING.match(process.title):
            return False
        above = [self._processes[each] for each in self._ancestors(process.number) if each in self._processes]
        if process.number in self._above_probe or self._probe in {each.number for each in (process, *above)}:
            return False
        if self._lasting and process.number not in self._lasting:
            return False
        if any(_SCHEDULER.match(each.program) for each in above):
            return False
        if any(_ENGINE.match(each.program) for each in above) and not _ENGINE.match(process.program):
            return False
        return not any(_SESSION.match(each.title) for each in (process, *above))

    def _session(self, number: str) -> Iterator[str]:
        """Yield what a process was started from, up to its login: what is above that is the host's own."""
        for each in self._ancestors(number):
            yield each
            if each in self._processes and _SESSION.match(self._processes[each].title):
                return

    def _ancestors(self, number: str) -> list[str]:
        found = list[str]()
        while (process := self._processes.get(number)) is not None and process.parent not in {"0", *found}:
            number = process.parent
            found.append(number)
        return found


def _is_of_chance(address: str, port: int, program: str) -> bool:
    """Tell whether a port is what a program got that asked for any: on loopback, or to be registered."""
    loopback = address.startswith("127.") or address == "::1"
    return port >= _PASSING_PORTS and (loopback or program in _REGISTERED)


def process_gaps(reply: Mapping[str, str], *, root: bool) -> Iterator[Gap]:
    """Yield what of processes and sockets the login may not see."""
    if "/proc/1/" not in reply.get("processes", ""):
        yield Gap("process", "", "processes of others are hidden from this login")
    if not root:
        yield Gap("socket", "programs", "only root sees which program has a socket")


def _users(reply: Mapping[str, str]) -> Mapping[str, str]:
    cells = (line.split(":") for line in reply.get("passwd", "").splitlines())
    return {each[2]: each[0] for each in reversed(list(cells)) if len(each) > 2}  # noqa: PLR2004 - name:password:uid


def _processes(reply: Mapping[str, str], users: Mapping[str, str]) -> dict[str, _Process]:
    told: dict[str, dict[str, list[str]]] = {}
    for path, line in named_lines(reply.get("processes", "")):
        what, _, values = line.partition(":")
        told.setdefault(_number(path), {})[what] = values.split()
    words: dict[str, list[str]] = {}
    for path, word in fields(reply.get("commands", ""), 2):
        words.setdefault(_number(path), []).append(word)
    found = {}
    for number, status in told.items():
        argv = tuple(words.get(number, ()))
        while argv and not argv[-1]:
            argv = argv[:-1]
        user = (status.get("Uid") or ["?"])[0]
        if argv:
            contained = len(status.get("NSpid", ())) > 1
            parent = (status.get("PPid") or ["0"])[0]
            found[number] = _Process(number, parent, users.get(user, user), argv, contained)
    return found


def _number(path: str) -> str:
    found = _PROCESS.match(path)
    return found[1] if found else ""


def _owners(reply: Mapping[str, str]) -> Mapping[str, str]:
    """Return the process that has each socket, by inode: the oldest one of those that share it."""
    owners: dict[str, str] = {}
    for number, inode in _OWNER.findall(reply.get("owners", "")):
        if inode not in owners or int(number) < int(owners[inode]):
            owners[inode] = number
    return owners


def _listening(reply: Mapping[str, str]) -> Iterator[tuple[str, str, int, str, str]]:
    for path, line in named_lines(reply.get("sockets", "")):
        protocol, cells = path.rpartition("/")[2], line.split()
        if len(cells) < _CELLS or cells[3] != _STATES.get(protocol):
            continue
        digits, _, port = cells[1].rpartition(":")
        address, number = read_address(digits), int(port, 16)
        if address != _EMBEDDED_RESOLVER and (protocol.startswith("tcp") or number < _PASSING_PORTS):
            yield protocol, address, number, cells[7], cells[9]
