"""An action in words: what is done, without the host, which stands beside it."""

from __future__ import annotations

from typing import assert_never

from provisioner.model.balancer import FULL_SHARE, Drained
from provisioner.model.balancer_actions import ConfigureBalancer, HandOverBalancer, StartBalancer
from provisioner.model.image import ImageTarget, Known, ToBuild, ToFetch
from provisioner.model.plan import (
    Action,
    AwaitHealthy,
    AwaitRunning,
    BuildImage,
    ConfirmCapacity,
    DrainSlot,
    EnterRotation,
    FetchImage,
    HoldSlot,
    LeaveRotation,
    RecordInputs,
    RecordRelease,
    RemoveContainer,
    RemoveImage,
    RemoveVolume,
    RestSlot,
    ReviveContainer,
    RunReleaseCommand,
    ShipImage,
    StartNode,
    StopContainer,
    WatchSlot,
)
from provisioner.views.words import short


def out_of_rotation(drained: Drained) -> str:
    """Return who keeps a node out of rotation, since when, why, and how it ends."""
    why = f" ({drained.reason})" if drained.reason else ""
    who = f" by {drained.author}" if drained.author else ""
    return f"{drained.node} is drained{who} since {drained.since}{why}, until `provisioner undrain {drained.node}`"


def sentence(action: Action) -> str:
    """Return what an action does."""
    match action:
        case BuildImage() | FetchImage() | ShipImage() | RemoveImage():
            return _image(action)
        case StartBalancer() | ConfigureBalancer():
            return "start the balancer" if isinstance(action, StartBalancer) else "give the balancer its file"
        case HoldSlot() | EnterRotation() | LeaveRotation() | DrainSlot() | RestSlot() | AwaitHealthy():
            return _slot(action)
        case StartNode():
            return f"start {action.node} in slot {action.slot}{' with its secrets' if action.secrets else ''}"
        case AwaitRunning():
            return f"wait until {action.node} runs steadily"
        case ReviveContainer():
            return f"bring {action.name} back"
        case StopContainer():
            return f"stop {action.name}"
        case RemoveContainer():
            return f"remove {action.name}"
        case RemoveVolume():
            return f"remove volume {action.volume}"
        case RecordInputs():
            return "keep what the release is made from"
        case RecordRelease():
            return f"record the release {action.release}".rstrip()
        case RunReleaseCommand():
            return f"run the release command of {action.service}"
        case WatchSlot():
            return f"watch {action.node} slot {action.slot} until it is {action.seconds:g} s in rotation"
        case ConfirmCapacity():
            return f"see that {action.floor} nodes of {action.backend} stay in rotation"
        case HandOverBalancer():
            return f"hand the balancer over from {action.predecessor} to {action.name}"
        case _:
            assert_never(action)


def place(action: Action) -> str:
    """Return where an action happens."""
    return action.host or "this machine"


def action_key(action: Action) -> tuple[str, str]:
    """Return what tells an action of a step from the others."""
    return action.host, sentence(action)


def _image(action: BuildImage | FetchImage | ShipImage | RemoveImage) -> str:
    match action:
        case BuildImage():
            return f"build the image of {action.service}"
        case FetchImage():
            return f"fetch {action.reference}"
        case ShipImage():
            return f"ship the image of {action.service} ({_target(action.image)})"
        case RemoveImage():
            return f"remove image {short(action.image)}"
        case _:
            assert_never(action)


def _slot(action: HoldSlot | EnterRotation | LeaveRotation | DrainSlot | RestSlot | AwaitHealthy) -> str:
    match action:
        case HoldSlot():
            return f"keep requests from {action.node} slot {action.slot}"
        case AwaitHealthy():
            return f"wait until {action.node} slot {action.slot} is healthy"
        case EnterRotation():
            return f"let requests reach {action.node} slot {action.slot}{_share(action.share)}"
        case LeaveRotation():
            return f"send {action.node} slot {action.slot} no new requests"
        case DrainSlot():
            return f"drain {action.node} slot {action.slot}"
        case RestSlot():
            return f"enable the empty slot {action.slot} of {action.node}"
        case _:
            assert_never(action)


def _share(share: int) -> str:
    return "" if share == FULL_SHARE else f", {share} % of a peer's"


def _target(image: ImageTarget) -> str:
    match image:
        case Known():
            return short(image.image_id)
        case ToBuild():
            return "once it is built"
        case ToFetch():
            return "once it is fetched"
        case _:
            assert_never(image)
