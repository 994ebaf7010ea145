"""How the balancer's container changes without losing a request: a second one takes the listening sockets over."""

from __future__ import annotations

import math
from collections.abc import Iterator

from provisioner.model.balancer import BalancerConfig
from provisioner.model.balancer_actions import HandOverBalancer
from provisioner.model.desired import DesiredBalancer
from provisioner.model.observed import ALIVE, ObservedBalancer, ObservedContainer
from provisioner.model.plan import RemoveContainer, Step, StopContainer
from provisioner.planning.balancer_slots import free_name
from provisioner.planning.diff import BALANCER_NODE, SHOWN_DIGEST
from provisioner.planning.scene import Scene

_MARGIN = 5
"""Seconds a balancer that stops softly may take beyond the time its file gives to connections."""


def balancer_node(balancer: DesiredBalancer) -> str:
    """Return the name of a balancer as a node: `lb1/load-balancer-1`."""
    return f"{balancer.host}/{BALANCER_NODE}"


def can_hand_over(balancer: DesiredBalancer, container: ObservedContainer) -> bool:
    """Tell whether a container can hand its listening sockets to another: both share their host's network."""
    return container.running and balancer.options.network == container.options.network == "host"


def binds_differ(seen: ObservedBalancer | None, text: str, digest: str) -> bool:
    """Tell whether a file listens elsewhere than the worker that runs, or nobody knows where that listens.

    `haproxy -c` binds nothing, and a reload that cannot bind pauses the listeners that are there.
    """
    if seen is not None and seen.running_digest == digest:
        return False
    if seen is None or seen.text is None:
        return True
    claimed = SHOWN_DIGEST.search(seen.text)
    is_what_runs = claimed is not None and claimed[1] == seen.running_digest
    return not is_what_runs or bind_lines(seen.text) != bind_lines(text)


def bind_lines(text: str) -> tuple[str, ...]:
    """Return what a file listens on, as it is written there."""
    lines = (line.split() for line in text.splitlines())
    return tuple(sorted(" ".join(words[1:]) for words in lines if words[:1] == ["bind"]))


def hand_over(
    scene: Scene, balancer: DesiredBalancer, container: ObservedContainer, file: tuple[str, str]
) -> HandOverBalancer:
    """Return the action that lets a second container take over; `file` is its text and digest."""
    return HandOverBalancer(
        host=balancer.host,
        node=balancer_node(balancer),
        name=free_name(scene.desired.fleet, container.name),
        image=balancer.image,
        options=scene.enforceable_there(balancer),
        text=file[0],
        digest=file[1],
        predecessor=container.name,
    )


def hand_over_steps(action: HandOverBalancer, old: ObservedContainer, config: BalancerConfig) -> Iterator[Step]:
    """Yield the hand-over and the end of the one that served before; where the new one fails it is taken away."""
    undo = RemoveContainer(action.host, action.node, action.name, action.container_id, "the hand-over failed")
    yield Step(f"{action.host}: hand the balancer over", (action,), undo=(undo,))
    yield from _soft_stop(action, old, config)


def leftover_steps(
    balancer: DesiredBalancer, current: ObservedContainer, other: ObservedContainer, config: BalancerConfig
) -> Iterator[Step]:
    """Yield what ends a hand-over that was cut short: the newer one serves for sure before the older one goes."""
    node = balancer_node(balancer)
    if other.state not in ALIVE or not current.running:
        remove = RemoveContainer(balancer.host, node, other.name, other.container_id, "left by a hand-over")
        yield Step(f"{balancer.host}: remove the other balancer", (remove,))
        return
    action = HandOverBalancer(
        host=balancer.host,
        node=node,
        name=current.name,
        image=balancer.image,
        options=balancer.options,
        text="",
        digest="",
        predecessor=other.name,
        container_id=current.container_id,
        reason="a hand-over was cut short",
    )
    yield from hand_over_steps(action, other, config)


def _soft_stop(action: HandOverBalancer, old: ObservedContainer, config: BalancerConfig) -> Iterator[Step]:
    timeout = math.ceil(max(config.drain_timeout, 1.0)) + _MARGIN
    stop = StopContainer(action.host, action.node, old.name, old.container_id, timeout, "it handed over")
    remove = RemoveContainer(action.host, action.node, old.name, old.container_id, "it handed over")
    yield Step(f"{action.host}: let the old balancer finish", (stop,))
    yield Step(f"{action.host}: remove the old balancer", (remove,))
