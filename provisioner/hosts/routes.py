"""The ways from a connection to its host's engine, tried in order, and why none led there."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import paramiko

from provisioner.errors import EngineRefused, EngineUnavailable, ProvisionerError
from provisioner.hosts.attentive import SignsOfLife
from provisioner.hosts.channel import Opener
from provisioner.hosts.connection import SshConnection
from provisioner.hosts.questions import Questions

DEFAULT_SOCKET = "/var/run/docker.sock"
OLDEST_API = (1, 41)
NEWEST_API = (1, 51)
"""The API versions this room was tried with: Docker Engine 20.10 to 28."""

WHY = """\
socket=$1
command -v docker >/dev/null 2>&1 && echo cli
command -v dockerd >/dev/null 2>&1 && echo daemon
[ -S "$socket" ] && echo socket
[ -r "$socket" ] && [ -w "$socket" ] && echo access
exit 0
"""
"""Asks a host, changing nothing, what there is of Docker. `$1` is the path of the engine's socket."""


@dataclass(frozen=True, slots=True)
class Route:
    """A way to an engine that answered: its name, how to open a channel, the API version to speak, who asked for it."""

    name: str
    opener: Opener
    api_version: str
    asking: Questions


def find_route(connection: SshConnection, socket_path: str, signs: SignsOfLife) -> Route:
    """Return the first way that leads to the engine. Raise HostUnreachable or EngineUnavailable."""
    for name, opener in _ways(connection, socket_path):
        route = route_through(name, opener, signs)
        if route is not None:
            return route
    told = connection.run(WHY, socket_path)
    raise why_none(connection.name, connection.target.user, socket_path, frozenset(told.stdout.decode().split()))


def _ways(connection: SshConnection, socket_path: str) -> tuple[tuple[str, Opener], ...]:
    dial = ("docker", "-H", f"unix://{socket_path}", "system", "dial-stdio")
    return (
        ("streamlocal", lambda: connection.open_unix(socket_path)),
        ("dial-stdio", lambda: connection.open_exec(dial)),
        ("sudo dial-stdio", lambda: connection.open_exec(("sudo", "-n", *dial))),
    )


def route_through(name: str, opener: Opener, signs: SignsOfLife) -> Route | None:
    """Return a way where an engine answers, None where nobody is there.

    Raise EngineUnavailable where one takes the question and says nothing, or speaks no version of ours. Whatever the
    way, it leads to the same engine: another one is no better.
    """
    attentive = signs.attentive(opener)
    asking = Questions(signs.host, attentive, signs.patience)
    try:
        answer: Mapping[str, Any] | None = asking.ask(["/version"])[0].json(signs.host)
    except EngineRefused:
        return None
    except ProvisionerError:
        raise
    except TimeoutError as error:
        raise signs.silent() from error
    except (paramiko.SSHException, EOFError, OSError):
        return None
    if answer is None:
        return None
    signs.heard()
    return Route(name, attentive, negotiated(signs.host, answer), asking)


def negotiated(host: str, versions: Mapping[str, Any]) -> str:
    """Return the newest API version that the engine speaks and we know. Raise EngineUnavailable where none is."""
    newest, oldest = _number(versions.get("ApiVersion", "")), _number(versions.get("MinAPIVersion", ""))
    engine = f"Docker Engine {versions.get('Version', '')}"
    if newest < OLDEST_API:
        raise EngineUnavailable(host, f"{engine} is too old", hint="install Docker Engine 20.10 or newer there")
    spoken = min(newest, NEWEST_API)
    if spoken < oldest:
        raise EngineUnavailable(host, f"{engine} is too new for this version", hint="update provisioner")
    return f"{spoken[0]}.{spoken[1]}"


def _number(version: str) -> tuple[int, int]:
    major, _, minor = version.partition(".")
    return (int(major), int(minor)) if major.isdigit() and minor.isdigit() else (0, 0)


def why_none(host: str, user: str, socket_path: str, told: frozenset[str]) -> EngineUnavailable:
    """Return why no way leads to an engine, from the words that `WHY` answers with."""
    reasons: tuple[tuple[Callable[[], bool], str, str], ...] = (
        (
            lambda: not told & {"cli", "daemon", "socket"},
            "Docker is not installed",
            "install Docker Engine 20.10 or newer there",
        ),
        (
            lambda: "socket" not in told,
            f"its Docker Engine is not running: there is no socket {socket_path}",
            "start it (systemctl start docker), or set the host variable docker_socket",
        ),
        (
            lambda: "access" not in told,
            f"permission denied: {user} may not use {socket_path}",
            f"add {user} to the group docker there (usermod -aG docker {user}); that makes {user} as mighty as root",
        ),
        (
            lambda: "cli" not in told,
            f"sshd does not forward to {socket_path}, and there is no docker command to fall back to",
            "set AllowStreamLocalForwarding yes and AllowTcpForwarding yes in sshd_config there, or install docker-cli",
        ),
    )
    for holds, message, hint in reasons:
        if holds():
            return EngineUnavailable(host, message, hint=hint)
    message = f"nothing answers at {socket_path}"
    return EngineUnavailable(host, message, hint="restart the engine there (systemctl restart docker), see its log")
