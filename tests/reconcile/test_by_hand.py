"""`drain` and `undrain` on hosts in memory: a person's wish outlasts everything but his word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.errors import HostUnreachable, LastNode, PlanStale, UsageError
from provisioner.model.balancer import BalancerConfig
from provisioner.model.event import Finished, PlanMade
from provisioner.model.plan import ConfirmCapacity
from provisioner.model.spec import Bind, FleetSpec
from provisioner.reconcile import by_hand
from tests.reconcile.test_handover import spec as on_the_hosts_network
from tests.simulation import Simulation, render, spec

NODE = "web2/web-1"


def drain(fleet: Simulation, node: str = NODE, *, wish: FleetSpec | None = None, force: bool = False) -> Finished:
    """Drain a node as Ada does, because its disk is noisy."""
    fleet.hosts.clock.sleep(3.0)  # whoever was loaded just now has checked everybody
    intent = replace(fleet.intent(wish or spec(A="1")), author="Ada")
    return by_hand.drain(fleet.world(), intent, node, "noisy disk", force=force)


def undrain(fleet: Simulation, node: str = NODE, *, wish: FleetSpec | None = None) -> Finished:
    """Let a node in again."""
    return by_hand.undrain(fleet.world(), fleet.intent(wish or spec(A="1")), node)


def pool(fleet: Simulation) -> set[str]:
    """Return the hosts that get requests now."""
    fleet.hosts.clock.sleep(3.0)
    host = fleet.hosts["lb1"]
    (balancer,) = [held for held in host.machine.containers.values() if "load-balancer" in held.name]
    file = host.reader.file(balancer.container_id, fleet.balancers.path)
    states = fleet.balancers.report(balancer.container_id, file)
    return {
        each.name.split(".")[0]
        for each in states.servers
        if each.admin == "ready" and each.health == "up" and each.weight
    }


def test_a_drained_node_gets_nothing_and_is_no_drift(fleet: Simulation) -> None:
    """It is out, everybody is told who did it and why, and nothing is to be put right."""
    fleet.apply(spec(A="1"))
    finished = drain(fleet)
    assert (finished.outcome, finished.exit_code) == ("complete", 0)
    assert "until `provisioner undrain web2/web-1`" in finished.message
    assert pool(fleet) == {"web1", "web3"}
    status = fleet.status(spec(A="1"))
    assert status.uniform
    assert [(each.node, each.author, each.reason) for each in status.drained] == [(NODE, "Ada", "noisy disk")]
    assert [node.balancer for node in status.nodes] == ["ready", "drained", "ready"]
    assert fleet.drift(spec(A="1")) == []
    assert fleet.apply(spec(A="1")).outcome == "unchanged"
    assert len(fleet.hosts.reader(fleet.inventory["lb1"]).observe("shop").releases) == 1


def test_only_undrain_lets_it_in_again(fleet: Simulation) -> None:
    """After it the file is the release's own, and nobody is said to be drained."""
    fleet.apply(spec(A="1"))
    drain(fleet)
    finished = undrain(fleet)
    assert (finished.outcome, finished.exit_code) == ("complete", 0)
    assert pool(fleet) == {"web1", "web2", "web3"}
    assert fleet.status(spec(A="1")).drained == ()
    assert fleet.drift(spec(A="1")) == []
    assert undrain(fleet).outcome == "unchanged"


def test_a_rollout_changes_a_drained_node_and_leaves_it_out(fleet: Simulation) -> None:
    """Its container is the new release's like every other, at no moment does it get a request, and the plan says so."""
    fleet.apply(spec(A="1"))
    drain(fleet)
    for wish in (spec(A="2"), spec(A="1")):
        assert fleet.apply(wish).outcome == "complete"
        plan = next(event.plan for event in reversed(fleet.sink.events) if isinstance(event, PlanMade))
        assert [each.node for each in plan.drained] == [NODE]
        assert pool(fleet) == {"web1", "web3"}
        assert fleet.status(wish).uniform
        assert fleet.drift(wish) == []


def test_a_drained_node_counts_for_no_capacity(fleet: Simulation) -> None:
    """While another node changes, the third goes on serving beside its fresh container."""
    fleet.apply(spec(A="1"))
    drain(fleet)
    fleet.hosts.effects.clear()
    assert fleet.apply(spec(A="2")).outcome == "complete"
    plan = next(event.plan for event in reversed(fleet.sink.events) if isinstance(event, PlanMade))
    asked = [action for step in plan.steps for action in step.actions if isinstance(action, ConfirmCapacity)]
    assert asked
    assert {action.floor for action in asked} == {2}
    assert all({"web2.1.a", "web2.1.b"} <= set(action.leaving) for action in asked)


