"""A plan: ordered steps of actions, each of them data that neither carries itself out nor prints itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from provisioner.model.balancer import FULL_SHARE, Check, Drained
from provisioner.model.balancer_actions import ConfigureBalancer, HandOverBalancer, StartBalancer
from provisioner.model.container import ContainerOptions, PublishedPort
from provisioner.model.image import ImageTarget
from provisioner.model.placement import Slot
from provisioner.model.secret import DesiredSecret


@dataclass(frozen=True, slots=True)
class BuildImage:
    """Build an image from its inputs, on this machine's engine or, where there is none, on `host`."""

    host: str
    service: str
    tag: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class FetchImage:
    """Pull an image from a registry once, on this machine's engine or, where there is none, on `host`."""

    host: str
    service: str
    reference: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ShipImage:
    """Bring an image to a host that lacks it."""

    host: str
    service: str
    image: ImageTarget
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ReviveContainer:
    """Start or unpause a container that is as it should be, but does not run.

    `restart` is the restart policy it gets back, empty where it still has it.
    """

    host: str
    node: str
    name: str
    container_id: str
    reason: str = ""
    restart: str = ""


@dataclass(frozen=True, slots=True)
class HoldSlot:
    """Take the servers of a slot out of rotation and stop judging them, before its container changes."""

    host: str
    node: str
    slot: Slot
    backend: str
    servers: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StartNode:
    """Create and start the container of a slot. `replaces` is the id of a dead container that holds its name.

    Its `secrets` are brought there first: files into a volume of its own, the others into its environment.
    """

    host: str
    node: str
    service: str
    slot: Slot
    name: str
    image: ImageTarget
    options: ContainerOptions
    ports: tuple[PublishedPort, ...]
    replaces: str = ""
    reason: str = ""
    secrets: tuple[DesiredSecret, ...] = ()


@dataclass(frozen=True, slots=True)
class AwaitHealthy:
    """Wait until the balancer's own checks of the slot have passed for a while, without traffic. Seconds."""

    host: str
    node: str
    slot: Slot
    backend: str
    server: str
    name: str
    node_host: str
    check: Check
    engine_test: bool
    min_healthy_time: float
    healthy_deadline: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class AwaitRunning:
    """Wait until a container that no balancer judges has run, or been healthy, for a while. Seconds."""

    host: str
    node: str
    name: str
    engine_test: bool
    min_healthy_time: float
    healthy_deadline: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class EnterRotation:
    """Let the balancer send requests to a slot, and see it up; `share` is in per cent of what a peer gets."""

    host: str
    node: str
    slot: Slot
    backend: str
    servers: tuple[str, ...]
    reason: str = ""
    share: int = FULL_SHARE


@dataclass(frozen=True, slots=True)
class LeaveRotation:
    """Send no new requests to a slot; those under way go on, and nobody waits for them."""

    host: str
    node: str
    slot: Slot
    backend: str
    servers: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class DrainSlot:
    """Send no new requests to a slot, wait until it has no session, cut those that outlive the timeout (seconds).

    The timeout counts from when the slot left rotation in this run.
    """

    host: str
    node: str
    slot: Slot
    backend: str
    servers: tuple[str, ...]
    drain_timeout: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class StopContainer:
    """Stop a container for good: restart policy `no` first, then its stop signal, then its grace period (seconds)."""

    host: str
    node: str
    name: str
    container_id: str
    stop_timeout: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RestSlot:
    """Enable an empty slot again without trusting it, so that the runtime equals the file."""

    host: str
    node: str
    slot: Slot
    backend: str
    servers: tuple[str, ...]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RemoveContainer:
    """Remove a container that is ours, with its anonymous volumes and `volume`, the one that holds its secrets."""

    host: str
    node: str
    name: str
    container_id: str
    reason: str = ""
    volume: str = ""


