"""The way in: a byte stream to sshd, SSH on it, the host key checked before anything is said about us."""

from __future__ import annotations

import socket
from collections.abc import Callable

import paramiko

from provisioner.errors import HostUnreachable
from provisioner.hosts import failures
from provisioner.hosts.known_hosts import HostKey, KnownHosts
from provisioner.hosts.login import log_in
from provisioner.hosts.ssh_config import Target
from provisioner.hosts.timeouts import Timeouts
from provisioner.hosts.transport import StreamlocalTransport

_DEAD_PEER_MILLISECONDS = 45_000
_RSA = ("rsa-sha2-512", "rsa-sha2-256")

Wire = socket.socket | paramiko.Channel
"""What SSH is spoken over: a TCP connection, or a channel of the jump host."""


def dial(target: Target, timeout: float) -> socket.socket:
    """Return a TCP connection to a host's sshd; `timeout` in seconds. Raise HostUnreachable."""
    try:
        wire = socket.create_connection((target.address, target.port), timeout)
    except OSError as error:
        raise failures.unconnected(target, error) from error
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _DEAD_PEER_MILLISECONDS)
    return wire


def dial_through(target: Target, jump: Target, forward: Callable[[str, int], paramiko.Channel]) -> paramiko.Channel:
    """Return a channel of a jump host to a host's sshd. Raise HostUnreachable."""
    try:
        return forward(target.address, target.port)
    except HostUnreachable as error:
        raise failures.behind(target, jump, error) from error
    except paramiko.ChannelException as error:
        raise failures.unconnected_through(target, jump.address, error) from error


def negotiate(target: Target, wire: Wire, known: KnownHosts, timeouts: Timeouts) -> StreamlocalTransport:
    """Return a transport that has agreed on keys, its host key not yet judged. Raise HostUnreachable."""
    transport = StreamlocalTransport(wire)
    transport.banner_timeout = transport.handshake_timeout = transport.auth_timeout = timeouts.login
    transport.channel_timeout = timeouts.channel
    _prefer_recorded(transport, known.kinds(target.key_name, target.port))
    error: Exception | None = None
    try:
        transport.start_client(timeout=timeouts.login)
    except (paramiko.SSHException, EOFError, OSError) as raised:
        error = raised
    if error is not None or not transport.initial_kex_done:
        transport.close()
        wire.close()
        raise failures.unnegotiated(target, transport.remote_version, error)
    return transport


def enter(target: Target, transport: StreamlocalTransport, known: KnownHosts) -> HostKey:
    """Check the host key, log in, and return the key. Raise HostUnreachable, the transport closed."""
    try:
        shown = _trusted_key(target, transport, known)
        log_in(transport, target)
    except BaseException:
        transport.close()
        raise
    transport.stay_attentive()
    return shown


def _trusted_key(target: Target, transport: StreamlocalTransport, known: KnownHosts) -> HostKey:
    shown = shown_key(transport)
    refusal = failures.untrusted(target, shown, known.judge(target.key_name, target.port, shown))
    if refusal is not None:
        raise refusal
    return shown


def shown_key(transport: paramiko.Transport) -> HostKey:
    """Return the key a host has proven to own."""
    key = transport.get_remote_server_key()
    return HostKey(key.get_name(), key.asbytes())


def _prefer_recorded(transport: paramiko.Transport, kinds: tuple[str, ...]) -> None:
    """Ask first for the types that are recorded: a host with several keys would show another one."""
    options = transport.get_security_options()
    wanted = [name for kind in kinds for name in (_RSA if kind == "ssh-rsa" else (kind,))]
    usable = tuple(options.key_types)
    options.key_types = tuple(sorted(usable, key=lambda name: (name not in wanted, usable.index(name))))