@pytest.mark.parametrize("how", ["restart", "replace", "removed"])
def test_it_outlasts_the_balancers_container(fleet: Simulation, how: str) -> None:
    """Restarted, handed over, or removed by hand and made again: the node stays out."""
    wish = on_the_hosts_network()
    fleet.apply(wish)
    drain(fleet, wish=wish)
    name = "shop.load-balancer-1.a"
    if how == "restart":
        fleet.hosts["lb1"].restart(name)
    elif how == "replace":
        wish = on_the_hosts_network(bind=(Bind(81),))
        assert fleet.apply(wish).outcome == "complete"
    else:
        fleet.hosts["lb1"].containers.remove(name)
        finished = fleet.apply(wish)
        assert (finished.exit_code, "web2/web-1 was drained by hand" in finished.message) == (1, True)
        assert fleet.apply(wish).exit_code == 0
    assert pool(fleet) == {"web1", "web3"}
    assert fleet.drift(wish) == []
    assert undrain(fleet, wish=wish).exit_code == 0
    assert pool(fleet) == {"web1", "web2", "web3"}


def test_sessions_are_waited_for_and_what_outlasts_the_timeout_is_cut(fleet: Simulation) -> None:
    """It is out only when no balancer has a session of it."""
    fleet.apply(spec(A="1"))
    (balancer,) = [held for held in fleet.hosts["lb1"].machine.containers.values() if "load-balancer" in held.name]
    fleet.balancers.occupy(balancer.container_id, "web/web2.1.a", 3)
    began = fleet.hosts.clock.monotonic()
    assert drain(fleet).exit_code == 0
    assert fleet.hosts.clock.monotonic() - began >= 5.0


def test_the_last_node_that_serves_is_refused_unless_forced(fleet: Simulation) -> None:
    """Whoever is out for whatever reason does not count."""
    fleet.apply(spec(A="1"))
    drain(fleet, "web1/web-1")
    fleet.hosts["web3"].containers.stop("shop.web-1.a", 1)
    fleet.hosts.clock.sleep(5.0)
    fleet.hosts.effects.clear()
    with pytest.raises(LastNode, match="web2/web-1 is the last node of web that serves"):
        drain(fleet)
    assert fleet.writes() == []
    assert drain(fleet, force=True).exit_code == 0
    assert pool(fleet) == set()


def test_what_cannot_be_drained_is_said(fleet: Simulation) -> None:
    """No release, no such node, a balancer that cannot be reached, a file that is another release's."""
    with pytest.raises(UsageError, match="no release"):
        drain(fleet)
    fleet.apply(spec(A="1"))
    with pytest.raises(UsageError, match="no node web9/web-1") as caught:
        drain(fleet, "web9/web-1")
    assert NODE in caught.value.hint
    drain(fleet)
    assert drain(fleet).outcome == "unchanged"
    file = fleet.hosts["lb1"].machine.volumes["shop_load-balancer-etc"].files
    file["/haproxy.cfg"] = replace(file["/haproxy.cfg"], content=file["/haproxy.cfg"].content + b"# by hand\n")
    with pytest.raises(PlanStale, match="does not run the last release's file"):
        drain(fleet, "web1/web-1")
    fleet.hosts["lb1"].cut()
    with pytest.raises(HostUnreachable):
        undrain(fleet)


def test_a_template_that_writes_no_weights_is_refused(fleet: Simulation) -> None:
    """Its file would let the node in again at once."""

    def deaf(config: BalancerConfig) -> tuple[str, str]:
        return render(replace(config, drained=()))

    fleet.apply(spec(A="1"))
    with pytest.raises(UsageError, match="writes no weights"):
        by_hand.drain(fleet.world(), replace(fleet.intent(spec(A="1")), render=deaf), NODE, "")


class Died(BaseException):
    """Stands for a controller that is killed."""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_controller_that_dies_at_any_effect_is_followed_by_one_that_converges(fleet: Simulation, moment: str) -> None:
    """The same command ends with the node out, or in; `apply` before that loses nothing either."""
    fleet.apply(spec(A="1"))
    fleet.hosts.effects.clear()
    drain(fleet)
    total = len(fleet.writes())
    undrain(fleet)
    for number in range(total):
        left = [number]

        def kill(host: str, name: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Died

        setattr(fleet.hosts.effects, moment, kill)
        with pytest.raises(Died):
            drain(fleet)
        setattr(fleet.hosts.effects, moment, None)
        assert fleet.apply(spec(A="1")).exit_code == 0, number
        assert fleet.drift(spec(A="1")) == [], number
        assert drain(fleet).exit_code == 0, number
        assert pool(fleet) == {"web1", "web3"}, number
        assert undrain(fleet).exit_code == 0, number
        assert pool(fleet) == {"web1", "web2", "web3"}, number


def test_a_record_that_cannot_be_read_is_never_taken_for_empty(fleet: Simulation) -> None:
    """Whoever is out stays out: the host counts as not observed until a person puts the record right."""
    fleet.apply(spec(A="1"))
    drain(fleet)
    file = fleet.hosts["lb1"].machine.volumes["shop_load-balancer-etc"].files
    file["/drained.json"] = replace(file["/drained.json"], content=b"{")
    finished = fleet.apply(spec(A="2"))
    assert finished.exit_code == 4
    assert pool(fleet) == {"web1", "web3"}
