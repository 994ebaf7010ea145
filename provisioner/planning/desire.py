"""From the spec and its placement to what every host should carry."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from provisioner.model.balancer import Backend, BalancerConfig, Check, Server
from provisioner.model.container import ContainerOptions, EngineHealthTest, Mount, PublishedPort, TmpfsMount
from provisioner.model.desired import Desired, DesiredBalancer, DesiredNode
from provisioner.model.image import ImageTarget, Known, ToBuild, ToFetch
from provisioner.model.placement import PlacedNode, Placement, container_name, server_name
from provisioner.model.secret import DesiredSecret
from provisioner.model.spec import (
    LOAD_BALANCER,
    Bind,
    FleetSpec,
    FromImage,
    LoadBalancer,
    Route,
    SecretUse,
    Service,
    Volume,
)
from provisioner.planning.balancer_options import balancer_options
from provisioner.planning.hardening import LOG_OPTIONS, hardened

RenderBalancer = Callable[[BalancerConfig], tuple[str, str]]
"""Turns a balancer's configuration into its file and the digest its worker will show."""


@dataclass(frozen=True, slots=True)
class ImageIndex:
    """The tag each service's image is built under (none for one that is only fetched), and the ids known so far."""

    tags: Mapping[str, str]
    ids: Mapping[str, str] = field(default_factory=dict)

    def target(self, service: str, reference: str) -> ImageTarget:
        """Return what a service runs: by id where it is known, else what has to happen first."""
        tag = self.tags.get(service)
        name = tag or reference
        if name in self.ids:
            return Known(name, self.ids[name])
        return ToBuild(tag) if tag else ToFetch(reference)


def desire(spec: FleetSpec, placement: Placement, images: ImageIndex, render: RenderBalancer) -> Desired:
    """Return the fleet as the spec wants it. Pure: the same input gives the same value in the same order."""
    nodes = tuple(_node(spec, placed, images) for placed in placement.nodes)
    balancers = _balancers(spec, placement, images, render) if spec.load_balancer else ()
    wanted = [node.image for node in nodes] + [balancer.image for balancer in balancers]
    known = {image.reference: image.image_id for image in wanted if isinstance(image, Known)}
    return Desired(spec.name, nodes, balancers, dict(sorted(known.items())))


def _node(spec: FleetSpec, placed: PlacedNode, images: ImageIndex) -> DesiredNode:
    service = spec.services[placed.node.service]
    reference = service.source.reference if isinstance(service.source, FromImage) else ""
    return DesiredNode(
        node=placed.node,
        image=images.target(service.name, reference),
        options=hardened(_options(spec.name, service), service.hardening),
        slots=placed.slots,
        port=service.port,
        healthcheck=service.healthcheck,
        volatile=tuple(sorted(service.volatile)),
        secrets=tuple(sorted((_secret(use) for use in service.secrets), key=lambda secret: secret.key)),
    )


def _secret(use: SecretUse) -> DesiredSecret:
    """Return a secret without its digest: only who knows values can fill it in."""
    return DesiredSecret(use.source, use.environment)


def _options(fleet: str, service: Service) -> ContainerOptions:
    limits = service.resources
    return ContainerOptions(
        command=service.command or None,
        entrypoint=service.entrypoint or None,
        environment=dict(sorted(service.environment.items())),
        user=service.user,
        mounts=tuple(sorted((_mount(fleet, volume) for volume in service.volumes), key=lambda mount: mount.target)),
        tmpfs=tuple(sorted((_tmpfs(t.target, t.options) for t in service.tmpfs), key=lambda mount: mount.target)),
        nano_cpus=round((limits.cpus or 0) * 1_000_000_000),
        memory=limits.memory or 0,
        pids=limits.pids or 0,
        restart=service.restart,
        health=_health(service),
        stop_signal=service.stop_signal,
        stop_timeout=math.ceil(service.stop_grace_period),
        log_options=LOG_OPTIONS,
    )


def _mount(fleet: str, volume: Volume) -> Mount:
    if volume.source.startswith("/"):
        return Mount("bind", volume.source, volume.target, volume.read_only)
    return Mount("volume", f"{fleet}_{volume.source}", volume.target, volume.read_only)


def _tmpfs(target: str, options: str) -> TmpfsMount:
    return TmpfsMount(target, ",".join(sorted(option for option in options.split(",") if option)))


def _health(service: Service) -> EngineHealthTest | None:
    check = service.healthcheck
    if not check.test:
        return None
    return EngineHealthTest(check.test, check.interval, check.timeout, check.start_period, check.retries)


def _balancers(
    spec: FleetSpec, placement: Placement, images: ImageIndex, render: RenderBalancer
) -> tuple[DesiredBalancer, ...]:
    balancer = spec.load_balancer
    if balancer is None:
        return ()
    config = balancer_config(spec, balancer, placement)
    text, digest = render(config)
    return tuple(
        DesiredBalancer(
            host=host,
            name=container_name(spec.name, LOAD_BALANCER, 1, "a"),
            image=images.target(LOAD_BALANCER, ""),
            options=balancer_options(spec.name, balancer.network, balancer.resources),
            ports=_published(balancer),
            config=config,
            text=text,
            digest=digest,
        )
        for host in placement.balancers
    )


def _published(balancer: LoadBalancer) -> tuple[PublishedPort, ...]:
    """Return the ports that the engine publishes; on its host's network the balancer listens there itself."""
    if balancer.network == "host":
        return ()
    return tuple(PublishedPort(bind.port, bind.port, bind.address or "") for bind in balancer.bind)


def balancer_config(spec: FleetSpec, balancer: LoadBalancer, placement: Placement) -> BalancerConfig:
    """Return the balancer's configuration at rest: both slots of every node that has a port."""
    serving = [service for service in spec.services.values() if service.port is not None]
    backends = tuple(Backend(service.name, _servers(service, placement)) for service in serving)
    return BalancerConfig(
        fleet=spec.name,
        bind=_binds(balancer),
        algorithm=balancer.algorithm,
        routes=balancer.routes or tuple(Route(service.name) for service in serving[:1]),
        backends=backends,
        drain_timeout=spec.rollout.drain_timeout,
        network=balancer.network,
    )


def _binds(balancer: LoadBalancer) -> tuple[Bind, ...]:
    """Return what the balancer listens on: behind a bridge on every address, whatever the engine publishes."""
    if balancer.network == "bridge":
        return tuple(Bind(port) for port in sorted({bind.port for bind in balancer.bind}))
    return tuple(sorted(set(balancer.bind), key=lambda bind: (bind.port, bind.address or "")))


def _servers(service: Service, placement: Placement) -> tuple[Server, ...]:
    health = service.healthcheck
    check = Check(health.path, health.interval, health.timeout, health.retries)
    return tuple(
        Server(server_name(placed.node, at.slot), str(placed.node), at.slot, at.address, at.host_port, check)
        for placed in placement.nodes
        if placed.node.service == service.name
        for at in placed.slots
    )
