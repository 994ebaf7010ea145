"""Whether a plan that was kept is still the plan: the first thing that differs, in words without values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from itertools import zip_longest

from provisioner.model.observed import Observed
from provisioner.model.plan import Action, Plan, SavedPlan, Step


def saved_plan(plan: Plan, seen: Observed) -> SavedPlan:
    """Return a plan with what it rests on: the containers of its fleet, the releases and files that hosts hold."""
    return SavedPlan(plan, dict(_facts(plan.fleet, seen)))


def _facts(fleet: str, seen: Observed) -> Iterator[tuple[str, str]]:
    for host in sorted(seen.hosts, key=lambda each: each.name):
        yield f"{host.name}: releases", " ".join(each.name for each in host.releases)
        for each in host.containers:
            if each.fleet == fleet:
                yield f"{host.name}: container {each.name}", f"{each.container_id} {each.state} {each.image_id}"
        if host.balancer is not None:
            yield f"{host.name}: the balancer's file", host.balancer.running_digest
    yield "unreachable hosts", " ".join(sorted(host.name for host in seen.unreachable))


def first_difference(before: SavedPlan, now: SavedPlan) -> str:
    """Return the first thing in which a plan is not the one that was kept, empty where it is."""
    found = (*_moved(before.seen, now.seen), *_planned(before.plan, now.plan))
    return found[0] if found else ""


def _moved(before: Mapping[str, str], now: Mapping[str, str]) -> Iterator[str]:
    for key in sorted({*before, *now}):
        if key not in now:
            yield f"{key} is gone"
        elif key not in before:
            yield f"{key} is new"
        elif before[key] != now[key]:
            yield f"{key} changed"


def _planned(before: Plan, now: Plan) -> Iterator[str]:
    if before.fleet != now.fleet:
        yield f"the file is of fleet {before.fleet}, the spec of {now.fleet}"
    if before.release != now.release:
        yield f"the release is {now.release or 'not known yet'}, the file goes to {before.release or 'none known yet'}"
    for number, (old, new) in enumerate(zip_longest(before.steps, now.steps), 1):
        if old != new:
            yield f"step {number}{_step(old, new)}"


def _step(old: Step | None, new: Step | None) -> str:
    if old is None or new is None:
        return " is one too many in the file" if new is None else " is missing in the file"
    if old.title != new.title:
        return f" is '{new.title}', not '{old.title}'"
    pairs = zip_longest(old.actions, new.actions)
    return next((f" ({new.title}) differs in {_action(a, b)}" for a, b in pairs if a != b), " is undone otherwise")


def _action(old: Action | None, new: Action | None) -> str:
    if old is None or new is None or type(old) is not type(new):
        return "what it does"
    names = (each.name for each in fields(new))
    return next(name for name in names if getattr(old, name) != getattr(new, name))
