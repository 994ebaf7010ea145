"""Rollouts that go wrong, on hosts in memory: what is judged, what follows, and what is left in the end."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.hosts.memory import AppBehaviour
from provisioner.model.event import ActionFailed, Finished, RolledBack, StepStarted
from provisioner.model.plan import EnterRotation, RunReleaseCommand, WatchSlot
from provisioner.model.spec import FleetSpec, HealthCheck
from provisioner.reconcile.apply import Consent
from provisioner.reconcile.chronicle import history, open_archive
from tests import fleets
from tests.reconcile.test_apply import running, served
from tests.simulation import WEBS, Simulation, spec

WATCHED = {"canary": 1, "canary_soak": 5.0, "monitor": 8.0}
OLD, NEW = [["shop.web-1.a"]] * 3, [["shop.web-1.b"]] * 3


def watched(**more: object) -> FleetSpec:
    """Return the standard fleet, its fresh nodes watched."""
    wanted = spec(A="1")
    return replace(wanted, rollout=replace(wanted.rollout, **{**WATCHED, **more}))  # type: ignore[arg-type]  # as named


def on_all(fleet: Simulation) -> list[list[str]]:
    """Return the running containers, host by host."""
    return [running(fleet, host) for host in WEBS]


def failing(fleet: Simulation, behaviour: AppBehaviour, wanted: FleetSpec, host: str = "") -> Finished:
    """Apply a fleet, then another version of it that behaves so, everywhere or on one host, under requests."""
    assert fleet.apply(wanted).outcome == "complete"
    fleet.balancers.rate = 50.0
    fleet.version = "2"
    fleet.behave(AppBehaviour() if host else behaviour)
    if host:
        image = fleet.builder.find(fleet.intent(wanted).tags["web"])
        assert image is not None
        fleet.hosts.own_behaviours[host][image.image_id] = behaviour
    return fleet.apply(wanted)


BAD = {
    "crashes at once": AppBehaviour(exits_after=0.3, exit_code=3),
    "crashes after 5 s": AppBehaviour(exits_after=5.0, exit_code=3),
    "crashes in the monitor window": AppBehaviour(exits_after=9.0, exit_code=3),
    "never healthy": AppBehaviour(healthy_paths=frozenset({"/other"})),
    "healthy half the time": AppBehaviour(sick_every=1.5),
    "wrong port": AppBehaviour(starts_listening_after=999.0),
    "500 on real requests": AppBehaviour(failing_requests=1.0),
    "out of memory": AppBehaviour(exits_after=4.0, exit_code=137, out_of_memory=True),
}


@pytest.mark.parametrize("behaviour", BAD.values(), ids=BAD)
def test_a_bad_release_is_rolled_back_and_the_fleet_is_one_again(fleet: Simulation, behaviour: AppBehaviour) -> None:
    """Exit 3, one fingerprint, every old container serving, nothing of the new one left, and it is told."""
    finished = failing(fleet, behaviour, watched())
    assert (finished.outcome, finished.exit_code) == ("rolled_back", 3), finished.message
    assert on_all(fleet) == OLD
    assert served(fleet) == {"web1.1.a", "web2.1.a", "web3.1.a"}
    fleet.version = "1"
    assert fleet.drift(watched()) == []
    status = fleet.status(watched())
    assert (status.uniform, status.release) == (True, finished.release)
    assert any(isinstance(event, RolledBack) for event in fleet.sink.events)


def test_never_fewer_servers_than_nodes_while_going_back(fleet: Simulation) -> None:
    """A release that fails on the last node is taken back from all, and every node is served at every effect."""
    fewest: list[int] = []

    def count(host: str, name: str) -> None:
        if fleet.balancers.rate:
            fewest.append(len({each.split(".")[0] for each in served(fleet)}))

    fleet.hosts.effects.before = count
    finished = failing(fleet, AppBehaviour(exits_after=0.5, exit_code=1), watched(monitor=2.0), "web3")
    assert (finished.outcome, on_all(fleet)) == ("rolled_back", OLD)
    assert min(fewest) >= 3


def test_old_containers_are_revived_not_made_again(fleet: Simulation) -> None:
    """Nodes that were over already go back to the very containers they had, with their restart policy."""
    made: list[str] = []
    fleet.hosts.effects.before = lambda host, name: made.append(f"{host}: {name}")
    finished = failing(fleet, BAD["crashes at once"], watched(monitor=0.0), "web3")
    assert (finished.exit_code, on_all(fleet)) == (3, OLD)
    assert [made.count(f"{host}: create shop.web-1.a") for host in WEBS] == [1, 1, 1]
    kept = [fleet.hosts[host].reader.container("shop.web-1.a") for host in WEBS]
    assert {each.options.restart for each in kept if each} == {"unless-stopped"}


def test_a_canary_is_judged_beside_the_old_slot_and_costs_no_capacity(fleet: Simulation) -> None:
    """The slot that fails is out within a second of its third bad answer; only a tenth of a peer's share went there."""
    finished = failing(fleet, AppBehaviour(failing_requests=1.0), watched())
    assert finished.exit_code == 3
    (failed,) = [event for event in fleet.sink.events if isinstance(event, ActionFailed)]
    assert isinstance(failed.action, WatchSlot)
    assert "requests to it failed" in failed.error
    entered = [
        e.step for e in fleet.sink.events if isinstance(e, StepStarted) and isinstance(e.step.actions[0], EnterRotation)
    ]
    assert "at 10 % of a peer's share" in entered[-1].title
    titles = [event.step.title for event in fleet.sink.events if isinstance(event, StepStarted)]
    assert not any("drain" in title for title in titles)
    assert titles.count("lb1: give the balancer its file") == 0


