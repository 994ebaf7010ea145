"""The steps that bring the balancer to the file it needs now: created, revived, replaced, or reloaded."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.model.balancer import BalancerConfig
from provisioner.model.desired import DesiredBalancer
from provisioner.model.observed import ALIVE, ObservedContainer, ObservedHost
from provisioner.model.plan import (
    Action,
    ConfigureBalancer,
    RemoveContainer,
    ReviveContainer,
    StartBalancer,
    Step,
    StopContainer,
)
from provisioner.planning.diff import BALANCER_NODE, container_differences, surplus
from provisioner.planning.effective import enforceable
from provisioner.planning.rotation import rotation_differences
from provisioner.planning.scene import Scene

INTERRUPTS = "clients of the balancer on {host}, while its container is replaced"


def opening_steps(scene: Scene, config: BalancerConfig) -> Iterator[Step]:
    """Yield what must happen to the balancers before any node changes, so that they serve old and new."""
    for balancer in scene.desired.balancers:
        yield from _opening(scene, balancer, config)


def _opening(scene: Scene, balancer: DesiredBalancer, config: BalancerConfig) -> Iterator[Step]:
    found = scene.balancer_container(balancer)
    text, digest = scene.render(config)
    start = _start(scene, balancer, text, digest)
    if found is None:
        for other in in_the_way(scene, balancer):
            yield from _end(balancer, other, "it holds the balancer's ports")
        yield Step(f"{balancer.host}: start the balancer", (start,))
        return
    host, container = found
    if any(container_differences(balancer, container, scene.absent)) or _mute(host, container, text):
        yield from _replace(balancer, container, start)
        return
    if not container.running:
        yield from _revive(balancer, container)
    seen = host.balancer
    if seen is None or seen.running_digest != digest or seen.text != text or _astray(scene, config, balancer):
        yield _configure(balancer, text, digest, "")


def _mute(host: ObservedHost, container: ObservedContainer, text: str) -> bool:
    """Tell whether a balancer has no worker that could take a file, nor a file that would give it one."""
    seen = host.balancer
    if container.running:
        return seen is not None and not seen.running_digest
    return seen is None or seen.text != text


def in_the_way(scene: Scene, balancer: DesiredBalancer) -> tuple[ObservedContainer, ...]:
    """Return the containers of ours that hold a missing balancer's ports under another name."""
    host = scene.observed.host(balancer.host)
    if host is None or scene.balancer_container(balancer) is not None:
        return ()
    wanted = {port.host_port for port in balancer.ports}
    return tuple(
        container
        for container in surplus(scene.desired, host)
        if container.running and wanted & {port.host_port for port in container.ports}
    )


def _astray(scene: Scene, config: BalancerConfig, balancer: DesiredBalancer) -> bool:
    host = scene.observed.host(balancer.host)
    return bool(host and host.balancer and any(rotation_differences(scene.desired, config, host.balancer)))


def _replace(balancer: DesiredBalancer, container: ObservedContainer, start: StartBalancer) -> Iterator[Step]:
    yield from _end(balancer, container, "replaced")
    yield Step(f"{balancer.host}: start the balancer", (start,))


def _end(balancer: DesiredBalancer, container: ObservedContainer, reason: str) -> Iterator[Step]:
    node, timeout = _node(balancer), container.options.stop_timeout
    interrupts = INTERRUPTS.format(host=balancer.host) if container.running else ""
    stop = StopContainer(balancer.host, node, container.name, container.container_id, timeout, reason)
    gone = RemoveContainer(balancer.host, node, container.name, container.container_id, reason)
    if container.state in ALIVE:
        yield Step(f"{balancer.host}: stop the old balancer", (stop,), interrupts=interrupts)
    yield Step(f"{balancer.host}: remove the old balancer", (gone,))


def _revive(balancer: DesiredBalancer, container: ObservedContainer) -> Iterator[Step]:
    action = ReviveContainer(
        balancer.host, _node(balancer), container.name, container.container_id, f"it is {container.state}"
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


def _start(scene: Scene, balancer: DesiredBalancer, text: str, digest: str) -> StartBalancer:
    host = scene.observed.host(balancer.host)
    absent = host.engine.unenforceable if host else ()
    return StartBalancer(
        host=balancer.host,
        node=_node(balancer),
        name=balancer.name,
        image=balancer.image,
        options=enforceable(balancer.options, absent),
        ports=balancer.ports,
        text=text,
        digest=digest,
    )


def _configure(balancer: DesiredBalancer, text: str, digest: str, reason: str) -> Step:
    action = _configure_action(balancer, text, digest, reason)
    return Step(f"{balancer.host}: give the balancer its file", (action,))


def _configure_action(balancer: DesiredBalancer, text: str, digest: str, reason: str) -> ConfigureBalancer:
    return ConfigureBalancer(balancer.host, _node(balancer), text, digest, reason)


def _node(balancer: DesiredBalancer) -> str:
    return f"{balancer.host}/{BALANCER_NODE}"
