"""The order in which nodes change: what serves nothing first and at once, then a canary, then batch after batch.

A fresh container enters at a tenth of a peer's share while the old one of its node goes on serving. The old one
leaves when the fresh one was watched for long enough; that stands in the plan as many batches later as fit into the
watch, so that only the last batches are waited for. What has left empties in the same way beside further batches.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import groupby

from provisioner.model.balancer import FULL_SHARE
from provisioner.model.plan import Step
from provisioner.model.spec import RolloutPolicy
from provisioner.planning.moves import Move, in_rotation
from provisioner.planning.node_steps import (
    Floor,
    Rota,
    end_steps,
    enter_steps,
    full_steps,
    leave_steps,
    restoring,
    watch_steps,
)
from provisioner.planning.pairing import NodeView

CAPPED_SHARE = 10
"""Per cent of a peer's requests that a fresh node gets until it was watched for long enough."""

WEIGHTED = frozenset({"roundrobin", "leastconn", "random"})
"""The algorithms under which HAProxy can change a weight while it runs (its configuration manual, `balance`)."""

Batch = tuple[Move, ...]


def lane_steps(rota: Rota, views: tuple[NodeView, ...], moves: tuple[Move, ...]) -> Iterator[Step]:
    """Yield the steps that bring every node where it should be; `views` are all nodes there are."""
    idle = tuple(each for each in moves if not each.serves)
    if idle:
        yield from enter_steps(rota, idle)
        yield from end_steps(rota, idle)
    serving = tuple(each for each in moves if each.serves)
    batches = tuple(batch for batch in _batches(rota.scene.policy, serving))
    if rota.scene.policy.order == "stop-first":
        yield from _stop_first(rota, batches, floor(rota, views, idle))
    else:
        yield from _start_first(rota, batches, floor(rota, views, idle))


def floor(rota: Rota, views: tuple[NodeView, ...], idle: tuple[Move, ...]) -> Floor:
    """Return what tells how many nodes of a service serve, or will when those that serve nothing are over."""
    brought, drained = {each.node for each in idle}, rota.scene.drained
    up = [
        view.desired.node.service
        for view in views
        if str(view.desired.node) not in drained
        if str(view.desired.node) in brought
        or any(in_rotation(rota.scene, view, each.slot) for each in (view.current, view.leftover) if each)
    ]
    return up.count


def _batches(policy: RolloutPolicy, moves: tuple[Move, ...]) -> Iterator[tuple[Batch, bool]]:
    """Yield the batches of every service, each with whether it is a canary."""
    for _, group in groupby(moves, key=lambda each: each.view.desired.node.service):
        nodes = tuple(group)
        canary = min(number(policy.canary, len(nodes)), len(nodes))
        if canary:
            yield nodes[:canary], True
        size = max(number(policy.parallelism, len(nodes)), 1)
        yield from ((nodes[at : at + size], False) for at in range(canary, len(nodes), size))


def number(share: int | str, nodes: int) -> int:
    """Return how many of some nodes a number or a share means; a share is rounded down, one at the least."""
    if isinstance(share, int):
        return max(share, 0)
    part = int(share.rstrip("%"))
    return max(part * nodes // 100, 1) if part else 0


def _start_first(rota: Rota, batches: tuple[tuple[Batch, bool], ...], keep: Floor) -> Iterator[Step]:
    policy = rota.scene.policy
    share, lag = _share(rota), beside(policy, policy.monitor)
    emptied = lag + beside(policy, policy.drain_timeout)
    for at, (batch, canary) in enumerate(batches):
        yield from enter_steps(rota, batch, share)
        if canary:
            yield from watch_steps(rota, batch, policy.canary_soak, share, "watch as a canary")
        if at >= lag:
            yield from _settle(rota, batches[at - lag][0], share, keep)
        if at >= emptied:
            yield from end_steps(rota, _balanced(rota, batches[at - emptied][0]))
    for batch, _ in batches[max(len(batches) - lag, 0) :]:
        yield from _settle(rota, batch, share, keep)
    last = tuple(each for batch, _ in batches[max(len(batches) - emptied, 0) :] for each in batch)
    yield from end_steps(rota, _balanced(rota, last))


def beside(policy: RolloutPolicy, seconds: float) -> int:
    """Return how many further batches come before some seconds have passed."""
    return math.ceil(seconds / max(policy.min_healthy_time, 1.0))


def _balanced(rota: Rota, moves: Batch) -> Batch:
    """Return the nodes that a balancer sends requests to: workers have nothing to be emptied of."""
    return tuple(each for each in moves if rota.config and each.view.desired.port is not None)


def _share(rota: Rota) -> int:
    """Return the share of a fresh node; full where nobody watches it, or the balancer cannot cap it."""
    policy = rota.scene.policy
    algorithm = rota.config.algorithm if rota.config else ""
    watched = policy.monitor > 0 or (policy.canary_soak > 0 and policy.canary != 0)
    return CAPPED_SHARE if watched and algorithm in WEIGHTED else FULL_SHARE


def _settle(rota: Rota, batch: Batch, share: int, keep: Floor) -> Iterator[Step]:
    yield from watch_steps(rota, batch, rota.scene.policy.monitor, share, "watch")
    yield from full_steps(rota, batch, share)
    if _balanced(rota, batch):
        yield from leave_steps(rota, batch, keep)
    else:
        yield from end_steps(rota, batch, undo=restoring(rota, batch))


def _stop_first(rota: Rota, batches: tuple[tuple[Batch, bool], ...], keep: Floor) -> Iterator[Step]:
    """Yield the steps of a rollout in which a node is out for a while: capped only while it is a canary."""
    policy, lag = rota.scene.policy, beside(rota.scene.policy, rota.scene.policy.monitor)
    for at, (batch, canary) in enumerate(batches):
        soak = policy.canary_soak if canary else 0.0
        share = _share(rota) if soak > 0 else FULL_SHARE
        yield from _first_out(rota, batch, keep)
        yield from enter_steps(rota, batch, share)
        yield from watch_steps(rota, batch, soak, share, "watch as a canary")
        yield from full_steps(rota, batch, share)
        if at >= lag:
            yield from watch_steps(rota, batches[at - lag][0], policy.monitor, FULL_SHARE, "watch")
    for batch, _ in batches[max(len(batches) - lag, 0) :]:
        yield from watch_steps(rota, batch, policy.monitor, FULL_SHARE, "watch")


def _first_out(rota: Rota, batch: Batch, keep: Floor) -> Iterator[Step]:
    """Yield the steps that take a batch out before its successors begin; without a peer somebody would notice."""
    service = batch[0].view.desired.node.service
    stay = keep(service) - len(batch)
    serves = batch[0].view.desired.port is not None
    for step in end_steps(rota, batch, lambda _: stay):
        interrupts = f"clients of {service}, while its nodes are replaced stop-first" if stay < 1 and serves else ""
        yield Step(step.title, step.actions, step.undo, step.interrupts or interrupts)