def test_a_stray_error_triggers_nothing(fleet: Simulation) -> None:
    """A fault of few requests in a thousand ends complete."""
    assert failing(fleet, AppBehaviour(failing_requests=0.005), watched()).outcome == "complete"
    assert on_all(fleet) == NEW


def test_a_fault_that_peers_share_does_not_speak_against_the_fresh_node(fleet: Simulation) -> None:
    """Where old and new fail alike the rollout goes on."""
    fleet.behave(AppBehaviour(failing_requests=0.2))
    assert failing(fleet, AppBehaviour(failing_requests=0.2), watched()).outcome == "complete"


def test_a_good_release_ends_with_full_shares_and_waits_for_the_last_watch_only(fleet: Simulation) -> None:
    """Three nodes watched for 8 s each are over in far less than three times that."""
    fleet.apply(watched())
    fleet.version = "2"
    finished = fleet.apply(watched())
    assert (finished.outcome, on_all(fleet)) == ("complete", NEW)
    assert finished.seconds < 8.0 + 5.0 + 12.0
    assert fleet.drift(watched()) == []


def test_pause_leaves_the_failed_node_out_of_rotation_to_be_looked_at(fleet: Simulation) -> None:
    """Exit 6, the container is still there and gets no request; the same command goes on once the fault is gone."""
    finished = failing(fleet, AppBehaviour(healthy_paths=frozenset({"/other"})), watched(on_failure="pause"))
    assert (finished.outcome, finished.exit_code) == ("paused", 6)
    assert running(fleet, "web1") == ["shop.web-1.a", "shop.web-1.b"]
    assert served(fleet) == {"web1.1.a", "web2.1.a", "web3.1.a"}
    fleet.hosts["web1"].behave("shop.web-1.b", AppBehaviour())
    fleet.behave(AppBehaviour())
    assert fleet.apply(watched(on_failure="pause")).outcome == "complete"
    assert fleet.drift(watched()) == []


