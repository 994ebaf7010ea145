"""Takes a node out of rotation and lets it in again because a person wants it so: what is refused, and the steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from provisioner.errors import BalancerRefused, HostUnreachable, LastNode, PlanStale, UsageError
from provisioner.model.balancer import Drained
from provisioner.model.balancer_actions import ConfigureBalancer
from provisioner.model.desired import Desired, DesiredBalancer, DesiredNode
from provisioner.model.observed import Observed, ObservedBalancer
from provisioner.model.placement import SLOTS, Node, server_name
from provisioner.model.plan import (
    Change,
    DrainSlot,
    Plan,
    RestSlot,
    Step,
)
from provisioner.planning.desire import RenderBalancer
from provisioner.planning.drained import drained_nodes, with_drained
from provisioner.planning.handover import balancer_node
from provisioner.planning.transition import variants


@dataclass(frozen=True, slots=True)
class Hand:
    """What a person who drains looks at: the fleet as its last release wants it, as it is, and how files are made.

    The balancers of hosts `without` are left aside: he says that these hosts are dead.
    """

    desired: Desired
    observed: Observed
    render: RenderBalancer
    drain_timeout: float
    without: frozenset[str] = frozenset()

    @property
    def balancers(self) -> tuple[DesiredBalancer, ...]:
        """Return the balancers that take part."""
        return self.among(self.desired)

    def among(self, desired: Desired) -> tuple[DesiredBalancer, ...]:
        """Return the balancers of a fleet that take part."""
        return tuple(each for each in desired.balancers if each.host not in self.without)

    @property
    def drained(self) -> tuple[Drained, ...]:
        """Return the nodes that are drained now."""
        return drained_nodes(self.observed)


def drain_plan(hand: Hand, wish: Drained, *, force: bool = False) -> Plan:
    """Return what takes a node out of rotation on every balancer and lasts; nothing where it is out already.

    Raise LastNode where nobody else would serve, unless forced; UsageError, HostUnreachable, PlanStale.
    """
    node = _node(hand.desired, wish.node)
    seen = _balancers(hand)
    if any(each.node == wish.node for each in hand.drained):
        return Plan(hand.desired.fleet)
    _refuse_other_files(hand, seen)
    _refuse_deaf_template(hand, wish)
    if not force:
        _refuse_last(hand, node, seen)
    steps = (
        Step(f"{wish.node}: drain", tuple(_drain(hand, node)), undo=tuple(_rest(hand, node))),
        _configure(hand, (*hand.drained, wish)),
    )
    return Plan(hand.desired.fleet, steps, (Change(node.node.host, wish.node, "change", ("drained by hand",)),))


def undrain_plan(hand: Hand, node: str) -> Plan:
    """Return what lets a node in again; nothing where nobody drained it. Raise as `drain_plan` does.

    A node that left the fleet is only struck from the records.
    """
    seen = _balancers(hand)
    left = tuple(each for each in hand.drained if each.node != node)
    if left == hand.drained:
        _node(hand.desired, node)
        return Plan(hand.desired.fleet)
    _refuse_other_files(hand, seen)
    change = Change(node.partition("/")[0], node, "change", ("let in again by hand",))
    return Plan(hand.desired.fleet, (_configure(hand, left),), (change,))


def _node(desired: Desired, name: str) -> DesiredNode:
    behind = [each for each in desired.nodes if each.port is not None and desired.balancers]
    found = next((each for each in behind if str(each.node) == name), None)
    if found is None:
        known = ", ".join(str(each.node) for each in behind) or "there is none"
        raise UsageError(f"no node {name} stands behind the balancer", hint=f"those that do: {known}")
    return found


def _balancers(hand: Hand) -> tuple[tuple[DesiredBalancer, ObservedBalancer], ...]:
    """Return every balancer as it is. Raise where one was not seen or does not run: all take part."""
    lost = {each.name: each for each in hand.observed.unreachable}
    found = []
    for balancer in hand.balancers:
        host = hand.observed.host(balancer.host)
        if host is None:
            why = lost[balancer.host].reason if balancer.host in lost else "not observed"
            hint = f"every balancer has to take part; if that host is dead for good, say --without {balancer.host}"
            raise HostUnreachable(balancer.host, why, hint=hint)
        if host.balancer is None or not host.balancer.running_digest:
            raise BalancerRefused(balancer.host, "its balancer does not run", hint="`provisioner apply` brings it back")
        found.append((balancer, host.balancer))
    return tuple(found)


def _refuse_other_files(hand: Hand, seen: tuple[tuple[DesiredBalancer, ObservedBalancer], ...]) -> None:
    """Refuse where a balancer runs another file than the last release's: a rollout may be halfway through."""
    wanted = {each.host: each for each in hand.among(with_drained(hand.desired, hand.drained, hand.render))}
    if any(hand.render(each.config) != (each.text, each.digest) for each in hand.balancers):
        raise PlanStale(
            "the template of the balancer's file is not the last release's", hint="run `provisioner apply` first"
        )
    for balancer, found in seen:
        if found.text != wanted[balancer.host].text or found.running_digest != wanted[balancer.host].digest:
            message = f"the balancer on {balancer.host} does not run the last release's file"
            raise PlanStale(message, hint="run `provisioner apply` first")


