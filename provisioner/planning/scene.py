"""All that planning looks at, in one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from provisioner.model.balancer import BalancerConfig
from provisioner.model.container import ContainerOptions
from provisioner.model.desired import Desired, DesiredBalancer
from provisioner.model.keeping import WantedInputs
from provisioner.model.observed import Observed, ObservedContainer
from provisioner.model.release import Release
from provisioner.model.spec import RolloutPolicy
from provisioner.planning.balancer_slots import balancer_containers
from provisioner.planning.desire import RenderBalancer
from provisioner.planning.drained import drained_nodes, with_drained
from provisioner.planning.effective import enforceable
from provisioner.planning.pairing import unenforceable


@dataclass(frozen=True, slots=True)
class Scene:
    """What should be, what is, what the last release wanted, how a change may move.

    `scope` are the hosts whose nodes may change, None for all; `builder` is where images are made: a host's
    name, or empty for this machine. `before_last` is the release before the last one, `inputs` what the wanted one
    is made from, `cached` the ids of images that this controller holds, `commands` the release command of each service.
    """

    desired: Desired
    observed: Observed
    policy: RolloutPolicy
    render: RenderBalancer
    last: Release | None = None
    scope: frozenset[str] | None = None
    builder: str = ""
    before_last: Release | None = None
    inputs: WantedInputs | None = None
    cached: frozenset[str] = frozenset()
    commands: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def absent(self) -> frozenset[str]:
        """Return the limits that some engine of the fleet cannot enforce."""
        return unenforceable(self.observed)

    @property
    def drained(self) -> frozenset[str]:
        """Return the names of the nodes that a person took out of rotation."""
        return frozenset(each.node for each in drained_nodes(self.observed))

    def in_scope(self, host: str) -> bool:
        """Tell whether nodes of a host may change."""
        return self.scope is None or host in self.scope

    @property
    def applied(self) -> Desired | None:
        """Return what the last release wanted, without the nodes that were drained since."""
        if self.last is None:
            return None
        return with_drained(self.last.content.desired, drained_nodes(self.observed), self.render)

    def balancer_containers(self, balancer: DesiredBalancer) -> tuple[ObservedContainer, ...]:
        """Return the containers of a balancer, the one that is the balancer first; empty where there is none."""
        host = self.observed.host(balancer.host)
        return balancer_containers(self.desired.fleet, host.containers) if host else ()

    def enforceable_there(self, balancer: DesiredBalancer) -> ContainerOptions:
        """Return the options of a balancer without the limits that its host's engine cannot enforce."""
        host = self.observed.host(balancer.host)
        return enforceable(balancer.options, host.engine.unenforceable if host else ())


def applied_config(scene: Scene) -> BalancerConfig | None:
    """Return the balancer's configuration of the last release."""
    balancers = scene.applied.balancers if scene.applied else ()
    return balancers[0].config if balancers else None
