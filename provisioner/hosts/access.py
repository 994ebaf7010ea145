"""Lends hosts: one connection each, made at the first need and kept until closed."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import docker

from provisioner.errors import HostError, HostUnreachable
from provisioner.hosts.attentive import SignsOfLife
from provisioner.hosts.containers import EngineContainers
from provisioner.hosts.engine import Engine
from provisioner.hosts.examine import EngineExaminer
from provisioner.hosts.facts.reader import SshFacts
from provisioner.hosts.image_lookup import ImageLookup
from provisioner.hosts.images import EngineImages
from provisioner.hosts.known_hosts import HostKey, record
from provisioner.hosts.leases import EngineLeases
from provisioner.hosts.observe import EngineReader, Sight
from provisioner.hosts.releases import ReleaseImages
from provisioner.hosts.routes import DEFAULT_SOCKET, find_route
from provisioner.hosts.shell import EngineShell
from provisioner.hosts.this_machine import LocalConnection, find_local_route
from provisioner.hosts.timeouts import Timeouts
from provisioner.hosts.ways import Ways
from provisioner.model.inventory import Host
from provisioner.ports import ImageIds

SOCKET_VARIABLE = "docker_socket"
"""The host variable that names an engine's socket where it is not the usual one."""


@dataclass(frozen=True, slots=True)
class AccessSettings:
    """What reaching hosts takes: our own known_hosts file, the user's environment and SSH configuration, patience.

    Without `ssh_config` it is the user's usual one; without `image_ids` nothing is remembered beyond a run.
    """

    known_hosts: Path
    environment: Mapping[str, str]
    ssh_config: Path | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    image_ids: ImageIds | None = None


@dataclass(frozen=True, slots=True)
class OfferedKey:
    """The key that a host, or the jump host before it, shows; `place` is the name it is recorded under."""

    host: str
    place: str
    key: HostKey

    @property
    def kind(self) -> str:
        """Return the key's type: `ssh-ed25519`."""
        return self.key.kind

    @property
    def fingerprint(self) -> str:
        """Return `SHA256:…`."""
        return self.key.fingerprint


def project_known_hosts(inventory: Path) -> Path:
    """Return the known_hosts file that belongs to an inventory, the only one we write to."""
    stem = inventory.name.removesuffix(".yaml").removesuffix(".yml")
    return inventory.with_name(f"{stem}.known_hosts")


@dataclass(frozen=True, slots=True)
class EngineHands:
    """All that changes one host, over one connection."""

    reader: EngineReader
    containers: EngineContainers
    shell: EngineShell
    images: EngineImages
    engine_socket: str
    leases: EngineLeases


@dataclass(frozen=True, slots=True)
class _Lent:
    """What is kept of a host until everything is closed."""

    sight: Sight
    hands: EngineHands
    releases: ReleaseImages


class SshHosts:
    """Lends hosts to read and to change, over one SSH connection each; may be asked by many threads."""

    def __init__(self, settings: AccessSettings) -> None:
        self._settings = settings
        self._ways = Ways(settings.known_hosts, settings.environment, settings.ssh_config, settings.timeouts)
        self._kept = _Kept(self._ways, settings)

    def reader(self, host: Host) -> EngineReader:
        """Return the reader of a host. Raise HostUnreachable or EngineUnavailable."""
        return self._kept.lend(host).hands.reader

    def machine(self, host: Host) -> SshFacts:
        """Return what reads the machine itself, its containers left aside, over the same connection.

        Raise HostUnreachable.
        """
        return SshFacts(self._kept.sight(host).connection)

    def releases(self, host: Host) -> ReleaseImages:
        """Return the reader of a host's releases. Raise HostUnreachable or EngineUnavailable."""
        return self._kept.lend(host).releases

    def hands(self, host: Host) -> EngineHands:
        """Return what changes a host. Raise HostUnreachable or EngineUnavailable."""
        return self._kept.lend(host).hands

    def examiner(self, host: Host) -> EngineExaminer:
        """Return what looks closer at a host. Raise HostUnreachable or EngineUnavailable."""
        lent = self._kept.lend(host)
        return EngineExaminer(lent.sight, lent.hands.shell)

    def client(self, host: Host) -> docker.APIClient:
        """Return a docker client of a host's engine, for building there; for one thread, closed by the caller.

        Raise HostUnreachable or EngineUnavailable; what the client itself raises is docker's.
        """
        return self._kept.lend(host).sight.engine.new_client()

    def offered_key(self, host: Host) -> OfferedKey:
        """Return the key a host shows, or the first jump host on the way whose key is not trusted yet.

        Nobody logs in to the host itself. Raise HostUnreachable.
        """
        name, place, key = self._ways.offered_key(host)
        return OfferedKey(name, place, key)

    def record(self, offered: OfferedKey) -> Path:
        """Record a key in the inventory's known_hosts file, in place of an older one; return the file."""
        record(self._settings.known_hosts, offered.place, offered.key)
        self._ways.forget()
        return self._settings.known_hosts

    def close(self) -> None:
        """Close every connection."""
        self._kept.close()
        self._ways.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


