"""The steps that bring the balancer to the file it needs now: created, revived, replaced, or reloaded."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.model.balancer import BalancerConfig
from provisioner.model.desired import DesiredBalancer
from provisioner.model.observed import ObservedContainer
from provisioner.model.plan import (
    Action,
    ConfigureBalancer,
    RemoveContainer,
    ReviveContainer,
    StartBalancer,
    Step,
    StopContainer,
)
from provisioner.planning.diff import BALANCER_NODE, container_differences
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
        yield Step(f"{balancer.host}: start the balancer", (start,))
        return
    host, container = found
    if any(container_differences(balancer, container, scene.absent)):
        yield from _replace(balancer, container, start)
        return
    if not container.running:
        yield from _revive(balancer, container)
    seen = host.balancer
    if seen is None or seen.running_digest != digest or seen.text != text or _astray(scene, config, balancer):
        yield _configure(balancer, text, digest, "")


def _astray(scene: Scene, config: BalancerConfig, balancer: DesiredBalancer) -> bool:
    host = scene.observed.host(balancer.host)
    return bool(host and host.balancer and any(rotation_differences(scene.desired, config, host.balancer)))


def _replace(balancer: DesiredBalancer, container: ObservedContainer, start: StartBalancer) -> Iterator[Step]:
    node = _node(balancer)
    interrupts = INTERRUPTS.format(host=balancer.host) if container.running else ""
    timeout = container.options.stop_timeout
    stop = StopContainer(balancer.host, node, container.name, container.container_id, timeout)
    gone = RemoveContainer(balancer.host, node, container.name, container.container_id, "replaced")
    if container.running:
        yield Step(f"{balancer.host}: stop the balancer", (stop,), interrupts=interrupts)
    yield Step(f"{balancer.host}: remove the old balancer", (gone,))
    yield Step(f"{balancer.host}: start the balancer", (start,))


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
