"""`apply` from end to end on hosts in memory."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.errors import HostUnreachable, InterruptionRefused
from provisioner.hosts.memory import AppBehaviour
from provisioner.model.spec import Bind, FleetSpec, FromTemplate, LoadBalancer
from provisioner.reconcile.apply import Consent
from tests import fleets
from tests.simulation import WEBS, Simulation, checked_on, spec, without


def running(fleet: Simulation, host: str) -> list[str]:
    """Return the names of the running containers of a host."""
    seen = fleet.hosts.reader(fleet.inventory[host]).observe("shop")
    return [container.name for container in seen.containers if container.running]


def served(fleet: Simulation) -> set[str]:
    """Return the servers that get requests and answer them now.

    After a reload the balancer believes in empty slots until their first check, and goes on to the next server.
    """
    reader, now = fleet.hosts.reader(fleet.inventory["lb1"]), fleet.hosts.clock.monotonic()
    balancer = reader.container("shop.load-balancer-1.a")
    assert balancer is not None
    pool = set(fleet.balancers.pool(reader, balancer.container_id)["web"])
    states = fleet.balancers.observe(reader, balancer).servers
    places = {each.name: each.address.rsplit(":", 1) for each in states if each.backend == "web"}
    return {name for name in pool if fleet.hosts.answers(places[name][0], int(places[name][1]), None, now)}


def test_the_first_apply_ends_complete_and_uniform(fleet: Simulation) -> None:
    """On empty hosts everything is made, every node serves, and the fleet is uniform."""
    finished = fleet.apply(spec(A="1"))
    assert (finished.outcome, finished.exit_code) == ("complete", 0)
    assert fleet.status(spec(A="1")).uniform
    assert served(fleet) == {"web1.1.a", "web2.1.a", "web3.1.a"}
    assert fleet.drift(spec(A="1")) == []


def test_the_second_apply_writes_nothing(fleet: Simulation) -> None:
    """Where nothing differs nothing is written to any host, and that is said."""
    fleet.apply(spec(A="1"))
    fleet.hosts.effects.clear()
    finished = fleet.apply(spec(A="1"))
    assert (finished.outcome, finished.exit_code, fleet.writes()) == ("unchanged", 0, [])


def test_a_changed_environment_moves_every_node_to_its_other_slot(fleet: Simulation) -> None:
    """Every node runs one container, in the other slot; old ones are gone, the balancer was not reloaded."""
    fleet.apply(spec(A="1"))
    fleet.hosts.effects.clear()
    assert fleet.apply(spec(A="2")).outcome == "complete"
    assert [running(fleet, host) for host in WEBS] == [["shop.web-1.b"]] * 3
    assert served(fleet) == {"web1.1.b", "web2.1.b", "web3.1.b"}
    assert not [write for write in fleet.writes() if "lb1: put" in write or "signal" in write]


def test_never_fewer_servers_than_nodes_while_rolling(fleet: Simulation) -> None:
    """At every effect of a rollout all three nodes are served by a slot that answers."""
    fleet.apply(spec(A="1"))
    fewest: list[int] = []
    fleet.hosts.effects.before = lambda host, name: fewest.append(len(served(fleet)))
    fleet.apply(spec(A="2"))
    assert min(fewest) >= 3


def test_a_new_image_is_built_once(fleet: Simulation) -> None:
    """A changed build context is one build, and ends on every host under the same id."""
    fleet.apply(spec(A="1"))
    fleet.version = "2"
    before = len(fleet.builder.built)
    assert fleet.apply(spec(A="1")).outcome == "complete"
    assert len(fleet.builder.built) - before == 1
    assert len({node.image_id for node in fleet.status(spec(A="1")).nodes}) == 1


@pytest.mark.parametrize(
    "behaviour",
    [
        AppBehaviour(exits_after=0.5, exit_code=3, log=("boom",)),
        AppBehaviour(healthy_paths=frozenset({"/other"})),
        AppBehaviour(starts_listening_after=999.0),
    ],
    ids=["crashes", "wrong path", "never listens"],
)
def test_a_node_that_fails_its_gate_is_removed_and_its_old_slot_serves(
    fleet: Simulation, behaviour: AppBehaviour
) -> None:
    """The first node fails: taken back, exit 3, no second container left, and all old slots in rotation."""
    fleet.apply(spec(A="1"))
    fleet.version = "2"
    fleet.behave(behaviour)
    finished = fleet.apply(spec(A="1"))
    assert (finished.outcome, finished.exit_code) == ("rolled_back", 3)
    assert [running(fleet, host) for host in WEBS] == [["shop.web-1.a"]] * 3
    assert served(fleet) == {"web1.1.a", "web2.1.a", "web3.1.a"}


def aborting() -> FleetSpec:
    """Return the standard fleet that takes back the node that fails, and no other."""
    wanted = spec(A="1")
    return replace(wanted, rollout=replace(wanted.rollout, on_failure="abort"))


def test_a_node_that_fails_after_others_changed_leaves_the_fleet_mixed(fleet: Simulation) -> None:
    """The second node fails and nothing is to be rolled back: exit 6, the first stays new, the others stay old."""
    fleet.apply(aborting())
    fleet.version = "2"
    fleet.behave(AppBehaviour())
    image = fleet.builder.find(fleet.intent(aborting()).tags["web"])
    assert image is not None
    fleet.hosts.own_behaviours["web2"][image.image_id] = AppBehaviour(exits_after=0.1, exit_code=1)
    finished = fleet.apply(aborting())
    assert (finished.outcome, finished.exit_code) == ("halted", 6)
    assert [running(fleet, host) for host in WEBS] == [["shop.web-1.b"], ["shop.web-1.a"], ["shop.web-1.a"]]
    assert not fleet.status(aborting()).uniform


def test_the_same_command_goes_on_after_the_fault_is_gone(fleet: Simulation) -> None:
    """A rollout that stopped half-way is finished by the next apply, which leaves nothing behind."""
    test_a_node_that_fails_after_others_changed_leaves_the_fleet_mixed(fleet)
    fleet.hosts.own_behaviours["web2"].clear()
    assert fleet.apply(spec(A="1")).outcome == "complete"
    assert fleet.status(spec(A="1")).uniform
    assert fleet.drift(spec(A="1")) == []


def test_a_check_that_no_node_passes_takes_nothing_out(fleet: Simulation) -> None:
    """A mistyped health path ends in exit 3 with every node still served."""
    fleet.behave(AppBehaviour(healthy_paths=frozenset({"/healthz"})))
    fleet.apply(checked_on("/healthz"))
    finished = fleet.apply(checked_on("/helthz"))
    assert finished.exit_code == 3
    assert served(fleet) >= {"web1.1.a", "web2.1.a", "web3.1.a"}
    assert fleet.apply(checked_on("/healthz")).outcome == "unchanged"
    assert fleet.drift(checked_on("/healthz")) == []


def test_a_changed_check_that_passes_ends_with_the_final_file(fleet: Simulation) -> None:
    """A health path that the nodes do answer is taken over without a new container."""
    fleet.apply(checked_on("/healthz"))
    assert fleet.apply(checked_on("/up")).outcome == "complete"
    assert [running(fleet, host) for host in WEBS] == [["shop.web-1.a"]] * 3
    assert fleet.drift(checked_on("/up")) == []


def test_a_changed_port_goes_through_a_transitional_file(fleet: Simulation) -> None:
    """A service that moves to other host ports is served at every moment."""
    fleet.apply(spec())
    moved = fleets.spec(fleets.web_service(environment={}, host_port=19000))
    fewest: list[int] = []
    fleet.hosts.effects.before = lambda host, name: fewest.append(len(served(fleet)))
    assert fleet.apply(moved).outcome == "complete"
    assert min(fewest) >= 3
    assert fleet.drift(moved) == []


def test_a_limit_changes_only_its_hosts_and_serves_the_others_as_they_are(fleet: Simulation) -> None:
    """With new ports for one host the others go on at their old ones, until the whole fleet follows."""
    fleet.apply(spec())
    moved = fleets.spec(fleets.web_service(environment={}, host_port=19000))
    fewest: list[int] = []
    fleet.hosts.effects.before = lambda host, name: fewest.append(len(served(fleet)))
    assert fleet.apply(moved, scope=frozenset({"web2"})).exit_code == 0
    assert [running(fleet, host) for host in WEBS] == [["shop.web-1.a"], ["shop.web-1.b"], ["shop.web-1.a"]]
    assert len(served(fleet)) == 3
    assert fleet.apply(moved).outcome == "complete"
    assert min(fewest) >= 3
    assert fleet.drift(moved) == []


def test_a_host_that_is_added_is_brought_up(fleet: Simulation) -> None:
    """A new web host joins; the others are not touched."""
    fleet.apply(spec(A="1"), webs=("web1", "web2"))
    fleet.hosts.effects.clear()
    assert fleet.apply(spec(A="1")).outcome == "complete"
    assert served(fleet) == {"web1.1.a", "web2.1.a", "web3.1.a"}
    assert not [write for write in fleet.writes() if write.startswith(("web1: create", "web1: stop"))]


def test_a_host_no_service_matches_any_more_is_cleaned(fleet: Simulation) -> None:
    """A host that left the group is out of rotation, and carries nothing of the fleet any more."""
    fleet.apply(spec(A="1"))
    assert fleet.apply(spec(A="1"), webs=("web1", "web2")).outcome == "complete"
    assert served(fleet) == {"web1.1.a", "web2.1.a"}
    seen = fleet.hosts.reader(fleet.inventory["web3"]).observe("shop")
    assert (seen.containers, seen.releases) == ((), ())


def test_a_host_that_left_the_inventory_is_found_through_the_last_release(fleet: Simulation) -> None:
    """A host the inventory does not name any more is reached as it was reached before, and cleaned."""
    fleet.apply(spec(A="1"))
    fleet.inventory = without(fleet.inventory, "web3")
    assert fleet.apply(spec(A="1"), webs=("web1", "web2")).outcome == "complete"
    assert fleet.hosts.reader(fleets.host("web3")).observe("shop").containers == ()


def test_a_host_that_left_and_cannot_be_reached_is_out_of_rotation_and_named(fleet: Simulation) -> None:
    """It gets no requests, the exit is 4 until it is seen clean or forgotten, and then it is cleaned."""
    fleet.apply(spec(A="1"))
    fleet.hosts["web3"].cut()
    finished = fleet.apply(spec(A="1"), webs=("web1", "web2"))
    assert (finished.exit_code, "web3" in finished.message) == (4, True)
    assert served(fleet) == {"web1.1.a", "web2.1.a"}
    again = fleet.apply(spec(A="1"), webs=("web1", "web2"))
    assert (again.outcome, again.exit_code) == ("unchanged", 4)
    fleet.hosts["web3"].restore()
    assert fleet.apply(spec(A="1"), webs=("web1", "web2")).exit_code == 0
    assert fleet.hosts.reader(fleets.host("web3")).observe("shop").containers == ()
    assert fleet.apply(spec(A="1"), webs=("web1", "web2")).outcome == "unchanged"


def test_an_unreachable_host_stops_the_rollout_before_anything_moves(fleet: Simulation) -> None:
    """Where a host of the fleet does not answer nothing is written anywhere, and the exit is 4."""
    fleet.apply(spec(A="1"))
    fleet.hosts["web2"].cut()
    fleet.hosts.effects.clear()
    finished = fleet.apply(spec(A="2"))
    assert (finished.outcome, finished.exit_code, fleet.writes()) == ("failed", 4, [])


def test_a_changed_balancer_container_needs_consent(fleet: Simulation) -> None:
    """Replacing the balancer is refused by name, and done when it is allowed."""
    fleet.apply(spec(A="1"))
    balancer = LoadBalancer("lb", FromTemplate("haproxy"), bind=(Bind(81),))
    other = replace(spec(A="1"), load_balancer=balancer)
    with pytest.raises(InterruptionRefused, match="lb1"):
        fleet.apply(other)
    assert fleet.apply(other, consent=Consent(interruption=True)).outcome == "complete"
    assert fleet.drift(other) == []


def test_who_does_not_agree_changes_nothing(fleet: Simulation) -> None:
    """A plan that nobody agrees to is not carried out."""
    finished = fleet.apply(spec(A="1"), consent=Consent(approve=lambda: False))
    assert (finished.exit_code, fleet.writes()) == (1, [])


def test_a_run_that_is_asked_to_stop_finishes_its_step_and_goes_on_later(fleet: Simulation) -> None:
    """Interrupted in mid-rollout the exit is 130, everything is still served, and the same command goes on."""
    fleet.apply(spec(A="1"))
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 5

    finished = fleet.apply(spec(A="2"), consent=Consent(stop=stop))
    assert (finished.outcome, finished.exit_code) == ("interrupted", 130)
    assert len(served(fleet)) >= 3
    assert fleet.apply(spec(A="2")).outcome == "complete"
    assert fleet.drift(spec(A="2")) == []


def test_what_was_changed_by_hand_is_put_right(fleet: Simulation) -> None:
    """Containers stopped, paused or removed, and a balancer that is gone, come back."""
    fleet.apply(spec(A="1"))
    fleet.hosts["web1"].containers.stop("shop.web-1.a", 1)
    fleet.hosts["web2"].containers.remove("shop.web-1.a")
    fleet.hosts["web3"].pause("shop.web-1.a")
    assert {kind for _, kind, _, _ in fleet.drift(spec(A="1"))} == {"container", "state", "restart"}
    assert fleet.apply(spec(A="1")).outcome == "complete"
    fleet.hosts["lb1"].containers.remove("shop.load-balancer-1.a")
    assert fleet.apply(spec(A="1")).outcome == "complete"
    assert fleet.drift(spec(A="1")) == []


class Died(BaseException):
    """Stands for a controller that is killed: nothing of ours catches it."""


def effects_of(fleet: Simulation, after: dict[str, str]) -> int:
    """Return how many effects a rollout to another environment has."""
    fleet.hosts.effects.clear()
    fleet.apply(spec(**after))
    return len(fleet.writes())


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_controller_that_dies_at_any_effect_is_followed_by_one_that_converges(fleet: Simulation, moment: str) -> None:
    """Killed before or after the n-th effect of a rollout, for every n, the same command ends uniform and clean."""
    fleet.apply(spec(A="0"))
    total = effects_of(fleet, {"A": "1"})
    assert total > 20
    for number in range(total):
        wish = spec(A=str(number + 2))
        left = [number]

        def kill(host: str, name: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Died

        setattr(fleet.hosts.effects, moment, kill)
        with pytest.raises(Died):
            fleet.apply(wish)
        setattr(fleet.hosts.effects, moment, None)
        assert len({name.split(".")[0] for name in served(fleet)}) == 3, number
        finished = fleet.apply(wish)
        assert (finished.exit_code, fleet.drift(wish)) == (0, []), (number, finished.message)
        assert [len(running(fleet, host)) for host in WEBS] == [1, 1, 1], number


def test_a_host_lost_in_mid_rollout_stops_it(fleet: Simulation) -> None:
    """A host that stops answering in its own step ends the rollout; no further node is touched."""
    fleet.apply(spec(A="1"))

    def lose(host: str, name: str) -> None:
        if host == "web2" and name.startswith("create"):
            fleet.hosts["web2"].cut()
            raise HostUnreachable("web2", "connection reset")

    fleet.hosts.effects.before = lose
    finished = fleet.apply(spec(A="2"))
    assert finished.exit_code in {4, 6}
    assert running(fleet, "web3") == ["shop.web-1.a"]
