"""What a container under examination was meant to do, from its action and the release it belongs to."""

from __future__ import annotations

from collections.abc import Iterable

from provisioner.model.balancer import BalancerConfig
from provisioner.model.balancer_actions import StartBalancer
from provisioner.model.container import ContainerOptions, PublishedPort
from provisioner.model.desired import Desired, DesiredNode
from provisioner.model.evidence import Expectation, ListeningSocket, PortHolder, Question
from provisioner.model.image import Known
from provisioner.model.observed import ObservedHost
from provisioner.model.plan import AwaitHealthy, AwaitRunning, ReviveContainer, StartNode, WatchSlot
from provisioner.model.spec import LOAD_BALANCER

Examined = StartNode | ReviveContainer | AwaitHealthy | AwaitRunning | WatchSlot | StartBalancer
"""The actions that a container can fail in."""


def expectation(action: Examined, desired: Desired, host: ObservedHost | None) -> Expectation:
    """Return what the container of an action was meant to do."""
    node = next((each for each in desired.nodes if str(each.node) == action.node), None)
    platform = host.engine.platform if host else ""
    if isinstance(action, StartBalancer):
        return Expectation(LOAD_BALANCER, action.options, action.ports, host_platform=platform)
    if node is None:
        return Expectation(action.node.partition("/")[2].rpartition("-")[0], ContainerOptions(), host_platform=platform)
    return Expectation(
        service=node.node.service,
        options=node.options,
        ports=_ports(action, node),
        question=_question(action, node, desired),
        image_platform=_platform(node, host),
        host_platform=platform,
    )


def _ports(action: Examined, node: DesiredNode) -> tuple[PublishedPort, ...]:
    if isinstance(action, StartNode):
        return action.ports
    here = (at for at in node.slots if action.name.endswith(f".{at.slot}"))
    return tuple(PublishedPort(node.port, at.host_port, at.address) for at in here) if node.port else ()


def _platform(node: DesiredNode, host: ObservedHost | None) -> str:
    image_id = node.image.image_id if isinstance(node.image, Known) else ""
    return next((each.platform for each in (host.images if host else ()) if each.image_id == image_id), "")


def _question(action: Examined, node: DesiredNode, desired: Desired) -> Question | None:
    """Return what the balancer asks a node, None for a worker."""
    if node.port is None:
        return None
    path = action.check.path if isinstance(action, AwaitHealthy) else node.healthcheck.path
    configs = [balancer.config for balancer in desired.balancers]
    return Question(node.port, path, _asked_host(configs[0], node.node.service)) if configs else None


def _asked_host(config: BalancerConfig, service: str) -> str:
    """Return the host name that the balancer's checks of a service ask for."""
    return next((route.host for route in config.routes if route.to == service and route.host), "localhost")


def port_holders(
    expected: Expectation, own: str, host: ObservedHost | None, listening: Iterable[ListeningSocket]
) -> tuple[PortHolder, ...]:
    """Return who holds the ports that a container wants on its host; `own` is its name."""
    wanted = {port.host_port for port in expected.ports}
    if expected.options.network == "host" and expected.question is not None:
        wanted.add(expected.question.port)
    told = {each.port: PortHolder(each.port, process=each.process, user=each.user) for each in listening}
    for container in host.containers if host else ():
        if container.running and container.name != own:
            told |= {port.host_port: PortHolder(port.host_port, container.name) for port in container.ports}
    return tuple(told[port] for port in sorted(wanted) if port in told)
