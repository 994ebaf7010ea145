"""The steps that bring the balancer to the file it needs now: created, revived, replaced, handed over, or reloaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from provisioner.model.balancer import BalancerConfig
from provisioner.model.balancer_actions import ConfigureBalancer, StartBalancer
from provisioner.model.desired import DesiredBalancer
from provisioner.model.observed import ALIVE, ObservedContainer, ObservedHost
from provisioner.model.plan import (
    Action,
    RemoveContainer,
    ReviveContainer,
    Step,
    StopContainer,
)
from provisioner.planning.diff import container_differences, surplus
from provisioner.planning.drained import drained_nodes
from provisioner.planning.handover import (
    balancer_node,
    binds_differ,
    can_hand_over,
    hand_over,
    hand_over_steps,
    leftover_steps,
)
from provisioner.planning.rotation import rotation_differences
from provisioner.planning.scene import Scene

INTERRUPTS = "clients of the balancer on {host}, while its container is replaced"
MOVES = {
    "host": "clients of the balancer on {host}, while it moves to its host's network",
    "bridge": "clients of the balancer on {host}, while it moves off its host's network",
}


def opening_steps(scene: Scene, config: BalancerConfig) -> Iterator[Step]:
    """Yield what must happen to the balancers before any node changes, so that they serve old and new."""
    for balancer in scene.desired.balancers:
        yield from _opening(scene, balancer, config)


def _opening(scene: Scene, balancer: DesiredBalancer, config: BalancerConfig) -> Iterator[Step]:
    host = scene.observed.host(balancer.host)
    found = scene.balancer_containers(balancer)
    text, digest = scene.render(config)
    if host is None or not found:
        for other in in_the_way(scene, balancer):
            yield from _end(balancer, other, "it holds the balancer's ports")
        yield _start(scene, balancer, text, digest)
        return
    for other in found[1:]:
        yield from leftover_steps(balancer, found[0], other, config)
    container, seen = found[0], host.balancer
    differs = any(container_differences(balancer, container, scene.absent))
    if _mute(host, container, text) or (differs and not can_hand_over(balancer, container)):
        yield from _end(balancer, container, "replaced")
        yield _start(scene, balancer, text, digest)
        return
    if can_hand_over(balancer, container) and (differs or binds_differ(seen, text, digest)):
        yield from hand_over_steps(hand_over(scene, balancer, container, (text, digest)), container, config)
        return
    if not container.running:
        yield from _revive(balancer, container)
    drained = drained_nodes(scene.observed)
    right = seen is not None and (seen.running_digest, seen.text, seen.drained) == (digest, text, drained)
    if not right or (seen is not None and seen.touched) or _astray(scene, config, balancer):
        action = _configure_action(balancer, text, digest, "")
        action = action if seen is None or seen.drained == drained else replace(action, drained=drained)
        yield Step(f"{balancer.host}: give the balancer its file", (action,))


def _mute(host: ObservedHost, container: ObservedContainer, text: str) -> bool:
    """Tell whether a balancer has no worker that could take a file, nor a file that would give it one."""
    seen = host.balancer
    if container.running:
        return seen is not None and not seen.running_digest
    return seen is None or seen.text != text


def in_the_way(scene: Scene, balancer: DesiredBalancer) -> tuple[ObservedContainer, ...]:
    """Return the containers of ours that hold a missing balancer's ports under another name."""
    host = scene.observed.host(balancer.host)
    if host is None or scene.balancer_containers(balancer):
        return ()
    wanted = {port.host_port for port in balancer.ports} or {bind.port for bind in balancer.config.bind}
    return tuple(
        container
        for container in surplus(scene.desired, host)
        if container.running and wanted & {port.host_port for port in container.ports}
    )


def _astray(scene: Scene, config: BalancerConfig, balancer: DesiredBalancer) -> bool:
    host = scene.observed.host(balancer.host)
    return bool(host and host.balancer and any(rotation_differences(scene.desired, config, host.balancer)))


def _end(balancer: DesiredBalancer, container: ObservedContainer, reason: str) -> Iterator[Step]:
    node, timeout = balancer_node(balancer), container.options.stop_timeout
    moves = container.options.network != balancer.options.network
    why = MOVES[balancer.config.network] if moves else INTERRUPTS
    interrupts = why.format(host=balancer.host) if container.running else ""
    stop = StopContainer(balancer.host, node, container.name, container.container_id, timeout, reason)
    gone = RemoveContainer(balancer.host, node, container.name, container.container_id, reason)
    if container.state in ALIVE:
        yield Step(f"{balancer.host}: stop the old balancer", (stop,), interrupts=interrupts)
    yield Step(f"{balancer.host}: remove the old balancer", (gone,))


def _revive(balancer: DesiredBalancer, container: ObservedContainer) -> Iterator[Step]:
    action = ReviveContainer(
        balancer.host, balancer_node(balancer), container.name, container.container_id, f"it is {container.state}"
    )
    yield Step(f"{balancer.host}: bring the balancer back", (action,))


def closing_steps(scene: Scene, current: BalancerConfig) -> Iterator[Step]:
    """Yield what gives the balancers their final file, once every node is where it should be."""
    _, digest = scene.render(current)
    actions: tuple[Action, ...] = tuple(
        _configure_action(balancer, balancer.text, balancer.digest, "the release's own file")
        for balancer in scene.desired.balancers
        if balancer.digest != digest
    )
    if actions:
        yield Step("give the balancer its final file", actions)


def _start(scene: Scene, balancer: DesiredBalancer, text: str, digest: str) -> Step:
    action = StartBalancer(
        host=balancer.host,
        node=balancer_node(balancer),
        name=balancer.name,
        image=balancer.image,
        options=scene.enforceable_there(balancer),
        ports=balancer.ports,
        text=text,
        digest=digest,
        drained=drained_nodes(scene.observed),
    )
    return Step(f"{balancer.host}: start the balancer", (action,))


def _configure_action(balancer: DesiredBalancer, text: str, digest: str, reason: str) -> ConfigureBalancer:
    return ConfigureBalancer(balancer.host, balancer_node(balancer), text, digest, reason)
