"""Nodes that a person drained: an intent beside the release, which every plan, proof and file of a balancer keeps."""

from __future__ import annotations

from dataclasses import replace

from provisioner.model.balancer import Drained
from provisioner.model.desired import Desired
from provisioner.model.observed import Observed
from provisioner.planning.desire import RenderBalancer


def drained_nodes(observed: Observed) -> tuple[Drained, ...]:
    """Return every node that some balancer's record says is drained, in order, each once."""
    found = {each.node: each for host in observed.hosts if host.balancer for each in host.balancer.drained}
    return tuple(found[node] for node in sorted(found))


def with_drained(desired: Desired, drained: tuple[Drained, ...], render: RenderBalancer) -> Desired:
    """Return the same fleet whose balancers' files leave drained nodes out.

    A release is recorded without them: who drains a node makes no new release, and going back to one drains none.
    """
    names = tuple(each.node for each in drained)
    if not names:
        return desired
    balancers = []
    for balancer in desired.balancers:
        config = replace(balancer.config, drained=names)
        text, digest = render(config)
        balancers.append(replace(balancer, config=config, text=text, digest=digest))
    return replace(desired, balancers=tuple(balancers))
