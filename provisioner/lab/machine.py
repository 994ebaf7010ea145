"""One host of a lab: a container on the local engine with an sshd and a Docker Engine of its own."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import APIError, NotFound
from docker.types import LogConfig, Mount

from provisioner.lab.editions import InnerEngine, Store
from provisioner.lab.labels import ENGINE, GROUP, HOST, LAB, STORE, labelled
from provisioner.lab.layout import LOOPBACK, PlannedHost
from provisioner.lab.network import LabNetwork, network_name
from provisioner.lab.privileges import Privileges

_SSH = 22
_STOP_SECONDS = 20
_CONFLICT = 409


@dataclass(frozen=True, slots=True)
class Machine:
    """A host's container as the engine describes it, whether it runs or not."""

    container: str
    name: str
    lab: str
    group: str
    engine: InnerEngine
    status: str
    ssh_port: int
    private_address: str
    network_id: str
    published: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Site:
    """What all hosts of a lab share when they are made; `images` are host images by the engine's version."""

    lab: str
    images: Mapping[str, str]
    network: LabNetwork
    privileges: Privileges


def find_machines(engine: docker.APIClient, lab: str | None = None) -> tuple[Machine, ...]:
    """Return the hosts of one lab, or of all labs, ordered by address."""
    label = f"{LAB}={lab}" if lab else LAB
    found = []
    for container in engine.containers(all=True, filters={"label": [label, HOST]}):
        try:
            found.append(read_machine(engine.inspect_container(container["Id"])))
        except NotFound:
            continue
    return tuple(sorted(found, key=lambda machine: [int(part) for part in machine.private_address.split(".") if part]))


def read_machine(answer: Mapping[str, Any]) -> Machine:
    """Read an engine's description of a host's container."""
    labels = answer["Config"]["Labels"]
    bindings = answer["HostConfig"]["PortBindings"] or {}
    ports = {int(port.partition("/")[0]): int(where[0]["HostPort"]) for port, where in bindings.items()}
    network = answer["NetworkSettings"]["Networks"].get(network_name(labels[LAB])) or {}
    return Machine(
        container=answer["Id"],
        name=labels[HOST],
        lab=labels[LAB],
        group=labels[GROUP],
        engine=InnerEngine(labels[ENGINE], _store(labels)),
        status=answer["State"]["Status"],
        ssh_port=ports.get(_SSH, 0),
        private_address=(network.get("IPAMConfig") or {}).get("IPv4Address", ""),
        network_id=network.get("NetworkID", ""),
        published=tuple(sorted((port, local) for port, local in ports.items() if port != _SSH)),
    )


def _store(labels: Mapping[str, str]) -> Store:
    return "containerd" if labels.get(STORE) == "containerd" else "classic"


def create_machine(engine: docker.APIClient, site: Site, host: PlannedHost, address: str, ssh_port: int) -> None:
    """Create a host's container; its address and its ports stay the same for as long as it exists."""
    endpoint = engine.create_endpoint_config(ipv4_address=address, aliases=[host.name])
    inner = host.engine or InnerEngine()
    engine.create_container(
        site.images[inner.version],
        name=f"{site.lab}-{host.name}",
        hostname=host.name,
        labels={
            **labelled(site.lab),
            HOST: host.name,
            GROUP: host.group,
            ENGINE: inner.version,
            STORE: inner.store,
        },
        environment={"LAB_ENGINE_SETTINGS": json.dumps(inner.settings())},
        ports=[_SSH, *(port for port, _ in host.published)],
        host_config=_host_config(engine, site, host, ssh_port),
        networking_config={"EndpointsConfig": {site.network.name: endpoint}},
        stop_timeout=_STOP_SECONDS,
    )


def _host_config(engine: docker.APIClient, site: Site, host: PlannedHost, ssh_port: int) -> dict[str, Any]:
    published = ((_SSH, ssh_port), *host.published)
    config: dict[str, Any] = engine.create_host_config(
        **site.privileges.host_config(),
        network_mode=site.network.name,
        port_bindings={port: (LOOPBACK, local) for port, local in published},
        mounts=[Mount("/var/lib/docker", None, type="volume", labels=labelled(site.lab))],
        tmpfs={"/run": "exec,mode=755"},
        cgroupns="private",
        restart_policy={"Name": "unless-stopped"},
        log_config=LogConfig(type="json-file", config={"max-size": "5m", "max-file": "2"}),
    )
    return {**config, "MaskedPaths": [], "ReadonlyPaths": []}


def start_machine(engine: docker.APIClient, machine: Machine) -> None:
    """Start a host, however it was stopped."""
    if machine.status == "paused":
        engine.unpause(machine.container)
    engine.start(machine.container)


def remove_machine(engine: docker.APIClient, container: str, *, patience: float = 20) -> None:
    """Remove a host and its volume, running or not; one that is gone already is removed."""
    deadline = time.monotonic() + patience
    while True:
        try:
            engine.remove_container(container, force=True, v=True)
        except NotFound:
            return
        except APIError as refusal:
            if refusal.status_code != _CONFLICT or time.monotonic() > deadline:
                raise
            time.sleep(0.3)


def ask_inner_engine(engine: docker.APIClient, container: str) -> InnerEngine | None:
    """Return the Docker Engine inside a host with its exact version, None where it does not answer."""
    command = ["timeout", "5", "docker", "info", "--format", "{{.ServerVersion}} {{json .DriverStatus}}"]
    try:
        execution = engine.exec_create(container, command, stderr=False)["Id"]
        answer = engine.exec_start(execution)
        succeeded = engine.exec_inspect(execution)["ExitCode"] == 0
    except APIError:
        return None
    return read_inner_engine(answer.decode()) if succeeded else None


def read_inner_engine(answer: str) -> InnerEngine | None:
    """Read a version and a driver's status, as `docker info` gives them; without an engine it gives no version."""
    version, _, status = answer.partition(" ")
    store: Store = "containerd" if "io.containerd.snapshotter.v1" in status else "classic"
    return InnerEngine(version.partition("+")[0], store) if version.strip() else None