_Key = tuple[object, ...]


def _key(host: Host) -> _Key:
    return host.name, host.address, host.port, host.user, host.connection


class _Kept:
    """What was made for hosts, each under a lock of its own: many threads ask, and one of them connects."""

    def __init__(self, ways: Ways, settings: AccessSettings) -> None:
        self._ways = ways
        self._settings = settings
        self._lock = threading.Lock()
        self._locks: dict[_Key, threading.Lock] = {}
        self._sights: dict[_Key, Sight] = {}
        self._lent: dict[_Key, _Lent] = {}

    def lend(self, host: Host) -> _Lent:
        """Return everything of a host, its engine found."""
        key, sight = _key(host), self.sight(host)
        with self._locked(key):
            if key not in self._lent:
                try:
                    self._lent[key] = _opened(host, sight, self._settings)
                except HostUnreachable:
                    # Its key may be trusted by the next time, or its address be another one.
                    self._sights.pop(key, None)
                    raise
            return self._lent[key]

    def sight(self, host: Host) -> Sight:
        """Return the one way to a host, perhaps not connected yet."""
        key = _key(host)
        with self._locked(key):
            if key not in self._sights:
                signs = SignsOfLife(host.name, self._settings.timeouts)
                self._sights[key] = sight_of(host, self._ways, self._settings, signs)
            return self._sights[key]

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            sights, self._sights, self._lent, self._locks = self._sights, {}, {}, {}
        for each in sights.values():
            with suppress(HostError, OSError):
                each.engine.close()
            each.connection.close()

    def _locked(self, key: _Key) -> threading.Lock:
        with self._lock:
            return self._locks.setdefault(key, threading.Lock())


def _opened(host: Host, sight: Sight, settings: AccessSettings) -> _Lent:
    sight.engine.find()
    hands = EngineHands(
        EngineReader(sight),
        EngineContainers(sight.engine, sight.images),
        EngineShell(sight.engine, settings.timeouts),
        EngineImages(sight.engine, sight.images),
        socket_path(host),
        EngineLeases(sight.engine, sight.images),
    )
    return _Lent(sight, hands, ReleaseImages(host.name, sight.images))


def socket_path(host: Host) -> str:
    """Return where a host's engine listens."""
    return host.variables.get(SOCKET_VARIABLE, "") or DEFAULT_SOCKET


def sight_of(host: Host, ways: Ways, settings: AccessSettings, signs: SignsOfLife) -> Sight:
    """Return what a reader of a host looks through, not connected yet. Raise HostUnreachable."""
    timeouts, named = settings.timeouts, host.variables.get(SOCKET_VARIABLE, "")
    if host.connection == "local":
        here = LocalConnection(host, timeouts)
        find = partial(find_local_route, here, named, settings.environment, signs)
        engine = Engine(find, here.is_alive, signs)
        return Sight(here, engine, ImageLookup(engine, settings.image_ids))
    ssh = ways.to(host)
    find = partial(find_route, ssh, named or DEFAULT_SOCKET, signs)
    engine = Engine(find, ssh.is_alive, signs)
    return Sight(ssh, engine, ImageLookup(engine, settings.image_ids))
