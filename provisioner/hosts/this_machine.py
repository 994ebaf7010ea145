"""This machine as a host, and its own Docker Engine."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Mapping
from typing import Any

import docker
import docker.errors
from docker.utils import kwargs_from_env

from provisioner.errors import EngineUnavailable, HostUnreachable
from provisioner.hosts.attentive import SignsOfLife
from provisioner.hosts.channel import Opener, connect_unix
from provisioner.hosts.routes import DEFAULT_SOCKET, Route, negotiated, route_through
from provisioner.hosts.timeouts import Timeouts
from provisioner.model.inventory import Host
from provisioner.model.observed import HostRoute
from provisioner.ports import Completed

THIS_MACHINE = "this machine"
_PROBE_SECONDS = 15.0
_ANY_VERSION = "1.41"
"""What a client is made with before the engine has told its versions; that question carries none."""


def local_client(environment: Mapping[str, str], timeout: float = 900.0) -> docker.APIClient | None:
    """Return a client of this machine's engine, None where none answers.

    `DOCKER_HOST`, `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH` are read from `environment`. Raise EngineUnavailable
    where `DOCKER_HOST` is of a kind that is not followed. `timeout` is seconds per answer.
    """
    settings: dict[str, Any] = {"base_url": f"unix://{DEFAULT_SOCKET}", **_docker_settings(environment)}
    if not settings["base_url"].startswith(("unix://", "tcp://", "http://", "https://")):
        hint = "unset DOCKER_HOST, or name a unix:// or tcp:// address"
        raise EngineUnavailable(THIS_MACHINE, f"DOCKER_HOST={settings['base_url']} is not followed", hint=hint)
    try:
        if settings["base_url"].startswith("unix://"):
            connect_unix(settings["base_url"].removeprefix("unix://"), _PROBE_SECONDS).close()
        with docker.APIClient(**settings, version=_ANY_VERSION, timeout=int(_PROBE_SECONDS)) as asked:
            versions = asked.version(api_version=False)
        return docker.APIClient(**settings, version=negotiated(THIS_MACHINE, versions), timeout=int(timeout))
    except (docker.errors.DockerException, OSError):
        return None


def _docker_settings(environment: Mapping[str, str]) -> Mapping[str, Any]:
    """Read docker's variables from a mapping that is never empty: docker takes an empty one for its own."""
    return {**kwargs_from_env({"PATH": "", **environment})}


class LocalConnection:
    """A host with `ansible_connection: local`: no SSH, the same questions."""

    def __init__(self, host: Host, timeouts: Timeouts) -> None:
        self._host = host
        self._timeouts = timeouts

    @property
    def name(self) -> str:
        """Return the name of the host."""
        return self._host.name

    def route(self) -> HostRoute:
        """Return how the host is reached: not over a network."""
        return HostRoute(self.name, self._host.address, 0, "")

    def is_alive(self) -> bool:
        """Tell that this machine can be reached from itself."""
        return True

    def run(self, script: str, *arguments: str) -> Completed:
        """Run a fixed script with `sh -s`. Raise HostUnreachable where it does not end in time."""
        argv = ("sh", "-s", "--", *arguments)
        try:
            done = subprocess.run(
                argv, input=script.encode(), capture_output=True, timeout=self._timeouts.command, check=False
            )
        except (subprocess.TimeoutExpired, OSError) as error:
            raise HostUnreachable(self.name, f"running a script failed: {error}", hint="run it again") from error
        return Completed(done.returncode, done.stdout, done.stderr)

    def open_unix(self, path: str) -> socket.socket:
        """Return a connection to a Unix socket. Raise OSError."""
        return connect_unix(path, self._timeouts.connect)

    def open_tcp(self, address: str, port: int) -> socket.socket:
        """Return a connection to a TCP port. Raise OSError."""
        return socket.create_connection((address, port), self._timeouts.connect)

    def close(self) -> None:
        """Do nothing: there is no connection to close."""


def find_local_route(
    connection: LocalConnection, socket_path: str, environment: Mapping[str, str], signs: SignsOfLife
) -> Route:
    """Return the way to this machine's engine: `socket_path`, else `DOCKER_HOST`. Raise EngineUnavailable."""
    place = f"unix://{socket_path}" if socket_path else environment.get("DOCKER_HOST") or f"unix://{DEFAULT_SOCKET}"
    opener = _opener(connection, place)
    route = route_through("socket", opener, signs)
    if route is None:
        hint = "start Docker Engine here, and see that you may use its socket (group docker)"
        raise EngineUnavailable(connection.name, f"no engine answers at {place}", hint=hint)
    return route


def _opener(connection: LocalConnection, place: str) -> Opener:
    kind, _, rest = place.partition("://")
    if kind == "unix":
        return lambda: connection.open_unix(rest)
    address, _, port = rest.rstrip("/").rpartition(":")
    if kind == "tcp" and address and port.isdigit():
        return lambda: connection.open_tcp(address, int(port))
    message = f"DOCKER_HOST={place} is not followed for a host with ansible_connection: local"
    raise EngineUnavailable(connection.name, message, hint="name a unix:// or tcp://address:port one")