def test_abort_takes_the_failing_node_back_and_leaves_the_rest(fleet: Simulation) -> None:
    """The first node failing is exit 1, a later one exit 6, and it is told which node runs what."""
    aborting = watched(on_failure="abort", monitor=0.0)
    assert failing(fleet, BAD["crashes at once"], aborting).exit_code == 1
    assert on_all(fleet) == OLD
    fleet.version = "3"
    fleet.behave(AppBehaviour())
    image = fleet.builder.find(fleet.intent(aborting).tags["web"])
    assert image is not None
    fleet.hosts.own_behaviours["web2"][image.image_id] = BAD["crashes at once"]
    finished = fleet.apply(aborting)
    assert (finished.outcome, finished.exit_code) == ("halted", 6)
    assert "web2/web-1, web3/web-1: r1-" in finished.message
    assert "web1/web-1: r2-" in finished.message


def test_as_many_failures_as_are_allowed_are_taken_back_and_the_end_says_mixed(fleet: Simulation) -> None:
    """One of three may fail: it stays old, the others change, exit 6, and the release is no target to go back to."""
    finished = failing(fleet, BAD["crashes at once"], watched(max_failures=1), "web2")
    assert (finished.outcome, finished.exit_code) == ("halted", 6)
    assert on_all(fleet) == [["shop.web-1.b"], ["shop.web-1.a"], ["shop.web-1.b"]]
    assert "web2/web-1" in finished.message
    assert len({each.split(".")[0] for each in served(fleet)}) == 3


def test_a_host_that_is_lost_in_the_middle_pauses_and_no_second_one_leaves(fleet: Simulation) -> None:
    """Exit 4, and the command completes when the host is back."""
    fleet.apply(watched())
    fleet.version = "2"
    fleet.hosts.effects.before = lambda host, name: (
        fleet.hosts["web2"].cut() if (host, name) == ("web2", "create shop.web-1.b") else None
    )
    finished = fleet.apply(watched())
    fleet.hosts.effects.before = None
    assert (finished.outcome, finished.exit_code) == ("paused", 4), finished.message
    assert len({each.split(".")[0] for each in served(fleet)}) == 3
    fleet.hosts["web2"].restore()
    assert fleet.apply(watched()).outcome == "complete"
    assert (on_all(fleet), fleet.drift(watched())) == (NEW, [])


def test_a_lost_host_may_lead_to_a_way_back_for_the_others(fleet: Simulation) -> None:
    """With `on_unreachable: rollback` the nodes that changed go back; the host that is not seen makes it exit 4."""
    wanted = watched(on_unreachable="rollback", monitor=0.0)
    fleet.apply(wanted)
    fleet.version = "2"
    fleet.hosts.effects.before = lambda host, name: (
        fleet.hosts["web2"].cut() if (host, name) == ("web2", "create shop.web-1.b") else None
    )
    finished = fleet.apply(wanted)
    fleet.hosts.effects.before = None
    assert (finished.outcome, finished.exit_code) == ("paused", 4), finished.message
    fleet.hosts["web2"].restore()
    assert on_all(fleet) == OLD
    assert len(served(fleet)) == 3


def test_a_worker_of_the_balancer_that_begins_anew_fails_no_node(fleet: Simulation) -> None:
    """Restarted in mid-watch it counts from nothing; the fresh slot is capped again, and the rollout completes."""
    fleet.apply(watched())
    fleet.balancers.rate = 50.0
    fleet.version = "2"
    again = [True]

    def restart(host: str, name: str) -> None:
        if (host, name) == ("web2", "create shop.web-1.b") and again.pop():
            fleet.hosts["lb1"].restart("shop.load-balancer-1.a")

    fleet.hosts.effects.before = restart
    finished = fleet.apply(watched())
    assert (finished.outcome, on_all(fleet)) == ("complete", NEW), finished.message
    assert fleet.drift(watched()) == []


