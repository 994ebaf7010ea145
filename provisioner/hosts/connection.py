"""The one SSH connection to a host: made at the first need, made again where it was lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from shlex import join as shell_words
from typing import Protocol

import paramiko

from provisioner.errors import HostUnreachable
from provisioner.hosts import failures
from provisioner.hosts.channel import ByteChannel
from provisioner.hosts.commands import complete
from provisioner.hosts.handshake import dial, dial_through, enter, negotiate, shown_key
from provisioner.hosts.known_hosts import HostKey, KnownHosts, Verdict
from provisioner.hosts.ssh_config import Target
from provisioner.hosts.timeouts import Timeouts
from provisioner.hosts.transport import StreamlocalTransport
from provisioner.model.observed import HostRoute
from provisioner.ports import Completed


class Connection(Protocol):
    """A way to a host: commands, and byte channels to what listens there."""

    @property
    def name(self) -> str:
        """Return the name of the host."""

    def route(self) -> HostRoute:
        """Return how the host is reached."""

    def run(self, script: str, *arguments: str) -> Completed:
        """Run a fixed script with `sh -s`; its arguments are quoted. Raise HostUnreachable."""

    def open_tcp(self, address: str, port: int) -> ByteChannel:
        """Return a channel to a TCP port as seen from the host. Raise HostUnreachable, ChannelException or OSError."""

    def close(self) -> None:
        """Close the connection; the next need makes another one."""


class SshConnection:
    """One paramiko transport to one host, whatever number of channels and threads use it."""

    def __init__(self, target: Target, via: SshConnection | None, known: KnownHosts, timeouts: Timeouts) -> None:
        self.target = target
        self.via = via
        self._known = known
        self._timeouts = timeouts
        self._lock = threading.Lock()
        self._transport: StreamlocalTransport | None = None
        self._host_key = ""

    @property
    def name(self) -> str:
        """Return the name of the host."""
        return self.target.name

    def route(self) -> HostRoute:
        """Return how the host is reached, with the fingerprint of the key it showed."""
        return HostRoute(self.name, self.target.address, self.target.port, self.target.user, self._host_key)

    def connect(self) -> StreamlocalTransport:
        """Return the transport, connected, trusted and logged in. Raise HostUnreachable."""
        with self._lock:
            if self._transport is None or not self._transport.is_active():
                transport = self._negotiated()
                self._host_key = enter(self.target, transport, self._known).fingerprint
                self._transport = transport
            return self._transport

    def is_alive(self) -> bool:
        """Tell whether the connection stands now."""
        return self._transport is not None and self._transport.is_active()

    def offered_key(self) -> tuple[HostKey, Verdict]:
        """Return the key the host shows and whether it is trusted, without a login. Raise HostUnreachable."""
        transport = self._negotiated()
        try:
            shown = shown_key(transport)
        finally:
            transport.close()
        return shown, self._known.judge(self.target.key_name, self.target.port, shown)

    def close(self) -> None:
        """Close the connection; the next need makes another one."""
        with self._lock:
            if self._transport is not None:
                self._transport.close()
            self._transport = None

    def run(self, script: str, *arguments: str) -> Completed:
        """Run a fixed script with `sh -s`; its arguments are quoted. Raise HostUnreachable."""
        try:
            with closing(self.open_exec(("sh", "-s", "--", *arguments))) as channel, _losses(self.name):
                return complete(channel, script.encode(), self._timeouts.command)
        except paramiko.ChannelException as error:
            hint = "does sshd there allow commands, and is MaxSessions high enough?"
            raise HostUnreachable(self.name, f"sshd refuses to run a command: {error.text}", hint=hint) from error

    def open_exec(self, argv: tuple[str, ...]) -> paramiko.Channel:
        """Run a command, its words quoted for the login shell, and return its standard input and output.

        Raise HostUnreachable, or ChannelException where sshd refuses it.
        """
        with _losses(self.name):
            channel = self.connect().open_session(timeout=self._timeouts.channel)
            channel.settimeout(self._timeouts.command)
            channel.exec_command(shell_words(argv))
            return channel

    def open_unix(self, path: str) -> paramiko.Channel:
        """Return a channel to a Unix socket of the host. Raise HostUnreachable or ChannelException."""
        with _losses(self.name):
            return self.connect().open_streamlocal(path, self._timeouts.channel)

    def open_tcp(self, address: str, port: int) -> paramiko.Channel:
        """Return a channel to a TCP port as seen from the host. Raise HostUnreachable or ChannelException."""
        with _losses(self.name):
            transport, source = self.connect(), ("127.0.0.1", 0)
            return transport.open_channel("direct-tcpip", (address, port), source, timeout=self._timeouts.channel)

    def _negotiated(self) -> StreamlocalTransport:
        via, target = self.via, self.target
        wire = dial_through(target, via.target, via.open_tcp) if via else dial(target, self._timeouts.connect)
        return negotiate(target, wire, self._known, self._timeouts)


@contextmanager
def _losses(host: str) -> Iterator[None]:
    try:
        yield
    except paramiko.ChannelException:
        raise
    except (paramiko.SSHException, EOFError, OSError) as error:
        raise failures.lost(host, error) from error
