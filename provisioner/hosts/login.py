"""Which keys are offered to a host, and in which order."""

from __future__ import annotations

import functools
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
from paramiko.agent import AgentSSH

from provisioner.hosts import failures
from provisioner.hosts.channel import connect_unix
from provisioner.hosts.ssh_config import Target

_AGENT_SECONDS = 5.0


class Agent(AgentSSH):
    """The keys an SSH agent holds, at a socket that is named instead of read from our own environment."""

    _connect: Callable[[socket.socket], None]
    _close: Callable[[], None]

    def __init__(self, path: str) -> None:
        super().__init__()
        connection = connect_unix(path, _AGENT_SECONDS)
        try:
            self._connect(connection)
        except BaseException:
            connection.close()
            raise

    def close(self) -> None:
        """Let go of the agent."""
        self._close()


@dataclass(slots=True)
class Offer:
    """What was offered to a host so far, and which keys could not be."""

    tried: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def log_in(transport: paramiko.Transport, target: Target) -> None:
    """Log in with the first key that is accepted. Raise HostUnreachable."""
    offer = Offer()
    with _agent_keys(target.agent) as held:
        for name, key in _candidates(target, held, offer):
            offer.tried.append(name)
            if _accepted(transport, target, key):
                return
            if not transport.is_active():
                break
    raise failures.not_logged_in(target, tuple(offer.tried), tuple(offer.problems))


def _accepted(transport: paramiko.Transport, target: Target, key: paramiko.PKey) -> bool:
    try:
        transport.auth_publickey(target.user, key)
    except (paramiko.SSHException, EOFError, OSError):
        return False
    return transport.is_authenticated()


@contextmanager
def _agent_keys(path: str) -> Iterator[tuple[paramiko.PKey, ...]]:
    try:
        agent = Agent(path) if path else None
    except (OSError, paramiko.SSHException):
        agent = None
    try:
        yield agent.get_keys() if agent else ()
    finally:
        if agent:
            agent.close()


def _candidates(target: Target, held: tuple[paramiko.PKey, ...], offer: Offer) -> Iterator[tuple[str, paramiko.PKey]]:
    """Yield the inventory's key, then the agent's keys, then those of the SSH configuration."""
    seen: set[bytes] = set()
    named = (target.key_file,) if target.key_file else ()
    sources = [_files(named, held, offer, required=True), _files(target.identity_files, held, offer, required=False)]
    if not target.identities_only:
        sources.insert(1, ((f"agent key {key.fingerprint}", key) for key in held))
    for source in sources:
        for name, key in source:
            blob = key.asbytes()
            if blob not in seen:
                seen.add(blob)
                yield name, key


def _files(
    paths: tuple[str, ...], held: tuple[paramiko.PKey, ...], offer: Offer, *, required: bool
) -> Iterator[tuple[str, paramiko.PKey]]:
    for path in paths:
        if not Path(path).exists():
            if required:
                offer.problems.append(f"the key file {path} does not exist")
            continue
        try:
            yield path, _read_once(path, Path(path).stat().st_mtime_ns)
        except (paramiko.PasswordRequiredException, TypeError):
            yield from _held_by_agent(path, held, offer)
        except (paramiko.SSHException, OSError, ValueError) as error:
            offer.problems.append(f"the key file {path} cannot be read ({error})")


@functools.lru_cache(maxsize=16)
def _read_once(path: str, _changed: int) -> paramiko.PKey:
    """Return a private key; many hosts know the same one, and reading it takes as long as using it."""
    return paramiko.PKey.from_path(path)


def _held_by_agent(path: str, held: tuple[paramiko.PKey, ...], offer: Offer) -> Iterator[tuple[str, paramiko.PKey]]:
    """Yield the agent's copy of an encrypted key, told by the public key beside it."""
    try:
        public = Path(f"{path}.pub").read_text(encoding="utf-8").split()[1]
    except (OSError, IndexError, ValueError):
        public = ""
    matching = [key for key in held if key.get_base64() == public]
    if not matching:
        offer.problems.append(f"the key file {path} is encrypted and no agent holds it")
    yield from ((path, key) for key in matching)
