"""Why a host cannot be reached, in words: every exception of sockets and paramiko on the way in, mapped once."""

from __future__ import annotations

import errno
import socket
from typing import assert_never

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from provisioner.errors import HostUnreachable
from provisioner.hosts.known_hosts import Changed, HostKey, Revoked, Trusted, Unknown, Verdict
from provisioner.hosts.ssh_config import Target

_NO_WAY = frozenset({errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.ENETDOWN, errno.EHOSTDOWN})
_PROHIBITED = 1


def unconnected(target: Target, error: OSError) -> HostUnreachable:
    """Return why no TCP connection to a host could be made."""
    place = f"{target.address}:{target.port}"
    if isinstance(error, socket.gaierror):
        return _unreachable(target, f"its name {target.address} does not resolve", "correct ansible_host, or the DNS")
    if isinstance(error, ConnectionRefusedError):
        return _unreachable(target, f"{place} refused the connection", "is sshd running there, and is the port right?")
    if isinstance(error, TimeoutError):
        return _unreachable(target, f"{place} did not answer in time", "is the host up, and does a firewall drop SSH?")
    if error.errno in _NO_WAY:
        return _unreachable(target, f"there is no route to {place}", "check the address and this machine's network")
    return _unreachable(target, f"connecting to {place} failed: {error.strerror or error}", "check address and port")


def unconnected_through(target: Target, jump: str, error: Exception) -> HostUnreachable:
    """Return why a jump host gave no connection to a host."""
    place = f"{target.address}:{target.port}"
    if isinstance(error, paramiko.ChannelException) and error.code == _PROHIBITED:
        hint = f"set AllowTcpForwarding yes in sshd_config of {jump}"
        return _unreachable(target, f"the jump host {jump} refuses to forward to {place}", hint)
    hint = f"can {jump} reach that address, and does sshd run there?"
    return _unreachable(target, f"the jump host {jump} gets no connection to {place}", hint)


def unnegotiated(target: Target, banner: str, error: Exception | None) -> HostUnreachable:
    """Return why SSH did not come to be on a connection; `banner` is what sshd called itself, empty for nothing."""
    place = f"{target.address}:{target.port}"
    if not banner:
        return _ungreeted(target, place, error)
    if isinstance(error, IncompatiblePeer):
        message = f"{banner} at {place} has no algorithm in common with us: {error}"
        return _unreachable(target, message, "sshd there is too old or too strict; update it")
    reason = f": {error}" if error is not None and str(error) else " in time"
    return _unreachable(target, f"the SSH handshake with {place} did not end{reason}", "try again, look at sshd's log")


def _ungreeted(target: Target, place: str, error: Exception | None) -> HostUnreachable:
    cause = error.__context__ if error is not None else None
    if error is None or isinstance(cause, TimeoutError):
        message = f"{place} takes connections and then says nothing"
        return _unreachable(target, message, "is the host overloaded or frozen, or is this another service's port?")
    if isinstance(cause, EOFError | OSError):
        message = f"{place} closed the connection before it said anything"
        return _unreachable(target, message, "does sshd there take new connections (MaxStartups, fail2ban)?")
    return _unreachable(target, f"what answers at {place} does not speak SSH", "is the port right?")


def untrusted(target: Target, shown: HostKey, verdict: Verdict) -> HostUnreachable | None:
    """Return why the host key is not accepted, None where it is."""
    name = f"{target.address}:{target.port}"
    match verdict:
        case Trusted():
            return None
        case Unknown():
            message = f"the host key of {name} is not known ({shown.kind} {shown.fingerprint})"
            return _unreachable(target, message, _trust_hint(target))
        case Changed(recorded=recorded):
            message = (
                f"the host key of {name} has changed: it shows {shown.kind} {shown.fingerprint}, "
                f"{recorded.path}:{recorded.line} says {recorded.key.kind} {recorded.key.fingerprint}"
            )
            hint = (
                f"somebody may be in between; if the host was set up anew, remove line {recorded.line} of "
                f"{recorded.path}, then {_trust_hint(target)}"
            )
            return _unreachable(target, message, hint)
        case Revoked(recorded=recorded):
            message = f"the host key of {name} ({shown.fingerprint}) is revoked at {recorded.path}:{recorded.line}"
            return _unreachable(target, message, "do not connect to it before that is cleared up")
        case _:
            assert_never(verdict)


def _trust_hint(target: Target) -> str:
    return f"compare the fingerprint with the one on the host's console and run: provisioner trust {target.name}"


def not_logged_in(target: Target, tried: tuple[str, ...], problems: tuple[str, ...]) -> HostUnreachable:
    """Return why nobody was let in: the keys that were tried, and those that could not be."""
    keys = f"tried {', '.join(tried)}" if tried else "there was no key to try"
    message = f"the login of {target.user} at {target.address}:{target.port} was refused ({keys})"
    if problems:
        return _unreachable(target, f"{message}; {'; '.join(problems)}", "ssh-add the key, or name another one")
    hint = f"put the public key into {target.user}'s ~/.ssh/authorized_keys there, or set ansible_user and the key file"
    return _unreachable(target, message, hint)


def behind(target: Target, jump: Target, error: HostUnreachable) -> HostUnreachable:
    """Return why a host is not reached when it is its jump host that is not."""
    return _unreachable(target, f"its jump host {jump.address}: {error.reason}", error.hint)


def lost(host: str, error: Exception | None) -> HostUnreachable:
    """Return that a connection that stood does no longer."""
    reason = str(error) or type(error).__name__ if error is not None else "no reason given"
    return HostUnreachable(host, f"the connection was lost ({reason})", hint="run the same command again")


def _unreachable(target: Target, message: str, hint: str) -> HostUnreachable:
    return HostUnreachable(target.name, message, hint=hint)
