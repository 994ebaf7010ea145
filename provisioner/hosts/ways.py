"""The SSH connections to hosts, over the jump hosts they share."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from provisioner.errors import HostUnreachable
from provisioner.hosts.connection import SshConnection
from provisioner.hosts.known_hosts import HostKey, KnownHostsFiles, Trusted, known_name
from provisioner.hosts.ssh_config import Jump, SshConfig, Target
from provisioner.hosts.timeouts import Timeouts
from provisioner.model.inventory import Host

_LONGEST_WAY = 8


class Ways:
    """Makes SSH connections; a jump host is connected to once, however many hosts lie behind it."""

    def __init__(
        self, known_hosts: Path, environment: Mapping[str, str], ssh_config: Path | None, timeouts: Timeouts
    ) -> None:
        self._project_file = str(known_hosts)
        self._config = SshConfig(environment, ssh_config)
        self._timeouts = timeouts
        self._files = KnownHostsFiles()
        self._lock = threading.Lock()
        self._jumps: dict[tuple[str, ...], SshConnection] = {}

    def to(self, host: Host) -> SshConnection:
        """Return a connection to a host, not connected yet. Raise HostUnreachable where it cannot be made."""
        return self._last_of(self._config.resolve(host), ())

    def offered_key(self, host: Host) -> tuple[str, str, HostKey]:
        """Return a name for people, the name to record under, and the key of the first host that is not trusted.

        Where all are, it is the host's own. Raise HostUnreachable.
        """
        *jumps, last = _passed(self.to(host))
        for hop in jumps:
            key, verdict = hop.offered_key()
            if not isinstance(verdict, Trusted):
                return f"{host.name} (its jump host {hop.target.address})", _place(hop.target), key
        return host.name, _place(last.target), last.offered_key()[0]

    def forget(self) -> None:
        """Read the known_hosts files again at the next need, and connect to jump hosts anew."""
        self._files.forget()
        self.close()

    def close(self) -> None:
        """Close the connections to jump hosts."""
        with self._lock:
            jumps, self._jumps = self._jumps, {}
        for jump in jumps.values():
            jump.close()

    def _last_of(self, target: Target, passed: tuple[str, ...]) -> SshConnection:
        via: SshConnection | None = None
        for jump in target.jumps:
            via = self._jump(target, jump, via, passed)
        return self._made(target, via)

    def _jump(self, target: Target, jump: Jump, via: SshConnection | None, passed: tuple[str, ...]) -> SshConnection:
        """Return the connection to a jump host; the first of a chain has a way of its own in the configuration."""
        key = (*passed, *((_place(via.target),) if via else ()), str(jump))
        if len(passed) >= _LONGEST_WAY or str(jump) in passed:
            message = f"its jump hosts lead round in a circle ({' -> '.join((*passed, str(jump)))})"
            raise HostUnreachable(target.name, message, hint="correct ProxyJump in your SSH configuration")
        with self._lock:
            if key in self._jumps:
                return self._jumps[key]
        found = self._config.resolve(Host(jump.address, jump.address, jump.port, jump.user))
        hop = replace(found, name=target.name)
        made = self._last_of(hop, (*passed, str(jump))) if via is None else self._made(hop, via)
        with self._lock:
            return self._jumps.setdefault(key, made)

    def _made(self, target: Target, via: SshConnection | None) -> SshConnection:
        return SshConnection(target, via, self._files.load((self._project_file, *target.known_hosts)), self._timeouts)


def _passed(connection: SshConnection) -> tuple[SshConnection, ...]:
    """Return the connections that lead to one, in order, and itself."""
    return (*(_passed(connection.via) if connection.via else ()), connection)


def _place(target: Target) -> str:
    return known_name(target.key_name, target.port)