def test_capacity_below_the_floor_pauses(fleet: Simulation) -> None:
    """A peer that dies meanwhile counts: no old slot leaves rotation any more."""
    fleet.apply(watched())
    fleet.version = "2"
    fleet.behave(AppBehaviour())
    fleet.hosts.effects.before = lambda host, name: (
        fleet.hosts["web3"].power_off() if (host, name) == ("web2", "create shop.web-1.b") else None
    )
    fleet.hosts.effects.clear()
    finished = fleet.apply(watched())
    assert (finished.outcome, finished.exit_code) == ("paused", 4), finished.message
    assert not [write for write in fleet.writes() if " stop " in write]


def test_a_release_that_failed_is_kept_and_the_same_content_gets_a_new_number(fleet: Simulation) -> None:
    """History tells it as rolled back and not stable; the fleet is on the one before; a retry is another release."""
    failing(fleet, BAD["never healthy"], watched())
    archive = open_archive(fleet.world().lookout, fleet.inventory, "shop")
    told = [(each.number, each.outcome, each.stable) for each in history(archive).chapters]
    assert told == [(2, "rolled_back", False), (1, "complete", True)]
    fleet.behave(AppBehaviour())
    finished = fleet.apply(watched())
    assert (finished.outcome, (finished.release or "")[:3]) == ("complete", "r3-")


def test_the_first_release_has_nothing_to_go_back_to(fleet: Simulation) -> None:
    """A first apply that fails ends as failed, with exit 1."""
    fleet.behave(BAD["never healthy"])
    finished = fleet.apply(watched())
    assert (finished.outcome, finished.exit_code, finished.release) == ("failed", 1, None)


def test_a_way_back_that_fails_too_says_who_runs_what(fleet: Simulation) -> None:
    """Where the old containers do not come up either, exit 6 and every node with what it runs."""
    fleet.apply(watched(monitor=0.0, drain_timeout=0.0))
    fleet.version = "2"
    fleet.behave(AppBehaviour())
    image = fleet.builder.find(fleet.intent(watched()).tags["web"])
    assert image is not None
    fleet.hosts.own_behaviours["web3"][image.image_id] = BAD["crashes at once"]

    def break_old(host: str, name: str) -> None:
        if (host, name) == ("web3", "create shop.web-1.b"):
            fleet.hosts["web1"].images.remove("nothing")
            held = fleet.hosts["web1"].machine.need("shop.web-1.a")
            held.behaviour = BAD["crashes at once"]

    fleet.hosts.effects.before = break_old
    finished = fleet.apply(watched(monitor=0.0, drain_timeout=0.0))
    assert (finished.outcome, finished.exit_code) == ("halted", 6)
    assert "web1/web-1" in finished.message


def test_stop_first_takes_a_node_out_before_its_successor_starts(fleet: Simulation) -> None:
    """One node is out at a time, the balancer is asked first, and a failure brings the old container back."""
    wanted = watched(order="stop-first", canary_soak=1.0, monitor=1.0)
    fewest: list[int] = []
    fleet.apply(wanted)
    fleet.hosts.effects.before = lambda host, name: fewest.append(len(served(fleet)))
    fleet.version = "2"
    assert fleet.apply(wanted).outcome == "complete"
    assert min(fewest) == 2
    fleet.version = "3"
    fleet.behave(BAD["never healthy"])
    finished = fleet.apply(wanted)
    assert (finished.outcome, finished.exit_code) == ("rolled_back", 3), finished.message
    assert on_all(fleet) == NEW


def test_a_release_command_runs_once_before_anything_moves(fleet: Simulation) -> None:
    """It runs in the new image on one host; its failing stops the run with nothing changed; again it runs again."""
    fleet.apply(watched())
    fleet.version = "2"
    fleet.behave(AppBehaviour(exits_after=0.5))
    finished = apply_with(fleet, ("migrate",))
    ran = [
        e for e in fleet.sink.events if isinstance(e, StepStarted) and isinstance(e.step.actions[0], RunReleaseCommand)
    ]
    assert len(ran) == 1
    assert finished.exit_code == 3  # the app itself ends after half a second too
    fleet.behave(AppBehaviour(exits_after=0.5, exit_code=4, log=("no such table",)))
    fleet.hosts.effects.clear()
    finished = apply_with(fleet, ("migrate",))
    assert (finished.outcome, finished.exit_code) == ("failed", 1)
    assert "exit code 4" in finished.message
    assert not [write for write in fleet.writes() if "set_state" in write or "web-1" in write]
    assert [write for write in fleet.writes() if "remove shop.web.release-command" in write]


