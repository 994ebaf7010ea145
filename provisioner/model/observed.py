"""What the fleet was just seen to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from provisioner.model.balancer import Drained, ServerState
from provisioner.model.container import (
    FLEET_LABEL,
    OUTCOME_LABEL,
    RELEASE_LABEL,
    ContainerOptions,
    PublishedPort,
)
from provisioner.model.deviation import Deviation, Unseen
from provisioner.model.image import ImageDefaults, ImageFacts
from provisioner.model.sockets import OpenSocket

ContainerState = Literal["created", "running", "paused", "restarting", "removing", "exited", "dead"]
ALIVE: frozenset[ContainerState] = frozenset({"running", "paused", "restarting"})
"""The states in which a container has, or is about to have, a process."""

ReleaseOutcome = Literal["complete", "rolled_back", "halted"]
"""How the rollout of a release ended; whatever else a label says counts as halted."""

HealthState = Literal["none", "starting", "healthy", "unhealthy"]


@dataclass(frozen=True, slots=True)
class ObservedContainer:
    """A container as inspection shows it; `options` holds effective values, image defaults included.

    `started_at` is the engine's own text (RFC 3339), only compared for equality. `addresses` are its own on
    the engine's networks. `secrets` are digests of what it was given, by key; `secrets_volume` is the volume of its
    own that they lie in, empty where it has none. `deviations` are what it has and no request of ours leaves there,
    `unseen` what of it could not be looked at; both only where a whole host was observed.
    """

    container_id: str
    name: str
    image_id: str
    options: ContainerOptions
    state: ContainerState
    image_defaults: ImageDefaults = ImageDefaults()
    labels: Mapping[str, str] = field(default_factory=dict)
    hostname: str = ""
    ports: tuple[PublishedPort, ...] = ()
    addresses: tuple[str, ...] = ()
    health: HealthState = "none"
    exit_code: int = 0
    out_of_memory: bool = False
    restarts: int = 0
    started_at: str = ""
    secrets: Mapping[str, str] = field(default_factory=dict)
    secrets_volume: str = ""
    deviations: tuple[Deviation, ...] = ()
    unseen: tuple[Unseen, ...] = ()

    @property
    def running(self) -> bool:
        """Tell whether its process runs now."""
        return self.state == "running"

    @property
    def fleet(self) -> str:
        """Return the fleet its label claims, empty where there is none."""
        return self.labels.get(FLEET_LABEL, "")

    @property
    def release(self) -> str:
        """Return the release its label claims."""
        return self.labels.get(RELEASE_LABEL, "")


def release_outcome(labels: Mapping[str, str]) -> ReleaseOutcome:
    """Return how a release's rollout ended, as its labels claim; before they said so, only complete ones were kept."""
    said = labels.get(OUTCOME_LABEL, "complete")
    return "complete" if said == "complete" else "rolled_back" if said == "rolled_back" else "halted"


@dataclass(frozen=True, slots=True)
class ObservedRelease:
    """A release image on a host: its engine id and what its labels claim."""

    image_id: str
    reference: str
    number: int
    digest: str
    created: str = ""
    author: str = ""
    commit: str = ""
    outcome: ReleaseOutcome = "complete"

    @property
    def stable(self) -> bool:
        """Tell whether its rollout ended well: the fleet is on the newest such release."""
        return self.outcome == "complete"

    @property
    def name(self) -> str:
        """Return the name people use: `r12-9f3c1e0a7b21`."""
        return f"r{self.number}-{self.digest[:12]}"


@dataclass(frozen=True, slots=True)
class ObservedBalancer:
    """The balancer of a host: its file, the digest its running worker shows, its servers, and who was drained by hand.

    `text` is None where the file could not be read, `running_digest` empty where no worker answers. `touched` tells
    that somebody else wrote the file last, whatever it says: what its worker read then nobody knows.
    """

    container_id: str
    text: str | None
    running_digest: str
    servers: tuple[ServerState, ...] = ()
    drained: tuple[Drained, ...] = ()
    touched: bool = False


@dataclass(frozen=True, slots=True)
class HostRoute:
    """How a host was reached, so that one that left the inventory can still be found; never keys."""

    name: str
    address: str
    port: int
    user: str
    host_key: str = ""


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """A host's engine: version, API version, image store, platform, limits it cannot enforce, how it is reached.

    `route` is `streamlocal`, `dial-stdio`, `sudo dial-stdio` or `socket`; `settings` is how it is set up, by name.
    """

    version: str
    api_version: str
    store: Literal["classic", "containerd"]
    platform: str
    route: str
    unenforceable: tuple[str, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ObservedHost:
    """One host: engine, route, own addresses, all containers and images, our volumes, releases and balancer.

    `listeners` are address and port of whatever accepts TCP connections there; an empty address means all of them.
    `sockets` are those that nothing accounts for which a host alone can tell.
    """

    name: str
    engine: EngineFacts
    route: HostRoute
    addresses: tuple[str, ...] = ()
    listeners: tuple[tuple[str, int], ...] = ()
    containers: tuple[ObservedContainer, ...] = ()
    images: tuple[ImageFacts, ...] = ()
    volumes: tuple[str, ...] = ()
    releases: tuple[ObservedRelease, ...] = ()
    balancer: ObservedBalancer | None = None
    sockets: tuple[OpenSocket, ...] = ()


@dataclass(frozen=True, slots=True)
class Unreachable:
    """A host that could not be observed, and why; never the same as clean."""

    name: str
    reason: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """The fleet as seen in one pass."""

    hosts: tuple[ObservedHost, ...]
    unreachable: tuple[Unreachable, ...] = ()

    def host(self, name: str) -> ObservedHost | None:
        """Return the host of that name if it was observed."""
        return next((host for host in self.hosts if host.name == name), None)
