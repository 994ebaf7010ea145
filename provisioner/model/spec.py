"""What the user declared: the spec as typed values, defaults filled in, variables replaced."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from provisioner.model.hook import Hook

LOAD_BALANCER = "load-balancer"
"""The service name of the balancer; a service of the user cannot take it."""


class Hardening(StrEnum):
    """A preset of container options: what the container may not do."""

    DEFAULT = "default"
    COMPATIBLE = "compatible"


@dataclass(frozen=True, slots=True)
class FromImage:
    """An image that exists somewhere under this name."""

    reference: str


@dataclass(frozen=True, slots=True)
class FromTemplate:
    """An image built from a Dockerfile template over a build context.

    `template` is a template's name or a path; `context` a folder, absolute, or None where the template needs
    none; `base` the name of an entry of `bases`, or None for the template's default.
    """

    template: str
    context: str | None = None
    base: str | None = None
    args: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SuiteBase:
    """A base made from a Debian archive: a bootstrapped root of a suite, with packages as a layer on it."""

    suite: str
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ImageBase:
    """A base that is an image from the local engine or a registry."""

    reference: str


Base = SuiteBase | ImageBase
ImageSource = FromImage | FromTemplate


@dataclass(frozen=True, slots=True)
class ManagedFile:
    """A file of a container: where it lies, the template that gives its content (a path), its mode."""

    path: str
    template: str
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How a node is judged: `path` over HTTP by the balancer, `test` by the engine, neither: a TCP connect.

    Times are seconds.
    """

    path: str | None = None
    test: tuple[str, ...] = ()
    interval: float = 2.0
    timeout: float = 2.0
    retries: int = 3
    start_period: float = 0.0


@dataclass(frozen=True, slots=True)
class Resources:
    """Limits of one container: processors, bytes of memory, number of processes. None: no limit."""

    cpus: float | None = None
    memory: int | None = None
    pids: int | None = None


@dataclass(frozen=True, slots=True)
class Volume:
    """A named volume, or a path of the host (`source` starts with `/`), mounted at `target`."""

    source: str
    target: str
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Tmpfs:
    """A file system in memory at `target`, with mount options as the engine takes them (`size=16m,mode=1777`)."""

    target: str
    options: str = ""


@dataclass(frozen=True, slots=True)
class SecretUse:
    """A secret of the spec that a service is given: as a file, or in a variable where `environment` names one."""

    source: str
    environment: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """A kind of container. `replicas` is per host; `stop_grace_period` is seconds; a worker has no port.

    `release_command` runs once in the new image before the first node changes; `volatile` are paths that its program
    writes itself.
    """

    name: str
    hosts: str
    source: ImageSource
    replicas: int = 1
    port: int | None = None
    host_port: int | None = None
    command: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[SecretUse, ...] = ()
    files: tuple[ManagedFile, ...] = ()
    volumes: tuple[Volume, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    volatile: tuple[str, ...] = ()
    user: str | None = None
    platform: str | None = None
    healthcheck: HealthCheck = HealthCheck()
    resources: Resources = Resources()
    hardening: Hardening = Hardening.DEFAULT
    restart: str = "unless-stopped"
    stop_signal: str | None = None
    stop_grace_period: float = 10.0
    release_command: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bind:
    """A port the balancer answers on; no address means every address of its host."""

    port: int
    address: str | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Requests for a host name and below a path go to a service."""

    to: str
    path: str = "/"
    host: str | None = None


@dataclass(frozen=True, slots=True)
class LoadBalancer:
    """The balancer in front of the services; `network` is a bridge of the engine, or that of its host."""

    hosts: str
    source: FromTemplate
    bind: tuple[Bind, ...] = (Bind(80),)
    algorithm: str = "roundrobin"
    routes: tuple[Route, ...] = ()
    network: Literal["bridge", "host"] = "bridge"
    resources: Resources = Resources()


@dataclass(frozen=True, slots=True)
class FromVariable:
    """A secret that lies in a variable of the environment."""

    name: str


@dataclass(frozen=True, slots=True)
class FromFile:
    """A secret that is the content of a file of this machine, an absolute path."""

    path: str


@dataclass(frozen=True, slots=True)
class FromCommand:
    """A secret that a command of this machine prints."""

    argv: tuple[str, ...]


SecretSource = FromVariable | FromFile | FromCommand


@dataclass(frozen=True, slots=True)
class Registry:
    """Where images are pushed to and pulled from by digest; `password` names a secret, empty where there is no login.

    `server` is host and port, with a path where repositories lie below one (`registry.example.com/team`).
    """

    server: str
    username: str = ""
    password: str = ""


@dataclass(frozen=True, slots=True)
class RolloutPolicy:
    """How a change moves through the fleet. Times are seconds.

    `parallelism`, `canary` and `max_failures` are numbers of nodes, or shares of them as text (`25%`); no canary is 0.
    `progress_deadline` counts since a node succeeded last; `retain` is how many releases `prune` keeps.
    """

    parallelism: int | str = 1
    order: Literal["start-first", "stop-first"] = "start-first"
    canary: int | str = 1
    canary_soak: float = 10.0
    min_healthy_time: float = 5.0
    healthy_deadline: float = 120.0
    progress_deadline: float = 600.0
    drain_timeout: float = 30.0
    monitor: float = 15.0
    max_failures: int | str = 0
    on_failure: Literal["rollback", "pause", "abort"] = "rollback"
    on_unreachable: Literal["pause", "rollback"] = "pause"
    retain: int = 5


@dataclass(frozen=True, slots=True)
class IgnoredDrift:
    """Differences that `drift` leaves aside: a kind, a pattern of keys, and of hosts where not all are meant.

    `until` is the last day it holds, YYYY-MM-DD, empty where it holds for good.
    """

    kind: str
    reason: str
    key: str = "*"
    hosts: str = ""
    until: str = ""


@dataclass(frozen=True, slots=True)
class FleetSpec:
    """One fleet as declared. `folder` is where relative paths of the spec start.

    `distribution` says how images reach hosts: each from the controller (`star`), or from host to host (`relay`).
    """

    name: str
    services: Mapping[str, Service]
    load_balancer: LoadBalancer | None = None
    bases: Mapping[str, Base] = field(default_factory=dict)
    rollout: RolloutPolicy = RolloutPolicy()
    secrets: Mapping[str, SecretSource] = field(default_factory=dict)
    registry: Registry | None = None
    hooks: Mapping[str, Hook] = field(default_factory=dict)
    distribution: Literal["star", "relay"] = "star"
    ignored: tuple[IgnoredDrift, ...] = ()
    folder: str = ""
