"""Lends readers of machines: one connection each, kept until closed, and no engine asked before one is seen."""

from __future__ import annotations

import threading
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from provisioner.hosts.access import AccessSettings, sight_of, socket_path
from provisioner.hosts.attentive import SignsOfLife
from provisioner.hosts.facts.reader import SshFacts
from provisioner.hosts.observe import EngineReader, Sight
from provisioner.hosts.ways import Ways
from provisioner.model.inventory import Host


class SshMachines:
    """Lends readers of hosts, with Docker or without; may be asked by many threads."""

    def __init__(self, settings: AccessSettings) -> None:
        self._settings = settings
        self._ways = Ways(settings.known_hosts, settings.environment, settings.ssh_config, settings.timeouts)
        self._lock = threading.Lock()
        self._sights: dict[str, Sight] = {}

    def reader(self, host: Host) -> SshFacts:
        """Return the reader of a machine, to be connected at its first question. Raise HostUnreachable."""
        sight = self._known(host.name) or self._kept(host.name, self._made(host))
        return SshFacts(sight.connection, EngineReader(sight), socket_path(host))

    def close(self) -> None:
        """Close every connection."""
        with self._lock, ExitStack() as stack:
            stack.callback(self._ways.close)
            for sight in self._sights.values():
                stack.callback(sight.connection.close)
                stack.callback(sight.engine.close)
            self._sights = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _made(self, host: Host) -> Sight:
        return sight_of(host, self._ways, self._settings, SignsOfLife(host.name, self._settings.timeouts))

    def _known(self, name: str) -> Sight | None:
        with self._lock:
            return self._sights.get(name)

    def _kept(self, name: str, sight: Sight) -> Sight:
        with self._lock:
            return self._sights.setdefault(name, sight)
