"""Makes and ends containers through a host's engine."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

import docker.errors

from provisioner.errors import EngineRefused
from provisioner.hosts.engine import Engine
from provisioner.hosts.image_lookup import ImageLookup
from provisioner.model.container import (
    FLEET_LABEL,
    KIND_LABEL,
    ContainerOptions,
    ContainerRequest,
    EngineHealthTest,
    Mount,
    PublishedPort,
)

_NANO = 1_000_000_000
_CONFLICT = 409
_NO_RESTART: Any = {"Name": "no"}
_REMOVAL_SECONDS = 20.0
_POLL_SECONDS = 0.2


class EngineContainers:
    """The containers of one engine, for those who may change them. All raise EngineRefused."""

    def __init__(self, engine: Engine, images: ImageLookup) -> None:
        self._engine = engine
        self._images = images

    def create(self, request: ContainerRequest) -> str:
        """Create a container and its named volumes, which carry the label of its fleet or its kind; return its id."""
        label = next((name for name in (FLEET_LABEL, KIND_LABEL) if name in request.labels), "")
        image = self._images.own_id(request.image_id)
        with self._engine.client(patient=True) as client:
            for mount in (*request.options.mounts, *request.own_mounts):
                if mount.kind == "volume":
                    client.create_volume(mount.source, labels={label: request.labels[label]} if label else None)
            body = creation(request, image)
            made = client.create_container_from_config(body, request.name)  # type: ignore[no-untyped-call]  # its stub
            return str(made["Id"])

    def start(self, container_id: str, restart: str = "") -> None:
        """Start it, or unpause it where it is paused; give it a restart policy first where one is named."""
        with self._engine.client(patient=True) as client:
            if restart:
                client.update_container(container_id, restart_policy=_restart(restart))  # type: ignore[arg-type]  # a mapping will do
            if client.inspect_container(container_id)["State"].get("Paused"):
                client.unpause(container_id)
            else:
                client.start(container_id)

    def stop(self, container_id: str, timeout: int) -> None:
        """Set its restart policy to `no`, send its stop signal, kill it after `timeout` seconds."""
        with self._engine.client() as client:
            client.update_container(container_id, restart_policy=_NO_RESTART)
            if client.inspect_container(container_id)["State"].get("Paused"):
                client.unpause(container_id)
            client.stop(container_id, timeout=timeout)

    def remove(self, container_id: str) -> None:
        """Remove it, running or not, with its anonymous volumes; one that is gone already is removed."""
        with self._engine.client(patient=True) as client:
            try:
                client.remove_container(container_id, v=True, force=True)
            except docker.errors.NotFound:
                return
            except docker.errors.APIError as error:
                if error.status_code != _CONFLICT:
                    raise
                self._await_gone(container_id, error)

    def remove_volume(self, name: str) -> None:
        """Remove a volume; one that is gone already is removed."""
        with self._engine.client() as client, suppress(docker.errors.NotFound):
            client.remove_volume(name)

    def _await_gone(self, container_id: str, refusal: docker.errors.APIError) -> None:
        """Wait for a removal that somebody else has begun; a conflict that is another one is raised again."""
        until = time.monotonic() + _REMOVAL_SECONDS
        while time.monotonic() < until:
            try:
                with self._engine.client() as client:
                    client.inspect_container(container_id)
            except EngineRefused:
                return
            time.sleep(_POLL_SECONDS)
        raise refusal


def creation(request: ContainerRequest, image: str) -> dict[str, Any]:
    """Return the body of `POST /containers/create`; `image` is what the engine knows the image by."""
    options = request.options
    shares_network = options.network.startswith("container:")
    body: dict[str, Any] = {
        "Image": image,
        "Hostname": None if shares_network else request.hostname,
        "Env": [f"{name}={value}" for name, value in sorted(options.environment.items())],
        "Cmd": _words(options.command),
        "Entrypoint": _words(options.entrypoint),
        "User": options.user,
        "Labels": dict(request.labels),
        "ExposedPorts": {_port(port): {} for port in request.ports},
        "Healthcheck": _health(options.health),
        "StopSignal": options.stop_signal or None,
        "StopTimeout": options.stop_timeout,
        "HostConfig": {
            **_host_config(options, request.ports),
            "Mounts": [*map(_mount, options.mounts), *map(_own_mount, request.own_mounts)],
            "AutoRemove": request.temporary,
        },
    }
    return {key: value for key, value in body.items() if value is not None}


def _host_config(options: ContainerOptions, ports: Iterable[PublishedPort]) -> Mapping[str, Any]:
    return {
        "NetworkMode": options.network,
        "PortBindings": _bindings(ports),
        "Tmpfs": {mount.target: mount.options for mount in options.tmpfs},
        "NanoCpus": options.nano_cpus,
        "Memory": options.memory,
        "MemorySwap": options.memory,
        "PidsLimit": options.pids or None,
        "ReadonlyRootfs": options.read_only,
        "Init": options.init,
        "Privileged": options.privileged,
        "SecurityOpt": ["no-new-privileges:true"] if options.no_new_privileges else [],
        "CapAdd": list(options.cap_add),
        "CapDrop": list(options.cap_drop),
        "RestartPolicy": _restart(options.restart),
        "LogConfig": {"Type": options.log_driver, "Config": dict(options.log_options)},
    }


def _words(words: tuple[str, ...] | None) -> list[str] | None:
    return None if words is None else list(words)


def _port(port: PublishedPort) -> str:
    return f"{port.container_port}/{port.protocol}"


def _bindings(ports: Iterable[PublishedPort]) -> Mapping[str, list[Mapping[str, str]]]:
    bindings: dict[str, list[Mapping[str, str]]] = {}
    for port in ports:
        bindings.setdefault(_port(port), []).append({"HostIp": port.address, "HostPort": str(port.host_port)})
    return bindings


def _mount(mount: Mount) -> Mapping[str, Any]:
    return {"Type": mount.kind, "Source": mount.source, "Target": mount.target, "ReadOnly": mount.read_only}


def _own_mount(mount: Mount) -> Mapping[str, Any]:
    return {**_mount(mount), "VolumeOptions": {"NoCopy": True}}


def _health(health: EngineHealthTest | None) -> Mapping[str, Any] | None:
    if health is None:
        return None
    return {
        "Test": list(health.test) or ["NONE"],
        "Interval": int(health.interval * _NANO),
        "Timeout": int(health.timeout * _NANO),
        "StartPeriod": int(health.start_period * _NANO),
        "Retries": health.retries,
    }


def _restart(policy: str) -> Mapping[str, Any]:
    name, _, tries = policy.partition(":")
    return {"Name": name, "MaximumRetryCount": int(tries)} if tries.isdigit() else {"Name": name}
