"""Asks hosts what they are while their containers are read: the same connection, another thread."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from concurrent.futures import Executor, Future

from provisioner.errors import EngineUnavailable, HostUnreachable
from provisioner.model.facts import HostFacts
from provisioner.model.inventory import Host
from provisioner.model.observed import Unreachable
from provisioner.ports import HostReader, Machines, Readers, ReleaseReader


class Beside:
    """Readers of hosts; the first time one of `wanted` is reached, it is asked for its facts as well.

    One that is not reached is not tried a second time: whoever reads its containers tells why.
    """

    def __init__(self, readers: Readers, machines: Machines, wanted: Collection[str], pool: Executor) -> None:
        self._readers = readers
        self._machines = machines
        self._wanted = frozenset(wanted)
        self._pool = pool
        self._lock = threading.Lock()
        self._asked: dict[str, Future[HostFacts | Unreachable]] = {}
        self._hosts: dict[str, Host] = {}

    def reader(self, host: Host) -> HostReader:
        """Return the reader of a host, which is being asked what it is. Raise HostUnreachable or EngineUnavailable."""
        try:
            found = self._readers.reader(host)
        except EngineUnavailable:
            self._ask(host)
            raise
        self._ask(host)
        return found

    def releases(self, host: Host) -> ReleaseReader:
        """Return the reader of a host's releases. Raise HostUnreachable or EngineUnavailable."""
        return self._readers.releases(host)

    def facts(self) -> tuple[HostFacts | Unreachable, ...]:
        """Return what every host that was reached is, in the order of their names."""
        return tuple(self._asked[name].result() for name in sorted(self._asked))

    def texts(self, wanted: Mapping[str, tuple[str, ...]]) -> Mapping[str, Mapping[str, str]]:
        """Return the contents of files by host and path; of a host that is lost by now, none."""
        asked = {name: self._pool.submit(self._texts, self._hosts[name], paths) for name, paths in wanted.items()}
        return {name: told.result() for name, told in asked.items()}

    def _ask(self, host: Host) -> None:
        with self._lock:
            if host.name in self._wanted and host.name not in self._asked:
                self._hosts[host.name] = host
                self._asked[host.name] = self._pool.submit(self._facts, host)

    def _facts(self, host: Host) -> HostFacts | Unreachable:
        try:
            return self._machines.machine(host).facts()
        except HostUnreachable as error:
            return Unreachable(host.name, error.reason, error.hint)

    def _texts(self, host: Host, paths: tuple[str, ...]) -> Mapping[str, str]:
        try:
            return self._machines.machine(host).texts(paths)
        except HostUnreachable:
            return {}
