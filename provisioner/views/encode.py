"""Values as JSON objects: the fields that others rely on, and nothing secret or endless."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields, is_dataclass

from provisioner.model.drift import Drift, DriftReport
from provisioner.model.event import (
    ActionFailed,
    ActionProgress,
    ActionSucceeded,
    DriftAppeared,
    DriftGone,
    Event,
    Finished,
    HookRan,
    HookSaid,
    HostUnreachableSeen,
    LeaseTaken,
    LeaseWatched,
    LookFailed,
    PlanMade,
    RolledBack,
    SpaceFreed,
    StepStarted,
)
from provisioner.model.image import Known, ToBuild, ToFetch
from provisioner.model.observed import Unreachable
from provisioner.model.plan import Action, Plan
from provisioner.model.secret import DesiredSecret
from provisioner.model.status import FleetStatus
from provisioner.views.plan import counts

SCHEMA = 1
Json = dict[str, object]

LEFT_OUT = frozenset({"text", "options"})
"""Fields of actions that are long, or may hold an environment."""


def status_object(status: FleetStatus) -> Json:
    """Return `status --json`."""
    return {
        "schema": SCHEMA,
        "fleet": status.fleet,
        "release": status.release,
        "uniform": status.uniform,
        "hosts": [_plain(host) for host in status.hosts],
        "nodes": [_plain(node) for node in status.nodes],
        "balancers": [_plain(balancer) for balancer in status.balancers],
        "drained": [_plain(each) for each in status.drained],
    }


def drift_object(report: DriftReport) -> Json:
    """Return `drift --json`."""
    return {
        "schema": SCHEMA,
        "fleet": report.fleet,
        "summary": _plain(report.summary),
        "drift": [_drift(row) for row in report.rows],
        "left_out": [{"host": host, "text": line} for host, line in report.left_out],
    }


def plan_object(plan: Plan, unreachable: Sequence[Unreachable] = ()) -> Json:
    """Return `plan --json`; `unreachable` says why a host was not observed."""
    why = {host.name: host for host in unreachable}
    return {
        "schema": SCHEMA,
        "fleet": plan.fleet,
        "release": plan.release,
        "steps": [
            {
                "step": number,
                "title": step.title,
                "interrupts": step.interrupts,
                "actions": [action_object(action) for action in step.actions],
            }
            for number, step in enumerate(plan.steps, 1)
        ],
        "changes": [_plain(change) for change in plan.changes],
        "missing_secrets": [_plain(each) for each in plan.secrets],
        "drained": [_plain(each) for each in plan.drained],
        "hooks": [_plain(hook) for hook in plan.hooks],
        "unreachable": [
            {"host": name, "reason": why[name].reason if name in why else ""}
            for name in dict.fromkeys((*plan.unreachable, *why))
        ],
        "summary": counts(plan),
    }


def action_object(action: Action) -> Json:
    """Return an action: its name in snake case, its host, and its fields but the long ones."""
    content: Json = {"action": snake_case(type(action).__name__)}
    for each in fields(action):
        if each.name not in LEFT_OUT:
            content[each.name] = _plain(getattr(action, each.name))
    return content


def event_object(event: Event) -> Json:
    """Return one line of `apply --json`."""
    match event:
        case PlanMade():
            return {"type": "plan", **plan_object(event.plan)}
        case StepStarted():
            return {"type": "step_started", "step": event.number, "of": event.total, "title": event.step.title}
        case HostUnreachableSeen():
            return {"type": "host_unreachable", "host": event.host, "reason": event.reason, "hint": event.hint}
        case HookSaid() | HookRan():
            return {"type": snake_case(type(event).__name__), **_plain_fields(event)}
        case SpaceFreed():
            return {"type": "space_freed", "host": event.host, "images": event.images, "bytes": event.freed}
        case RolledBack():
            return {"type": "rolled_back", "release": event.release, "failed": event.failed, "reason": event.reason}
        case DriftAppeared() | DriftGone():
            return {"type": snake_case(type(event).__name__), "at": event.at, **_drift(event.row)}
        case LookFailed():
            return {"type": "look_failed", **_plain_fields(event)}
        case Finished():
            return _finished(event)
        case LeaseWatched() | LeaseTaken():
            return {"type": snake_case(type(event).__name__), **_plain_fields(event)}
        case ActionProgress() | ActionSucceeded() | ActionFailed():
            details = {each.name: _plain(getattr(event, each.name)) for each in fields(event) if each.name != "action"}
            return {"type": snake_case(type(event).__name__), **action_object(event.action), **details}


def snake_case(name: str) -> str:
    """Return `ShipImage` as `ship_image`."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


def _finished(event: Finished) -> Json:
    return {
        "type": "finished",
        "outcome": event.outcome,
        "release": event.release,
        "exit": event.exit_code,
        "actions": event.actions,
        "seconds": event.seconds,
        "message": event.message,
    }


def _drift(row: Drift) -> Json:
    content = _plain_fields(row)
    content["class"] = content.pop("drift_class")
    return content


def _plain_fields(value: object) -> Json:
    if not is_dataclass(value) or isinstance(value, type):
        raise TypeError(f"{value!r} has no fields")
    return {each.name: _plain(getattr(value, each.name)) for each in fields(value)}


def _plain(value: object) -> object:
    match value:
        case Known():
            return {"reference": value.reference, "image_id": value.image_id}
        case ToBuild():
            return {"reference": value.tag, "image_id": None}
        case ToFetch():
            return {"reference": value.reference, "image_id": None}
        case DesiredSecret():
            return {"name": value.name, "environment": value.environment}
        case tuple():
            return [_plain(item) for item in value]
        case float():
            return round(value, 3)
        case None | str() | int():
            return value
        case _:
            return _plain_fields(value)
