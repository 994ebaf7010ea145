"""The balancer's container changes on hosts in memory: by a hand-over on its host's network, else with leave."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.errors import AddressUnknown, InterruptionRefused, PortTaken
from provisioner.hosts.memory import AppBehaviour
from provisioner.model.balancer_actions import HandOverBalancer
from provisioner.model.event import PlanMade
from provisioner.model.observed import ObservedContainer
from provisioner.model.spec import Bind, FleetSpec, FromTemplate, LoadBalancer, Resources
from provisioner.reconcile.apply import Consent
from tests import fleets
from tests.simulation import Simulation

A, B = "shop.load-balancer-1.a", "shop.load-balancer-1.b"
BALANCER = LoadBalancer("lb", FromTemplate("haproxy"), network="host")


class Died(BaseException):
    """Stands for a controller that is killed: nothing of ours catches it."""


def spec(**changes: object) -> FleetSpec:
    """Return the standard fleet with its balancer on its host's network, otherwise as a test wants it."""
    balancer = replace(BALANCER, **changes)  # type: ignore[arg-type]  # tests name the fields they change
    return fleets.spec(fleets.web_service(environment={}), load_balancer=balancer)


def balancers(fleet: Simulation) -> list[ObservedContainer]:
    """Return the containers of the balancer."""
    seen = fleet.hosts.reader(fleet.inventory["lb1"]).observe("shop")
    return [each for each in seen.containers if each.name in {A, B}]


def answering(fleet: Simulation) -> list[str]:
    """Return the names of the balancer's containers whose worker runs."""
    reader = fleet.hosts.reader(fleet.inventory["lb1"])
    running = (each for each in balancers(fleet) if each.running)
    return [each.name for each in running if fleet.balancers.observe(reader, each).running_digest]


def planned(fleet: Simulation) -> list[HandOverBalancer]:
    """Return the hand-overs of the last plan, which interrupts nobody."""
    plan = next(event.plan for event in reversed(fleet.sink.events) if isinstance(event, PlanMade))
    assert plan.interrupts == ()
    return [action for step in plan.steps for action in step.actions if isinstance(action, HandOverBalancer)]


@pytest.mark.parametrize(
    "changes",
    [{"bind": (Bind(80), Bind(443))}, {"resources": Resources(memory=64_000_000)}, {"bind": (Bind(81, "10.0.0.11"),)}],
)
def test_what_is_the_containers_own_changes_by_a_hand_over(fleet: Simulation, changes: dict[str, object]) -> None:
    """Binds and limits: the other slot takes over, at every moment somebody answers, and nobody is interrupted."""
    fleet.apply(spec())
    quiet: list[int] = []
    fleet.hosts.effects.before = lambda host, name: quiet.append(len(answering(fleet)))
    assert fleet.apply(spec(**changes)).outcome == "complete"
    assert min(quiet) == 1
    assert [action.predecessor for action in planned(fleet)] == [A]
    assert [(each.name, each.running) for each in balancers(fleet)] == [(B, True)]
    assert (fleet.drift(spec(**changes)), fleet.status(spec(**changes)).uniform) == ([], True)


def test_another_image_changes_by_a_hand_over_and_back_again(fleet: Simulation) -> None:
    """From slot to slot, as often as it changes."""
    fleet.apply(spec())
    for version, name in (("2", B), ("3", A), ("4", B)):
        fleet.balancer_version = version
        assert fleet.apply(spec()).outcome == "complete"
        assert [each.name for each in balancers(fleet)] == [name]