def apply_with(fleet: Simulation, command: tuple[str, ...]) -> Finished:
    """Apply the watched fleet with a release command of its web service."""
    wanted = watched()
    service = replace(wanted.services["web"], release_command=command)
    return fleet.apply(replace(wanted, services={"web": service}), consent=Consent())


class Died(BaseException):
    """Stands for a controller that is killed: nothing of ours catches it."""


@pytest.mark.slow
@pytest.mark.parametrize("order", ["start-first", "stop-first"])
def test_a_controller_that_dies_in_a_watched_rollout_is_followed_by_one_that_converges(
    fleet: Simulation, order: str
) -> None:
    """At every fourth effect: nobody is out beside the batch, and the same command ends with full shares everywhere."""
    fleet.apply(watched(order=order))
    fleet.hosts.effects.clear()
    fleet.version = "2"
    fleet.apply(watched(order=order))
    for number in range(1, len(fleet.writes()), 4):
        fleet.version = f"3.{number}"
        left = [number]

        def kill(host: str, name: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Died

        fleet.hosts.effects.after = kill
        with pytest.raises(Died):
            fleet.apply(watched(order=order))
        fleet.hosts.effects.after = None
        assert len({each.split(".")[0] for each in served(fleet)}) >= (3 if order == "start-first" else 2), number
        assert fleet.apply(watched(order=order)).outcome in {"complete", "unchanged"}, number
        assert (fleet.drift(watched(order=order)), [len(each) for each in on_all(fleet)]) == ([], [1, 1, 1]), number


def test_a_rollout_in_which_no_node_succeeds_for_too_long_is_given_up(fleet: Simulation) -> None:
    """Long before the deadline of a single node, and taken back like any other that fails."""
    wanted = watched(progress_deadline=5.0, healthy_deadline=600.0)
    finished = failing(fleet, AppBehaviour(starts_listening_after=300.0), wanted)
    assert (finished.outcome, on_all(fleet)) == ("rolled_back", OLD)
    assert "no node succeeded within 5 s" in finished.message
    assert finished.seconds < 30.0


def test_workers_are_watched_by_their_containers_alone(fleet: Simulation) -> None:
    """A service without a port that ends in its watch is taken back too."""
    service = replace(fleets.web_service(environment={}), port=None, host_port=None)
    wanted = replace(watched(), services={"web": replace(service, healthcheck=HealthCheck())}, load_balancer=None)
    finished = failing(fleet, AppBehaviour(exits_after=4.0, exit_code=2), wanted)
    assert (finished.outcome, on_all(fleet)) == ("rolled_back", OLD), finished.message
    assert "exit code 2" in finished.message or "started again" in finished.message


def test_stop_first_takes_no_second_node_out_on_the_way_back(fleet: Simulation) -> None:
    """Nodes under watch have nothing beside them: they are replaced one after the other."""
    wanted = watched(order="stop-first", canary=0, monitor=30.0)
    fewest: list[int] = []

    def count(host: str, name: str) -> None:
        if fleet.balancers.rate:
            fewest.append(len({each.split(".")[0] for each in served(fleet)}))

    fleet.hosts.effects.before = count
    finished = failing(fleet, AppBehaviour(exits_after=6.0, exit_code=1), wanted, "web3")
    assert (finished.outcome, on_all(fleet)) == ("rolled_back", OLD), finished.message
    assert min(fewest) == 2
