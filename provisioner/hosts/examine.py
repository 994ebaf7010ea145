"""Looks closer at a container that fails, and at its host, without leaving anything behind."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import paramiko

from provisioner.errors import EngineRefused
from provisioner.hosts.image_reading import Answer as Inspection
from provisioner.hosts.observe import Sight
from provisioner.hosts.pages import Get, fetch
from provisioner.hosts.room import DF, read_rooms
from provisioner.hosts.shell import EngineShell
from provisioner.hosts.sockets import CAT, INSIDE, NAMES, ON_HOST, read_host, read_listening, read_names
from provisioner.model.evidence import Answer, ContainerPast, DiskRoom, End, ListeningSocket, Question

_PATIENCE = 5.0
_PAGE = 65536
_PLACES = ("/tmp", "/")  # noqa: S108 - asked for their room, never written to


class EngineExaminer:
    """Examines containers of one host. All raise EngineRefused and HostUnreachable."""

    def __init__(self, sight: Sight, shell: EngineShell) -> None:
        self._sight = sight
        self._shell = shell

    def past(self, container_id: str) -> ContainerPast:
        """Return what the engine remembers of a container: its words, its health test's output, every end."""
        with self._sight.engine.client() as client:
            found, info = client.inspect_container(container_id), client.info()
            span: Any = {"since": _seconds(found["Created"]), "until": _seconds(info["SystemTime"])}
            told = client.events(**span, filters={"container": found["Id"], "event": ["die", "oom"]}, decode=True)
            ends = read_ends(told)
        state = found["State"]
        tests = (state.get("Health") or {}).get("Log") or ()
        output = tests[-1].get("Output", "").strip() if tests else ""
        return ContainerPast(state.get("Error") or "", output, ends)

    def sockets(self, container_id: str) -> tuple[ListeningSocket, ...]:
        """Return what is listened on inside a running container, from the host, else by running `cat` inside."""
        found = self._running(container_id)
        done = self._sight.connection.run(INSIDE, str(found["State"]["Pid"]), found["Id"])
        if done.status == 0:
            return read_listening(done.stdout.decode(errors="replace"))
        inside = self._shell.run(container_id, CAT)
        if not inside.stdout.lstrip().startswith(b"sl"):
            message = f"could not look inside {found['Name'].strip('/')}: its processes are hidden, and it has no `cat`"
            raise EngineRefused(self._host, message)
        return read_listening(inside.stdout.decode(errors="replace"))

    def ask(self, container_id: str, question: Question) -> Answer:
        """Return what a running container answers to a health question that comes from its own host."""
        address = self._address(self._running(container_id))
        if question.path is None:
            return self._connect(address, question.port)
        try:
            get = Get(address, question.port, question.path, question.host, _PATIENCE, _PAGE)
            page = fetch(self._sight.connection, get)
        except EngineRefused as error:
            return Answer(fault=error.reason)
        lines = page.body.decode(errors="replace").strip().splitlines()
        return Answer(page.status, page.location, lines[0].strip() if lines else "")

    def rooms(self) -> tuple[DiskRoom, ...]:
        """Return the room on the host's disks that matter to its engine."""
        with self._sight.engine.client() as client:
            places = (client.info().get("DockerRootDir") or "/var/lib/docker", *_PLACES)
        return read_rooms(self._sight.connection.run(DF, *places).stdout.decode(errors="replace"), places)

    def listeners(self) -> tuple[ListeningSocket, ...]:
        """Return what is listened on on the host itself, with user and program as far as they can be seen."""
        found = read_host(self._sight.connection.run(ON_HOST).stdout.decode(errors="replace"))
        numbers = tuple(sorted({process for _, process in found if process}))
        told = self._sight.connection.run(NAMES, *numbers).stdout if numbers else b""
        names = read_names(told.decode(errors="replace"))
        return tuple(
            ListeningSocket(each.address, each.port, names.get(process, ""), each.user) for each, process in found
        )

    @property
    def _host(self) -> str:
        return self._sight.connection.name

    def _running(self, container_id: str) -> Inspection:
        with self._sight.engine.client() as client:
            found: Inspection = client.inspect_container(container_id)
        if not found["State"].get("Pid"):
            raise EngineRefused(self._host, f"container {found['Name'].strip('/')} does not run", status=409)
        return found

    def _address(self, found: Inspection) -> str:
        if found["HostConfig"].get("NetworkMode") == "host":
            return "127.0.0.1"
        networks = ((found.get("NetworkSettings") or {}).get("Networks") or {}).values()
        own = [network.get("IPAddress") or network.get("GlobalIPv6Address") for network in networks if network]
        address = next((each for each in own if each), "")
        if not address:
            raise EngineRefused(self._host, f"container {found['Name'].strip('/')} has no address of its own")
        return str(address)

    def _connect(self, address: str, port: int) -> Answer:
        try:
            self._sight.connection.open_tcp(address, port).close()
        except (paramiko.ChannelException, OSError) as error:
            return Answer(fault=f"{address}:{port}: {getattr(error, 'text', '') or error}")
        return Answer()


def read_ends(told: Iterable[Any]) -> tuple[End, ...]:
    """Return how a program ended each time, from an engine's events of its container, oldest first."""
    ends: list[End] = []
    killed = False
    for event in told:
        action = event.get("Action") or event.get("status")
        if action == "oom":
            killed = True
        elif action == "die":
            code = (event.get("Actor") or {}).get("Attributes", {}).get("exitCode", "")
            ends.append(End(int(code) if code.lstrip("-").isdigit() else 0, killed))
            killed = False
    return tuple(ends)


def _seconds(moment: str) -> str:
    """Return an engine's own time as it wants to be asked for it: seconds since 1970, with a fraction."""
    whole, dot, rest = moment.partition(".")
    zone = rest.lstrip("0123456789")
    at = datetime.fromisoformat(whole + zone if dot else moment)
    fraction = rest[: len(rest) - len(zone)] or "0"
    return f"{int(at.timestamp())}.{fraction[:9]:0<9}"
