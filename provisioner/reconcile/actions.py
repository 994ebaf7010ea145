"""Carries out one action: the closed list of effects, each with the function that has it."""

from __future__ import annotations

from typing import assert_never

from provisioner.model.balancer_actions import ConfigureBalancer, HandOverBalancer, StartBalancer
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
from provisioner.reconcile import commands, delivery, handover, nodes, rotation
from provisioner.reconcile.run import Run


def perform(action: Action, run: Run) -> str:
    """Carry an action out; return what a reader cannot know from the plan. Raise ProvisionerError."""
    match action:
        case BuildImage():
            return delivery.build_image(action, run)
        case FetchImage():
            return delivery.fetch_image(action, run)
        case ShipImage():
            return delivery.ship_image(action, run)
        case RecordInputs():
            return delivery.record_inputs(action, run)
        case RecordRelease():
            return delivery.record_release(action, run)
        case RemoveImage():
            return delivery.remove_image(action, run)
        case RunReleaseCommand():
            return commands.run_release_command(action, run)
        case HoldSlot() | EnterRotation() | LeaveRotation() | DrainSlot() | RestSlot() | ConfigureBalancer():
            return _rotate(action, run)
        case WatchSlot():
            return rotation.watch_slot(action, run)
        case ConfirmCapacity():
            return rotation.confirm_capacity(action, run)
        case _:
            return _handle_container(action, run)


RotationAction = HoldSlot | EnterRotation | LeaveRotation | DrainSlot | RestSlot | ConfigureBalancer


def _rotate(action: RotationAction, run: Run) -> str:
    match action:
        case HoldSlot():
            return rotation.hold_slot(action, run)
        case EnterRotation():
            return rotation.enter_rotation(action, run)
        case LeaveRotation():
            return rotation.leave_rotation(action, run)
        case DrainSlot():
            return rotation.drain_slot(action, run)
        case RestSlot():
            return rotation.rest_slot(action, run)
        case ConfigureBalancer():
            return rotation.configure_balancer(action, run)
        case _:
            assert_never(action)


ContainerAction = (
    StartBalancer
    | StartNode
    | ReviveContainer
    | AwaitHealthy
    | AwaitRunning
    | StopContainer
    | RemoveContainer
    | RemoveVolume
    | HandOverBalancer
)


def _handle_container(action: ContainerAction, run: Run) -> str:
    match action:
        case StartBalancer():
            return nodes.start_balancer(action, run)
        case StartNode():
            return nodes.start_node(action, run)
        case ReviveContainer():
            return nodes.revive_container(action, run)
        case AwaitHealthy():
            return nodes.await_healthy(action, run)
        case AwaitRunning():
            return nodes.await_running(action, run)
        case StopContainer():
            return nodes.stop_container(action, run)
        case RemoveContainer():
            return nodes.remove_container(action, run)
        case RemoveVolume():
            return nodes.remove_volume(action, run)
        case HandOverBalancer():
            return handover.hand_over_balancer(action, run)
        case _:
            assert_never(action)
