"""Reads what a machine is: one script and its answer, a second one for contents, and its engine where there is one."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace

from provisioner.errors import EngineRefused, EngineUnavailable, HostUnreachable
from provisioner.hosts.connection import Connection
from provisioner.hosts.facts import (
    accounts,
    clock,
    files,
    firewall,
    identity,
    packages,
    processes,
    rooms,
    system,
    texts,
)
from provisioner.hosts.facts.containers import container_facts
from provisioner.hosts.facts.replies import HEAD, TAIL, sections, unpacked
from provisioner.hosts.observe import EngineReader
from provisioner.model.facts import Fact, Gap, HostFacts, Kind

_TOPICS = (clock, identity, system, rooms, packages, accounts, processes, firewall, files)
_ENGINE = """\
section engine
[ ! -S "$2" ] || echo socket
"""
_LAST = "section end\n"
PROBE = "".join((HEAD, *(topic.ASK for topic in _TOPICS), _ENGINE, processes.ASK_AGAIN, clock.ASK_AGAIN, _LAST, TAIL))
"""The one question. It runs as it comes, from standard input: nothing is written on the host.

`$1` marks the parts of the answer, `$2` is the path of an engine's socket.
"""


class SshFacts:
    """Reads one host, with Docker or without. Nothing here changes anything.

    Without `engine` its containers are no part of the answer: somebody else reads them.
    """

    def __init__(self, connection: Connection, engine: EngineReader | None = None, socket_path: str = "") -> None:
        self._connection = connection
        self._engine = engine
        self._socket_path = socket_path

    def facts(self) -> HostFacts:
        """Return what the machine is now. Raise HostUnreachable."""
        mark, sent = secrets.token_hex(16), time.time()
        answer = self._connection.run(PROBE, mark, self._socket_path)
        received, reply = time.time(), sections(unpacked(answer.stdout), mark)
        if "end" not in reply:
            told = answer.stderr.decode(errors="replace").strip().splitlines() or ["its answer is cut short"]
            hint = "does this login get a POSIX shell there? Try: ssh HOST sh -s </dev/null"
            raise HostUnreachable(self._connection.name, f"the probe did not end: {told[-1]}", hint=hint)
        found = replace(read_facts(self._connection.name, reply), clock=clock.read_clock(reply, sent, received))
        if self._engine is None or "socket" not in reply.get("engine", ""):
            return found
        return self._with_containers(found, self._engine)

    def texts(self, paths: tuple[str, ...]) -> Mapping[str, str]:
        """Return those of these files that are text and no larger than 64 KiB, by path. Raise HostUnreachable."""
        return texts.read_texts(self._connection.run(texts.ASK, *paths).stdout, paths)

    def _with_containers(self, found: HostFacts, engine: EngineReader) -> HostFacts:
        try:
            seen = engine.containers()
        except (EngineUnavailable, EngineRefused) as error:
            kinds: tuple[Kind, ...] = ("engine", "container", "node")
            return replace(found, gaps=(*found.gaps, *(Gap(kind, "", error.reason) for kind in kinds)))
        return replace(found, facts=(*found.facts, *container_facts(seen)))


def read_facts(host: str, reply: Mapping[str, str]) -> HostFacts:
    """Return what the answer to the probe says of a host; containers are no part of it."""
    own = identity.read_own(reply)
    changed = packages.changed_conffiles(reply)
    trees = tuple(files.read_tree(reply, name, changed) for name in files.TREES)
    settings, unread = system.read_sysctls(reply)
    gaps = (*unread, *(gap for tree in trees for gap in tree.gaps), *_gaps(reply))
    facts = (*_facts(reply), *settings, *(fact for tree in trees for fact in tree.facts))
    left_out = tuple(line for tree in trees for line in tree.left_out)
    return HostFacts(host, facts, gaps, left_out, own, rooms=rooms.read_rooms(reply))


def _facts(reply: Mapping[str, str]) -> Iterator[Fact]:
    yield from system.read_system(reply)
    yield from system.read_mounts(reply)
    yield from packages.read_packages(reply)
    yield from accounts.read_users(reply)
    yield from accounts.read_keys(reply)
    yield from firewall.read_firewall(reply)
    running = processes.Running(reply)
    yield from running.processes()
    addresses = frozenset(word.text for word in identity.read_own(reply) if word.stands_for == "<address>")
    yield from running.sockets(addresses, root=identity.is_root(reply))


def _gaps(reply: Mapping[str, str]) -> Iterator[Gap]:
    yield from packages.package_gaps(reply)
    yield from accounts.account_gaps(reply)
    yield from processes.process_gaps(reply, root=identity.is_root(reply))
    yield from firewall.firewall_gaps(reply)
