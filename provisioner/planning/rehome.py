"""A release on other hosts: what it wants stays, hosts and addresses are those of another inventory."""

from __future__ import annotations

from dataclasses import replace

from provisioner.errors import ProvisionerError
from provisioner.model.desired import Desired, DesiredBalancer, DesiredNode
from provisioner.model.image import Known
from provisioner.model.placement import PlacedNode, Placement
from provisioner.model.release import Release, ReleaseContent
from provisioner.model.spec import (
    LOAD_BALANCER,
    Bind,
    FleetSpec,
    FromImage,
    FromTemplate,
    LoadBalancer,
    RolloutPolicy,
    Service,
)
from provisioner.planning.desire import RenderBalancer, balancer_config


def declared_again(release: Release) -> FleetSpec:
    """Return as much of the spec as placing a release's nodes and its balancer's file take.

    Raise ProvisionerError for a release that does not say where its services belong.
    """
    content = release.content
    if not content.sites:
        raise ProvisionerError(
            f"release {release.name} was recorded before releases held what they are made from",
            hint="apply its spec once more: that makes a release which can be rebuilt",
        )
    services = {site.service: site for site in content.sites if site.service != LOAD_BALANCER}
    return FleetSpec(
        name=content.desired.fleet,
        services={
            name: Service(
                name=name,
                hosts=site.hosts,
                source=FromImage(""),
                replicas=site.replicas,
                host_port=site.host_port,
                port=_pattern(content, name).port,
                healthcheck=_pattern(content, name).healthcheck,
            )
            for name, site in services.items()
        },
        load_balancer=_load_balancer(content),
        rollout=_policy(content),
    )


def _pattern(content: ReleaseContent, service: str) -> DesiredNode:
    """Return any node of a service: all it has but host and slots is its peers' too."""
    return next(node for node in content.desired.nodes if node.node.service == service)


def _load_balancer(content: ReleaseContent) -> LoadBalancer | None:
    hosts = next((site.hosts for site in content.sites if site.service == LOAD_BALANCER), None)
    if hosts is None or not content.desired.balancers:
        return None
    balancer = content.desired.balancers[0]
    return LoadBalancer(
        hosts=hosts,
        source=FromTemplate(""),
        bind=_binds(balancer),
        algorithm=balancer.config.algorithm,
        routes=balancer.config.routes,
        network=balancer.config.network,
    )


def _binds(balancer: DesiredBalancer) -> tuple[Bind, ...]:
    if balancer.config.network == "host":
        return balancer.config.bind
    return tuple(Bind(port.host_port, port.address or None) for port in balancer.ports)


def _policy(content: ReleaseContent) -> RolloutPolicy:
    if not content.desired.balancers:
        return RolloutPolicy()
    return RolloutPolicy(drain_timeout=content.desired.balancers[0].config.drain_timeout)


def rehomed(content: ReleaseContent, spec: FleetSpec, placement: Placement, render: RenderBalancer) -> Desired:
    """Return what a release wants on the hosts it was placed on now; where they are the same, it is the same."""
    nodes = tuple(_node(content, placed) for placed in placement.nodes)
    balancers = _balancers(content, spec, placement, render)
    images = [node.image for node in nodes] + [balancer.image for balancer in balancers]
    known = {image.reference: image.image_id for image in images if isinstance(image, Known)}
    return Desired(content.desired.fleet, nodes, balancers, dict(sorted(known.items())))


def _node(content: ReleaseContent, placed: PlacedNode) -> DesiredNode:
    return replace(_pattern(content, placed.node.service), node=placed.node, slots=placed.slots)


def _balancers(
    content: ReleaseContent, spec: FleetSpec, placement: Placement, render: RenderBalancer
) -> tuple[DesiredBalancer, ...]:
    if spec.load_balancer is None:
        return ()
    config = balancer_config(spec, spec.load_balancer, placement)
    text, digest = render(config)
    pattern = content.desired.balancers[0]
    return tuple(replace(pattern, host=host, config=config, text=text, digest=digest) for host in placement.balancers)
