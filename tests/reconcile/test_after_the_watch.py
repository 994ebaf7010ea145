"""Nodes that fail when their watch is over and the rollout still goes on: they count like any other."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from provisioner.hosts.memory import AppBehaviour
from provisioner.model.event import ActionFailed, Event, Finished, StepStarted
from provisioner.model.plan import ConfirmCapacity
from provisioner.model.spec import FleetSpec
from tests.reconcile.test_apply import served
from tests.reconcile.test_rollouts import NEW, OLD, on_all, watched
from tests.simulation import WEBS, Simulation, Sink

DIES = AppBehaviour(exits_after=9.0, exit_code=3)
"""Long after its own watch of a second, while the last node still starts."""


def wanted(**more: object) -> FleetSpec:
    """Return the fleet with a watch that one further batch fits into, and no canary."""
    return watched(canary=0, monitor=1.0, healthy_deadline=60.0, **more)


def with_a_slow_last_node(
    fleet: Simulation, spec: FleetSpec, first: AppBehaviour, meanwhile: Callable[[], None] = lambda: None
) -> Finished:
    """Apply another version whose first node behaves so; 12 s after its beginning something happens, 20 s it takes."""
    assert fleet.apply(spec).outcome == "complete"
    fleet.balancers.rate = 50.0
    fleet.version = "2"
    fleet.behave(AppBehaviour())
    image = fleet.builder.find(fleet.intent(spec).tags["web"])
    assert image is not None
    fleet.hosts.own_behaviours["web1"][image.image_id] = first
    fleet.hosts.own_behaviours["web3"][image.image_id] = AppBehaviour(starts_listening_after=20.0)
    due = [fleet.clock.monotonic() + 12.0]

    def happen(now: float) -> None:
        if due and now >= due[0]:
            due.clear()
            meanwhile()

    fleet.clock.watchers.append(happen)
    finished = fleet.apply(spec)
    fleet.clock.watchers.remove(happen)
    return finished


@pytest.mark.parametrize("order", ["start-first", "stop-first"])
def test_a_node_that_ends_after_its_watch_takes_the_release_back(fleet: Simulation, order: str) -> None:
    """Exit 3, every old container serves again, and the message names the node and what became of it."""
    finished = with_a_slow_last_node(fleet, wanted(order=order), DIES)
    assert (finished.outcome, finished.exit_code) == ("rolled_back", 3), finished.message
    assert "web1/web-1 failed" in finished.message
    assert on_all(fleet) == OLD
    assert served(fleet) == {"web1.1.a", "web2.1.a", "web3.1.a"}
    (told,) = [each for each in fleet.sink.events if isinstance(each, ActionFailed) and "failed" in each.error]
    assert (told.action.host, "container ended" in told.error) == ("lb1", True)


def test_a_node_whose_checks_go_down_after_its_watch_takes_the_release_back(fleet: Simulation) -> None:
    """Its container runs on, and the balancer's checks say that it does not work any more."""
    sick = AppBehaviour(healthy_paths=frozenset({"/other"}))
    finished = with_a_slow_last_node(
        fleet, wanted(), AppBehaviour(), lambda: fleet.hosts["web1"].behave("shop.web-1.b", sick)
    )
    assert (finished.outcome, on_all(fleet)) == ("rolled_back", OLD), finished.message
    assert "its checks at the balancer took it down" in finished.message


def test_nodes_that_serve_stay_in_rotation_while_the_release_is_taken_back(fleet: Simulation) -> None:
    """What has proven itself has no old container beside it: it goes on until that one is back."""
    fewest: list[int] = []
    fleet.hosts.effects.before = lambda *_: (
        fewest.append(len({each.split(".")[0] for each in served(fleet)})) if fleet.balancers.rate else None
    )
    finished = with_a_slow_last_node(fleet, wanted(), DIES)
    assert finished.outcome == "rolled_back"
    assert min(fewest) >= 2


def test_pause_leaves_it_as_it_is(fleet: Simulation) -> None:
    """Exit 6: the other nodes stay where they are, and no further old slot has left rotation."""
    finished = with_a_slow_last_node(fleet, wanted(on_failure="pause"), DIES)
    assert (finished.outcome, finished.exit_code) == ("paused", 6), finished.message
    assert "web1/web-1 failed" in finished.message
    assert {"web2.1.b", "web3.1.a"} <= served(fleet)


