"""From differences to ordered steps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.errors import ProvisionerError
from provisioner.model.balancer_actions import ConfigureBalancer, StartBalancer
from provisioner.model.desired import Desired
from provisioner.model.observed import Observed
from provisioner.model.plan import (
    Action,
    BuildImage,
    DrainSlot,
    EnterRotation,
    LeaveRotation,
    Plan,
    RecordRelease,
    RemoveContainer,
    ReviveContainer,
    ShipImage,
    StartNode,
    StopContainer,
)
from provisioner.planning.lane import number
from provisioner.planning.rollout import plan
from tests import fleets

RELEASE = fleets.release(fleets.desired())


def planned(wanted: Desired, seen: Observed, **changes: object) -> Plan:
    """Return the plan from a fleet on the standard release to what is wanted."""
    goal = RELEASE if wanted == fleets.desired() else fleets.release(wanted, 2)
    return plan(fleets.scene(wanted, seen, RELEASE, **changes), goal.name)


NodeAction = StartNode | EnterRotation | LeaveRotation | DrainSlot | StopContainer | RemoveContainer | ReviveContainer


def of_nodes(found: Plan, *kinds: type[NodeAction]) -> list[NodeAction]:
    """Return the plan's actions of some kinds that belong to a node, in order."""
    every = [action for step in found.steps for action in step.actions]
    return [action for action in every if isinstance(action, NodeAction) and isinstance(action, kinds)]


def actions(found: Plan, *kinds: type[Action]) -> list[Action]:
    """Return the plan's actions of some kinds, in order."""
    return [action for step in found.steps for action in step.actions if isinstance(action, kinds)]


def kinds(found: Plan) -> list[str]:
    """Return the kinds of all actions, in order."""
    return [type(action).__name__ for step in found.steps for action in step.actions]


def debug() -> Desired:
    """Return the standard fleet with another environment."""
    return fleets.desired(fleets.spec(fleets.web_service(environment={"LOG_LEVEL": "debug"})))


def test_a_matching_fleet_gives_the_empty_plan() -> None:
    """Where nothing differs there is no step, not even a record."""
    assert planned(fleets.desired(), fleets.at_rest(fleets.desired(), RELEASE)).steps == ()


def test_nodes_change_one_after_the_other_and_start_first() -> None:
    """With parallelism 1 each node's new slot is in rotation before its old one leaves, and before the next starts."""
    found = planned(debug(), fleets.at_rest(fleets.desired(), RELEASE))
    order = [(type(a).__name__, a.node) for a in of_nodes(found, StartNode, EnterRotation, LeaveRotation)]
    expected = [
        (kind, f"{host}/web-1")
        for host in ("web1", "web2", "web3")
        for kind in ("StartNode", "EnterRotation", "LeaveRotation")
    ]
    assert order == expected
    ends = [(type(a).__name__, a.node) for a in of_nodes(found, DrainSlot, StopContainer)]
    assert ends == [(kind, f"web{n}/web-1") for kind in ("DrainSlot", "StopContainer") for n in (1, 2, 3)]


def test_the_new_container_takes_the_free_slot() -> None:
    """A node that serves from slot a starts its new container in slot b, on the second port."""
    first = actions(planned(debug(), fleets.at_rest(fleets.desired(), RELEASE)), StartNode)[0]
    assert isinstance(first, StartNode)
    assert (first.slot, first.name, first.ports[0].host_port) == ("b", "shop.web-1.b", 18001)


def test_old_containers_are_removed_after_every_node_has_changed() -> None:
    """Removal is for the end: nothing is removed before the last node is in rotation."""
    sequence = kinds(planned(debug(), fleets.at_rest(fleets.desired(), RELEASE)))
    last_entry = len(sequence) - sequence[::-1].index("EnterRotation")
    assert "RemoveContainer" not in sequence[:last_entry]
    assert sequence.count("RemoveContainer") == 3


def test_a_changed_option_reloads_no_balancer() -> None:
    """Where addresses, ports and checks stay, the balancer's file stays."""
    found = planned(debug(), fleets.at_rest(fleets.desired(), RELEASE))
    assert actions(found, ConfigureBalancer, StartBalancer) == []


def test_the_first_apply_starts_the_balancer_before_the_nodes() -> None:
    """On empty hosts everything is shipped, then the balancer starts, then all nodes at once."""
    wanted = fleets.desired()
    empty = Observed(
        tuple(replace(each, containers=(), images=(), balancer=None) for each in fleets.at_rest(wanted).hosts)
    )
    found = plan(fleets.scene(wanted, empty), "r1-0")
    sequence = kinds(found)
    assert sequence.index("ShipImage") < sequence.index("StartBalancer") < sequence.index("StartNode")
    assert [len(step.actions) for step in found.steps if isinstance(step.actions[0], StartNode)] == [3]
    assert sequence[-4:] == ["RecordRelease"] * 4


def test_an_image_that_is_not_known_is_built_once_and_shipped_to_all() -> None:
    """A changed build gives one build on this machine and one shipment a host; the release has no name yet."""
    ids = {name: image for name, image in fleets.IDS.items() if "web" not in name}
    found = planned(fleets.desired(ids=ids), fleets.at_rest(fleets.desired(), RELEASE))
    assert found.release is None
    assert len(actions(found, BuildImage)) == 1
    assert [action.host for action in actions(found, ShipImage)] == ["web1", "web2", "web3"]


def test_a_changed_check_gives_a_transitional_file_and_then_the_final_one() -> None:
    """While old and new nodes answer different checks the balancer lists both; in the end only the new."""
    check = replace(fleets.web_service().healthcheck, path="/up")
    wanted = fleets.desired(fleets.spec(fleets.web_service(healthcheck=check, environment={})))
    found = planned(wanted, fleets.at_rest(fleets.desired(), RELEASE))
    texts = [action.text for action in actions(found, ConfigureBalancer) if isinstance(action, ConfigureBalancer)]
    assert ["/healthz" in text for text in texts] == [True, False]
    assert ["/up" in text for text in texts] == [True, True]


