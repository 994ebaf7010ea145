"""The order of a rollout: canary, batches, watches beside them, and what leaves when."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.model.desired import Desired
from provisioner.model.plan import ConfirmCapacity, EnterRotation, LeaveRotation, Plan, RunReleaseCommand, WatchSlot
from provisioner.model.spec import RolloutPolicy
from provisioner.planning.desire import ImageIndex, desire
from provisioner.planning.lane import beside, number
from provisioner.planning.rollout import plan
from tests import fleets

RELEASE = fleets.release(fleets.desired())
WATCHED = replace(fleets.POLICY, canary=1, canary_soak=3.0, monitor=2.0)


def debug() -> Desired:
    """Return the standard fleet with another environment."""
    return fleets.desired(fleets.spec(fleets.web_service(environment={"LOG_LEVEL": "debug"})))


def planned(policy: RolloutPolicy, wanted: Desired | None = None, **more: object) -> Plan:
    """Return the plan of a changed environment under a policy."""
    seen = fleets.at_rest(fleets.desired(), RELEASE)
    return plan(fleets.scene(wanted or debug(), seen, RELEASE, policy=policy, **more), "r2-0")


def order(found: Plan) -> list[str]:
    """Return who enters at which share, is watched, or leaves, in order."""
    words = {"LeaveRotation": "leave", "DrainSlot": "drain", "ConfirmCapacity": "ask"}
    told = []
    for step in found.steps:
        for each in step.actions:
            kind = type(each).__name__
            node = getattr(each, "node", "").partition("/")[0]
            if isinstance(each, EnterRotation):
                told.append(f"{node} {each.share}")
            elif isinstance(each, WatchSlot):
                told.append(f"{node} watch {each.seconds:g}")
            elif kind in words:
                told.append(f"{node} {words[kind]}".strip())
    return told


def test_a_canary_is_soaked_and_watches_run_beside_the_following_batches() -> None:
    """A node leaves its old slot when it was watched: two batches later where the watch takes as long as two."""
    assert order(planned(WATCHED)) == [
        "web1 10", "web1 watch 3",
        "web2 10",
        "web3 10", "web1 watch 2", "web1 100", "ask", "web1 leave",
        "web2 watch 2", "web2 100", "ask", "web2 leave",
        "web3 watch 2", "web3 100", "ask", "web3 leave",
        "web1 drain", "web2 drain", "web3 drain",
    ]  # fmt: skip


def test_what_retires_an_old_slot_says_what_brings_it_back() -> None:
    """The old container first, since nothing else of the node may serve; then its new one goes."""
    left = next(step for step in planned(WATCHED).steps if isinstance(step.actions[0], LeaveRotation))
    assert [(type(each).__name__, getattr(each, "slot", "")) for each in left.undo] == [
        ("HoldSlot", "a"), ("ReviveContainer", ""), ("AwaitHealthy", "a"), ("EnterRotation", "a"),
        ("DrainSlot", "b"), ("RemoveContainer", ""), ("RestSlot", "b"),
    ]  # fmt: skip
    assert {getattr(each, "node", "") for each in left.undo} == {"web1/web-1"}


def test_without_soak_and_monitor_nothing_is_capped() -> None:
    """Each node gets its full share at once and its old slot leaves before the next begins."""
    found = order(planned(fleets.POLICY))
    assert found[:4] == ["web1 100", "ask", "web1 leave", "web2 100"]


def test_what_has_left_empties_beside_the_following_batches() -> None:
    """Nobody waits for old sessions between two batches: a slot is ended when its time is up, the last ones at once."""
    found = order(planned(replace(fleets.POLICY, min_healthy_time=5.0, drain_timeout=8.0)))
    assert found == [
        "web1 100", "ask", "web1 leave",
        "web2 100", "ask", "web2 leave",
        "web3 100", "ask", "web3 leave", "web1 drain",
        "web2 drain", "web3 drain",
    ]  # fmt: skip


def test_a_worker_ends_as_soon_as_its_successor_runs() -> None:
    """No balancer sends it anything, so there is nothing to wait for, and two at once might do the same work twice."""
    wanted = [fleets.desired(fleets.spec(fleets.web_service(port=None, environment={"L": each}))) for each in "12"]
    release = fleets.release(wanted[0])
    seen = fleets.at_rest(wanted[0], release)
    found = plan(fleets.scene(wanted[1], seen, release, policy=fleets.POLICY), "r2-0")
    kinds = [type(each).__name__ for step in found.steps for each in step.actions]
    assert [each for each in kinds if each in {"StartNode", "StopContainer"}] == ["StartNode", "StopContainer"] * 3


def test_stop_first_takes_a_node_out_before_its_successor_enters() -> None:
    """The balancer is asked for all nodes but those of the batch; only a canary is capped."""
    found = planned(replace(WATCHED, order="stop-first", monitor=0.0))
    assert order(found) == [
        "ask", "web1 drain", "web1 10", "web1 watch 3", "web1 100",
        "ask", "web2 drain", "web2 100",
        "ask", "web3 drain", "web3 100",
    ]  # fmt: skip
    floors = [each.floor for step in found.steps for each in step.actions if isinstance(each, ConfirmCapacity)]
    assert (floors, found.interrupts) == ([2, 2, 2], ())


def test_stop_first_with_all_nodes_at_once_interrupts() -> None:
    """Where no node would be left somebody notices, and that is said."""
    found = planned(replace(WATCHED, order="stop-first", parallelism="100%", canary=0))
    assert "clients of web, while its nodes are replaced stop-first" in found.interrupts


@pytest.mark.parametrize("algorithm", ["source", "first", "static-rr"])
def test_a_balancer_that_cannot_weigh_is_not_asked_to(algorithm: str) -> None:
    """Under such an algorithm a fresh node gets its full share, and is watched all the same."""
    seen = fleets.at_rest(fleets.desired(), RELEASE)
    balancer = replace(fleets.spec().load_balancer, algorithm=algorithm)  # type: ignore[type-var]  # there is one
    service = fleets.web_service(environment={"LOG_LEVEL": "debug"})
    before = fleets.desired(replace(fleets.spec(), load_balancer=balancer))
    wanted = fleets.desired(replace(fleets.spec(service), load_balancer=balancer))
    release = fleets.release(before)
    seen = fleets.at_rest(before, release)
    found = order(plan(fleets.scene(wanted, seen, release, policy=WATCHED), "r2-0"))
    assert found[:2] == ["web1 100", "web1 watch 3"]


def test_every_balancer_is_asked_before_a_slot_leaves() -> None:
    """The question names what leaves, and how many nodes have to stay."""
    found = planned(fleets.POLICY)
    asked = next(each for step in found.steps for each in step.actions if isinstance(each, ConfirmCapacity))
    assert (asked.host, asked.leaving, asked.nodes, asked.floor) == ("lb1", ("web1.1.a",), ("web1/web-1",), 3)


@pytest.mark.parametrize(("monitor", "steady", "lag"), [(0.0, 5.0, 0), (15.0, 5.0, 3), (2.0, 5.0, 1), (2.0, 0.0, 2)])
def test_how_many_batches_fit_into_a_watch(monitor: float, steady: float, lag: int) -> None:
    """A batch takes at least the time its node has to stay healthy, and a second in any case."""
    assert beside(RolloutPolicy(min_healthy_time=steady), monitor) == lag


@pytest.mark.parametrize(
    ("share", "nodes", "found"), [(0, 5, 0), ("0%", 5, 0), (2, 5, 2), ("10%", 5, 1), ("50%", 5, 2)]
)
def test_numbers_and_shares_of_nodes(share: int | str, nodes: int, found: int) -> None:
    """A share that is not nothing is one at the least."""
    assert number(share, nodes) == found


def test_a_release_command_comes_before_anything_moves_and_only_for_something_new() -> None:
    """It is run for a changed service once, and not where a node runs the new one already."""
    commands = {"web": ("migrate",)}
    first = [type(step.actions[0]).__name__ for step in planned(fleets.POLICY, commands=commands).steps]
    assert first.index("RunReleaseCommand") < first.index("HoldSlot")
    assert not _commands(planned(fleets.POLICY, fleets.desired(), commands=commands))
    wanted = debug()
    seen = fleets.at_rest(fleets.desired(), RELEASE)
    moved = fleets.edit(seen, "web1", containers=(fleets.container(wanted, wanted.nodes[0], "b"),))
    again = plan(fleets.scene(wanted, moved, RELEASE, commands=commands), "r2-0")
    assert not _commands(again)


def _commands(found: Plan) -> list[object]:
    return [each for step in found.steps for each in step.actions if isinstance(each, RunReleaseCommand)]


def on_two_balancers(level: str) -> Desired:
    """Return the standard fleet behind two balancers."""
    fleet = fleets.spec(fleets.web_service(environment={"LOG_LEVEL": level}))
    placed = fleets.placement(fleet)
    both = replace(placed, balancers=("lb1", "lb2"), hosts={**placed.hosts, "lb2": fleets.host("lb2")})
    return desire(fleet, both, ImageIndex(fleets.TAGS, fleets.IDS), fleets.text_of)


def test_a_step_acts_on_every_balancer_and_waits_for_all_of_them() -> None:
    """Holding, judging, entering, watching, asking, leaving, draining and enabling stand in one step for both."""
    before = on_two_balancers("info")
    release = fleets.release(before)
    seen = fleets.at_rest(before, release)
    found = plan(fleets.scene(on_two_balancers("debug"), seen, release, policy=WATCHED), "r2-0")
    kinds = {"HoldSlot", "AwaitHealthy", "EnterRotation", "WatchSlot", "ConfirmCapacity", "LeaveRotation", "DrainSlot"}
    kinds.add("RestSlot")
    told = [
        (type(step.actions[0]).__name__, [each.host for each in step.actions])
        for step in found.steps
        if type(step.actions[0]).__name__ in kinds
    ]
    assert {kind for kind, _ in told} == kinds
    assert all(hosts == ["lb1", "lb2"] * (len(hosts) // 2) for _, hosts in told)
