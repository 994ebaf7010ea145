"""What a container is: every option that must be equal on its peers, and those that are its node's own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True, slots=True)
class Mount:
    """A volume or a host path mounted into a container."""

    kind: Literal["volume", "bind"]
    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class TmpfsMount:
    """A file system in memory, with its options sorted."""

    target: str
    options: str = ""


@dataclass(frozen=True, slots=True)
class EngineHealthTest:
    """A health test the engine runs itself; times are seconds; an empty test means none."""

    test: tuple[str, ...]
    interval: float = 0.0
    timeout: float = 0.0
    start_period: float = 0.0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class PublishedPort:
    """A port of a container, published on an address of its host; an empty address means all of them."""

    container_port: int
    host_port: int
    address: str = ""
    protocol: Literal["tcp", "udp"] = "tcp"


@dataclass(frozen=True, slots=True)
class ContainerOptions:
    """Everything of a container that must be equal on its peers and is not its image.

    None means: as the image says. Limits: `nano_cpus` in 1e-9 processors, `memory` in bytes; 0 means no limit.
    """

    command: tuple[str, ...] | None = None
    entrypoint: tuple[str, ...] | None = None
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    user: str | None = None
    mounts: tuple[Mount, ...] = ()
    tmpfs: tuple[TmpfsMount, ...] = ()
    network: str = "bridge"
    nano_cpus: int = 0
    memory: int = 0
    pids: int = 0
    read_only: bool = False
    init: bool = False
    privileged: bool = False
    no_new_privileges: bool = False
    cap_add: tuple[str, ...] = ()
    cap_drop: tuple[str, ...] = ()
    restart: str = "unless-stopped"
    health: EngineHealthTest | None = None
    stop_signal: str | None = None
    stop_timeout: int = 10
    log_driver: str = "json-file"
    log_options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ContainerRequest:
    """One container to be created: options, and what is its node's own (name, hostname, ports, labels, volumes).

    The engine itself removes a `temporary` one when its program ends. Into `own_mounts` it copies nothing of the image.
    """

    name: str
    image_id: str
    options: ContainerOptions
    hostname: str
    ports: tuple[PublishedPort, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    temporary: bool = False
    own_mounts: tuple[Mount, ...] = ()


FLEET_LABEL = "provisioner.fleet"
SERVICE_LABEL = "provisioner.service"
NODE_LABEL = "provisioner.node"
SLOT_LABEL = "provisioner.slot"
RELEASE_LABEL = "provisioner.release"
EPOCH_LABEL = "provisioner.epoch"
KIND_LABEL = "provisioner.kind"
OUTCOME_LABEL = "provisioner.outcome"
LEASE_LABEL = "provisioner.lease"
"""Names the fleet of a lease; no lease carries the fleet's own label, so none is taken for a container of it."""
RUN_LABEL = "provisioner.run"
OWNER_LABEL = "provisioner.owner"
TERM_LABEL = "provisioner.ttl"