def test_what_only_the_file_says_is_reloaded_in_place(fleet: Simulation) -> None:
    """Another algorithm needs no other container, whichever slot serves; nothing to do is nothing to do."""
    fleet.apply(spec())
    fleet.apply(spec(bind=(Bind(81),)))
    wish = spec(bind=(Bind(81),), algorithm="leastconn")
    assert fleet.apply(wish).outcome == "complete"
    assert planned(fleet) == []
    assert [each.name for each in balancers(fleet)] == [B]
    assert fleet.apply(wish).outcome == "unchanged"


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_controller_that_dies_at_any_effect_of_a_hand_over_converges(fleet: Simulation, moment: str) -> None:
    """The same command ends with one balancer as wanted; meanwhile one always answered, with both slots listed."""
    fleet.apply(spec())
    fleet.hosts.effects.clear()
    fleet.apply(spec(bind=(Bind(1000),)))
    total = len(fleet.writes())
    assert total > 5
    for number in range(total):
        wish, left = spec(bind=(Bind(1001 + number),)), [number]

        def kill(host: str, name: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Died

        setattr(fleet.hosts.effects, moment, kill)
        with pytest.raises(Died):
            fleet.apply(wish)
        setattr(fleet.hosts.effects, moment, None)
        assert answering(fleet), number
        finished = fleet.apply(wish)
        assert (finished.exit_code, fleet.drift(wish)) == (0, []), (number, finished.message)
        assert [each.running for each in balancers(fleet)] == [True], number


def test_a_balancer_that_does_not_come_up_is_taken_away_again(fleet: Simulation) -> None:
    """An image that ends at once: the run fails and says so, the old one goes on with its own file."""
    fleet.apply(spec())
    before = balancers(fleet)
    image = before[0].image_id
    fleet.hosts.behaviours[image] = AppBehaviour(exits_after=0.0, exit_code=1, log=("cannot bind socket",))
    finished = fleet.apply(spec(resources=Resources(memory=64_000_000)))
    assert finished.exit_code == 3
    assert "did not take over" in finished.message
    assert balancers(fleet) == before
    assert answering(fleet) == [A]
    assert fleet.drift(spec()) == []


def test_a_second_balancer_that_does_not_serve_ends_no_first_one(fleet: Simulation) -> None:
    """Left by a dead controller and dying over and over, it is removed; the one that serves is left alone."""
    fleet.apply(spec())
    (first,) = balancers(fleet)
    fleet.hosts.behaviours[first.image_id] = AppBehaviour(exits_after=0.5, exit_code=1)

    def die(host: str, name: str) -> None:
        if name == f"start {B}":
            raise Died

    fleet.hosts.effects.after = die
    with pytest.raises(Died):
        fleet.apply(spec(bind=(Bind(81),)))
    fleet.hosts.effects.after = None
    fleet.hosts.clock.sleep(9.1)
    assert fleet.apply(spec(bind=(Bind(81),))).outcome == "rolled_back"
    assert A in answering(fleet)
    fleet.hosts.behaviours[first.image_id] = AppBehaviour()
    assert fleet.apply(spec(bind=(Bind(81),))).outcome == "complete"
    assert fleet.drift(spec(bind=(Bind(81),))) == []


def test_a_bind_that_cannot_be_is_refused_before_anything_moves(fleet: Simulation) -> None:
    """On no interface, or on a port that somebody else holds."""
    fleet.apply(spec())
    fleet.hosts["lb1"].machine.strangers.add(("", 443))
    fleet.hosts.effects.clear()
    with pytest.raises(AddressUnknown, match=r"192\.0\.2\.1, which is on no interface"):
        fleet.apply(spec(bind=(Bind(80, "192.0.2.1"),)))
    with pytest.raises(PortTaken, match="port 443, where somebody else listens"):
        fleet.apply(spec(bind=(Bind(80), Bind(443))))
    assert fleet.writes() == []


@pytest.mark.parametrize(("old", "new", "told"), [("bridge", "host", "to its"), ("host", "bridge", "off its")])
def test_between_the_networks_it_interrupts_and_says_so(fleet: Simulation, old: str, new: str, told: str) -> None:
    """No socket can be handed over: refused, and done when it is allowed."""
    fleet.apply(spec(network=old))
    with pytest.raises(InterruptionRefused, match=f"moves {told} host's network"):
        fleet.apply(spec(network=new))
    assert fleet.apply(spec(network=new), consent=Consent(interruption=True)).outcome == "complete"
    assert fleet.drift(spec(network=new)) == []


def test_on_a_bridge_other_limits_interrupt(fleet: Simulation) -> None:
    """Where the engine publishes the ports a container has to go before the next one can come."""
    fleet.apply(spec(network="bridge"))
    wish = spec(network="bridge", resources=Resources(cpus=0.5, pids=100))
    with pytest.raises(InterruptionRefused, match="while its container is replaced"):
        fleet.apply(wish)
    assert fleet.apply(wish, consent=Consent(interruption=True)).outcome == "complete"
    assert [each.name for each in balancers(fleet)] == [A]


def test_a_stopped_balancer_in_the_other_slot_is_brought_back(fleet: Simulation) -> None:
    """Whichever slot it is in, it is the balancer: revived where it is as wanted, replaced where it is not."""
    fleet.apply(spec())
    fleet.apply(spec(bind=(Bind(81),)))
    fleet.hosts["lb1"].containers.stop(B, 1)
    assert fleet.apply(spec(bind=(Bind(81),))).exit_code == 0
    assert fleet.drift(spec(bind=(Bind(81),))) == []
    fleet.hosts["lb1"].containers.stop(balancers(fleet)[0].name, 1)
    assert fleet.apply(spec(bind=(Bind(82),))).exit_code == 0
    assert [each.running for each in balancers(fleet)] == [True]
    assert fleet.drift(spec(bind=(Bind(82),))) == []