def test_abort_takes_that_node_back_alone(fleet: Simulation) -> None:
    """Its old container is started again, though it was stopped; the one that is still watched stays. Exit 6."""
    finished = with_a_slow_last_node(fleet, wanted(on_failure="abort", drain_timeout=0.0), DIES)
    assert (finished.outcome, finished.exit_code) == ("halted", 6), finished.message
    assert on_all(fleet) == [["shop.web-1.a"], ["shop.web-1.a", "shop.web-1.b"], ["shop.web-1.a"]]
    assert {"web1.1.a", "web2.1.b", "web3.1.a"} <= served(fleet)


def test_one_that_may_fail_is_taken_back_and_the_rest_goes_on(fleet: Simulation) -> None:
    """With `max_failures: 1` the rollout ends with that node on what it had before, and says mixed."""
    finished = with_a_slow_last_node(fleet, wanted(max_failures=1), DIES)
    assert (finished.outcome, finished.exit_code) == ("halted", 6), finished.message
    assert on_all(fleet) == [["shop.web-1.a"], ["shop.web-1.b"], ["shop.web-1.b"]]
    assert served(fleet) == {"web1.1.a", "web2.1.b", "web3.1.b"}


@pytest.mark.parametrize("allowed", [0, 1])
def test_one_that_dies_while_capacity_is_asked_for_counts_as_failed(fleet: Simulation, allowed: int) -> None:
    """Nodes are short because it died: where it may fail it is taken back, and the balancer is asked once more."""
    spec = wanted(max_failures=allowed, drain_timeout=0.0)
    assert fleet.apply(spec).outcome == "complete"
    fleet.balancers.rate = 50.0
    fleet.version = "2"
    asked: list[Event] = []

    class Killing(Sink):
        def emit(self, event: Event) -> None:
            super().emit(event)
            if isinstance(event, StepStarted) and any(isinstance(each, ConfirmCapacity) for each in event.step.actions):
                asked.append(event)
                if len(asked) == 2:
                    fleet.hosts["web1"].containers.stop("shop.web-1.b", 0)
                    fleet.hosts.clock.sleep(3.0)  # the balancer's checks have seen it

    fleet.sink = Killing()
    finished = fleet.apply(spec)
    if allowed:
        assert (finished.outcome, finished.exit_code) == ("halted", 6), finished.message
        assert on_all(fleet) == [["shop.web-1.a"], ["shop.web-1.b"], ["shop.web-1.b"]]
        assert len(asked) == len(WEBS) + 1
    else:
        assert (finished.outcome, on_all(fleet)) == ("rolled_back", OLD), finished.message
    assert len(served(fleet)) == len(WEBS)


def test_failing_requests_count_under_watch_only(fleet: Simulation) -> None:
    """Once its watch is over a node is a peer: its requests are what others are held against."""
    finished = with_a_slow_last_node(
        fleet,
        wanted(),
        AppBehaviour(),
        lambda: fleet.hosts["web1"].behave("shop.web-1.b", AppBehaviour(failing_requests=0.5)),
    )
    assert (finished.outcome, on_all(fleet)) == ("complete", NEW), finished.message


def test_an_old_node_that_stumbles_speaks_against_nothing_new(fleet: Simulation) -> None:
    """A container of the release before that is started again meanwhile is not judged."""
    finished = with_a_slow_last_node(
        fleet, wanted(), AppBehaviour(), lambda: fleet.hosts["web3"].restart("shop.web-1.a")
    )
    assert (finished.outcome, on_all(fleet)) == ("complete", NEW), finished.message


def test_a_host_that_is_lost_after_its_watch_is_unreachable_not_failed(fleet: Simulation) -> None:
    """Its checks go down too, but nobody can say that the release is at fault: exit 4, and nothing is taken back."""
    finished = with_a_slow_last_node(fleet, wanted(), AppBehaviour(), fleet.hosts["web1"].power_off)
    assert (finished.outcome, finished.exit_code) == ("paused", 4), finished.message
    assert {"web2.1.b", "web3.1.a"} <= served(fleet)


def test_a_soak_as_long_as_the_watch_is_watched_once(fleet: Simulation) -> None:
    """Both steps ask for the same, and the second finds it done."""
    both = watched(canary_soak=4.0, monitor=4.0)
    fleet.apply(both)
    fleet.version = "2"
    assert (fleet.apply(both).outcome, on_all(fleet)) == ("complete", NEW)