@dataclass(frozen=True, slots=True)
class RemoveVolume:
    """Remove a volume of ours that holds no data of the user."""

    host: str
    volume: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RemoveImage:
    """Remove an image of ours."""

    host: str
    image: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RecordInputs:
    """Leave what the release is made from on a host, as an image; `image_id` is its id where it is known already.

    `tag` is empty while an image still has to be built.
    """

    host: str
    tag: str
    image_id: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class RecordRelease:
    """Leave the release on a host, as an image; `release` names an earlier one that was lost there."""

    host: str
    reason: str = ""
    release: str = ""


@dataclass(frozen=True, slots=True)
class RunReleaseCommand:
    """Run a service's release command to its end, in a container of the new image that is removed afterwards."""

    host: str
    service: str
    name: str
    image: ImageTarget
    options: ContainerOptions
    deadline: float
    reason: str = ""
    secrets: tuple[DesiredSecret, ...] = ()


@dataclass(frozen=True, slots=True)
class WatchSlot:
    """Judge a fresh slot by real requests until so many seconds have passed since it entered rotation.

    The judging begins when the slot enters, and goes on beside the steps between. A slot without servers (a worker) is
    judged by its container alone; `name` is that container, on `node_host`.
    """

    host: str
    node: str
    slot: Slot
    backend: str
    servers: tuple[str, ...]
    name: str
    node_host: str
    seconds: float
    share: int = FULL_SHARE
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ConfirmCapacity:
    """See that at least `floor` nodes stay in rotation at a balancer when some servers leave it.

    `nodes` are the nodes of the servers that leave, in the same order.
    """

    host: str
    backend: str
    leaving: tuple[str, ...]
    nodes: tuple[str, ...]
    floor: int
    reason: str = ""


Action = (
    BuildImage
    | FetchImage
    | ShipImage
    | StartBalancer
    | ReviveContainer
    | ConfigureBalancer
    | HoldSlot
    | StartNode
    | AwaitHealthy
    | AwaitRunning
    | EnterRotation
    | LeaveRotation
    | DrainSlot
    | StopContainer
    | RestSlot
    | RemoveContainer
    | RemoveVolume
    | RemoveImage
    | RecordInputs
    | RecordRelease
    | RunReleaseCommand
    | WatchSlot
    | ConfirmCapacity
    | HandOverBalancer
)


@dataclass(frozen=True, slots=True)
class Step:
    """Actions that may run at once, and what undoes them for a node whose action failed.

    `undo` is carried out in order, for the actions whose node failed; `interrupts` names who would notice.
    """

    title: str
    actions: tuple[Action, ...]
    undo: tuple[Action, ...] = ()
    interrupts: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """What the plan does to one node or balancer, and why: the line a person reads."""

    host: str
    node: str
    change: str
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MissingSecret:
    """A secret whose value cannot be had on this machine: its name and why."""

    secret: str
    reason: str


@dataclass(frozen=True, slots=True)
class SavedPlan:
    """A plan as it is kept in a file, with what was seen when it was made: hosts' containers, releases and files."""

    plan: Plan
    seen: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PlannedHook:
    """A command of the user's own that runs on this machine while the plan is carried out, and at which moment."""

    hook: str
    command: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """The ordered steps from observed to desired.

    `release` is None while an image still has to be built, or a secret's value is known to nobody. `secrets` are those
    without a value here: a container that needs one of them cannot be created from here.
    `drained` are nodes that a person took out of rotation: the plan leaves them out.
    """

    fleet: str
    steps: tuple[Step, ...] = ()
    changes: tuple[Change, ...] = ()
    release: str | None = None
    unreachable: tuple[str, ...] = field(default=())
    secrets: tuple[MissingSecret, ...] = ()
    drained: tuple[Drained, ...] = ()
    hooks: tuple[PlannedHook, ...] = ()

    @property
    def actions(self) -> int:
        """Return how many actions there are."""
        return sum(len(step.actions) for step in self.steps)

    @property
    def interrupts(self) -> tuple[str, ...]:
        """Return who would notice, step by step, empty where nobody would."""
        return tuple(step.interrupts for step in self.steps if step.interrupts)