def test_a_changed_check_only_replaces_no_container() -> None:
    """Containers stay, and each has to pass the new check beside the old one before the old one goes."""
    check = replace(fleets.web_service().healthcheck, path="/up")
    wanted = fleets.desired(fleets.spec(fleets.web_service(healthcheck=check)))
    found = planned(wanted, fleets.at_rest(fleets.desired(), RELEASE))
    assert kinds(found) == ["ConfigureBalancer", *["AwaitHealthy"] * 3, "ConfigureBalancer", *["RecordRelease"] * 4]


def test_a_host_that_is_added_joins_without_touching_the_others() -> None:
    """A new web host is listed by the balancer, gets its image and its node; no other node changes."""
    wanted = fleets.desired(webs=("web1", "web2", "web3", "web4"))
    seen = fleets.at_rest(fleets.desired(), RELEASE)
    empty = replace(fleets.host_at_rest(wanted, "web4"), containers=(), images=())
    found = planned(wanted, Observed((*seen.hosts, empty)))
    assert {action.node for action in of_nodes(found, StartNode, StopContainer)} == {"web4/web-1"}
    assert len(actions(found, ConfigureBalancer)) == 1


def test_a_host_that_left_is_drained_before_it_is_stopped_and_leaves_the_file_last() -> None:
    """A host no service matches any more is drained, stopped, struck from the file, and its container removed."""
    wanted = fleets.desired(webs=("web1", "web2"))
    found = planned(wanted, fleets.at_rest(fleets.desired(), RELEASE))
    sequence = [
        kind for kind in kinds(found) if kind in {"DrainSlot", "StopContainer", "ConfigureBalancer", "RemoveContainer"}
    ]
    assert sequence == ["DrainSlot", "StopContainer", "ConfigureBalancer", "RemoveContainer"]


def test_a_stopped_node_is_started_again_behind_its_gate() -> None:
    """A container that is right and does not run is started, judged, and let in; nothing is replaced."""
    seen = fleets.edit_container(fleets.at_rest(fleets.desired(), RELEASE), "web2", state="exited")
    found = planned(fleets.desired(), seen)
    assert kinds(found) == ["HoldSlot", "ReviveContainer", "AwaitHealthy", "EnterRotation"]
    assert {action.node for action in of_nodes(found, ReviveContainer)} == {"web2/web-1"}


def test_a_second_container_left_by_a_crash_is_taken_away() -> None:
    """Where both slots run and one is right, the other is drained, stopped and removed."""
    wanted = debug()
    seen = fleets.at_rest(fleets.desired(), RELEASE)
    old = seen.hosts[1].containers[0]
    new = fleets.container(wanted, wanted.nodes[0], "b")
    found = planned(wanted, fleets.edit(seen, "web1", containers=(old, new)))
    mine = [
        action
        for action in of_nodes(found, StartNode, DrainSlot, StopContainer, RemoveContainer)
        if "web1" in action.node
    ]
    assert [type(action).__name__ for action in mine] == ["DrainSlot", "StopContainer", "RemoveContainer"]
    assert {action.name for action in mine if isinstance(action, RemoveContainer)} == {"shop.web-1.a"}


def test_a_balancer_whose_container_differs_interrupts() -> None:
    """Replacing the balancer's container names who would notice."""
    wanted = fleets.desired()
    seen = fleets.at_rest(wanted, RELEASE)
    seen = fleets.edit_container(seen, "lb1", image_id=fleets.NEW_IMAGE)
    assert planned(wanted, seen).interrupts == ("clients of the balancer on lb1, while its container is replaced",)


def test_a_release_missing_on_a_host_is_recorded_again() -> None:
    """A host that lost its copy of the release gets it back, and nothing else happens."""
    seen = fleets.edit(fleets.at_rest(fleets.desired(), RELEASE), "web2", releases=())
    found = planned(fleets.desired(), seen)
    assert [(type(a).__name__, a.host) for a in actions(found, RecordRelease)] == [("RecordRelease", "web2")]
    assert found.actions == 1


def test_a_scope_leaves_other_hosts_alone() -> None:
    """With a limit only nodes of those hosts change."""
    found = planned(debug(), fleets.at_rest(fleets.desired(), RELEASE), scope=frozenset({"web2"}))
    assert {action.node for action in of_nodes(found, StartNode)} == {"web2/web-1"}


def test_a_port_that_would_collide_with_the_own_old_slot_is_refused() -> None:
    """Moving host_port so that the free slot needs the port the old container holds is an error with a way out."""
    seen = fleets.at_rest(fleets.desired(), RELEASE)
    moved = fleets.desired(fleets.spec(fleets.web_service(host_port=17999)))
    with pytest.raises(ProvisionerError, match="18000"):
        planned(moved, seen)


@pytest.mark.parametrize(
    ("share", "nodes", "size"), [(2, 9, 2), ("25%", 8, 2), ("25%", 3, 1), ("100%", 5, 5), (0, 5, 1)]
)
def test_parallelism_is_a_number_or_a_share_rounded_down(share: int | str, nodes: int, size: int) -> None:
    """A share never rounds to more nodes than it says, and never to none."""
    assert max(number(share, nodes), 1) == size


def test_the_order_of_observation_changes_no_plan() -> None:
    """Hosts seen in another order give the same steps."""
    seen = fleets.at_rest(fleets.desired(), RELEASE)
    assert planned(debug(), seen) == planned(debug(), Observed(tuple(reversed(seen.hosts))))