def _refuse_deaf_template(hand: Hand, wish: Drained) -> None:
    """Refuse where the file's template says the same of a drained node as of one that serves."""
    for balancer in hand.balancers:
        if hand.render(replace(balancer.config, drained=(wish.node,))) == hand.render(balancer.config):
            message = "the template of the balancer's file writes no weights, so a drained node would be let in again"
            raise UsageError(message, hint="write `weight {{ server.weight }}` on its server lines, as ours does")


def _refuse_last(hand: Hand, node: DesiredNode, seen: tuple[tuple[DesiredBalancer, ObservedBalancer], ...]) -> None:
    others = [each for each in hand.desired.nodes if each.node.service == node.node.service and each != node]
    for balancer, found in seen:
        if not any(_serves(each, found) for each in others):
            message = f"{node.node} is the last node of {node.node.service} that serves, says the balancer on"
            raise LastNode(f"{message} {balancer.host}", hint="--force drains it all the same: nobody would serve then")


def _serves(node: DesiredNode, balancer: ObservedBalancer) -> bool:
    names = {server_name(node.node, slot) for slot in SLOTS}
    return any(
        each.admin == "ready" and each.health == "up" and each.weight > 0
        for each in balancer.servers
        if each.backend == node.node.service and each.name in names
    )


def still_serving(observed: Observed, node: str) -> tuple[str, ...]:
    """Return the hosts whose balancers send requests to a node, or still have sessions of it."""
    host, _, rest = node.partition("/")
    service, _, index = rest.rpartition("-")
    names = {server_name(Node(host, service, int(index)), slot) for slot in SLOTS} if index.isdigit() else set()
    return tuple(
        seen.name
        for seen in observed.hosts
        if seen.balancer is not None
        and any(
            each.sessions or (each.admin == "ready" and each.weight and each.health != "down")
            for each in seen.balancer.servers
            if each.backend == service and each.name in names
        )
    )


def _drain(hand: Hand, node: DesiredNode) -> Iterator[DrainSlot]:
    name, service = str(node.node), node.node.service
    for balancer in hand.balancers:
        for slot in SLOTS:
            servers = variants(balancer.config, service, name, slot)
            yield DrainSlot(balancer.host, name, slot, service, servers, hand.drain_timeout)


def _rest(hand: Hand, node: DesiredNode) -> Iterator[RestSlot]:
    for each in _drain(hand, node):
        yield RestSlot(each.host, each.node, each.slot, each.backend, each.servers)


def _configure(hand: Hand, drained: tuple[Drained, ...]) -> Step:
    wanted = hand.among(with_drained(hand.desired, drained, hand.render))
    actions = tuple(
        ConfigureBalancer(each.host, balancer_node(each), each.text, each.digest, drained=drained) for each in wanted
    )
    return Step("write it down and into the balancer's file", actions)
