"""One Ctrl-C while a run waits: it ends at the next look, leaves what it waited for, and says how to go on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from provisioner.hosts.memory import AppBehaviour
from provisioner.model.event import ActionFailed, Finished, StepStarted
from provisioner.model.spec import FleetSpec
from provisioner.reconcile.apply import Consent
from provisioner.reconcile.lease_report import leases_seen
from tests.reconcile.test_apply import running, served
from tests.reconcile.test_rollouts import NEW, OLD, on_all, watched
from tests.simulation import Simulation


def during(fleet: Simulation, title: str, seconds: float) -> Callable[[], bool]:
    """Return what asks to stop so many seconds after a step began."""
    begun: list[float] = []

    def stop() -> bool:
        last = [event.step.title for event in fleet.sink.events if isinstance(event, StepStarted)][-1:]
        if not begun and last and title in last[0]:
            begun.append(fleet.clock.monotonic())
        return bool(begun) and fleet.clock.monotonic() - begun[0] >= seconds

    return stop


def stopped(fleet: Simulation, wanted: FleetSpec, title: str, seconds: float = 2.0) -> Finished:
    """Apply a fleet whole, then another version that is stopped while a step waits."""
    assert fleet.apply(wanted).outcome == "complete"
    fleet.sink.events.clear()
    fleet.version = "2"
    return fleet.apply(wanted, consent=Consent(stop=during(fleet, title, seconds)))


def is_free(fleet: Simulation) -> bool:
    """Tell whether nobody holds the lease any more."""
    reports = leases_seen(fleet.controller().leases, "shop", fleet.inventory.values(), 1).reports
    return [each.state for each in reports] == ["released"]


def test_a_watch_ends_at_the_next_look(fleet: Simulation) -> None:
    """Minutes before its time is over; the slot under watch stays in rotation beside the old one, and is no failure."""
    wanted = watched(canary=0, monitor=300.0, progress_deadline=900.0)
    finished = stopped(fleet, wanted, "watch for 300 s", 10.0)
    assert (finished.outcome, finished.exit_code) == ("interrupted", 130)
    assert "the same command goes on from here, `provisioner rollback` goes back" in finished.message
    assert finished.seconds < 30.0
    assert on_all(fleet) == [["shop.web-1.a", "shop.web-1.b"]] * 3
    assert served(fleet) == {f"web{host}.1.{slot}" for host in (1, 2, 3) for slot in "ab"}
    assert not [event for event in fleet.sink.events if isinstance(event, ActionFailed)]
    assert is_free(fleet)
    assert fleet.apply(watched()).outcome == "complete"
    assert (on_all(fleet), fleet.drift(watched())) == (NEW, [])


def test_a_soak_ends_at_the_next_look(fleet: Simulation) -> None:
    """A canary is left where it is, and nothing else has begun."""
    finished = stopped(fleet, watched(canary_soak=300.0, progress_deadline=900.0), "watch as a canary")
    assert (finished.outcome, finished.seconds < 10.0) == ("interrupted", True)
    assert on_all(fleet) == [["shop.web-1.a", "shop.web-1.b"], ["shop.web-1.a"], ["shop.web-1.a"]]
    assert is_free(fleet)


@pytest.mark.parametrize("order", ["start-first", "stop-first"])
def test_the_wait_for_health_ends_at_the_next_look(fleet: Simulation, order: str) -> None:
    """The container that starts is left to start: the same command finds it."""
    wanted = watched(order=order, healthy_deadline=600.0)
    fleet.apply(wanted)
    fleet.version = "2"
    fleet.behave(AppBehaviour(starts_listening_after=120.0))
    fleet.sink.events.clear()
    finished = fleet.apply(wanted, consent=Consent(stop=during(fleet, "wait until healthy", 3.0)))
    assert (finished.outcome, finished.seconds < 15.0) == ("interrupted", True)
    assert "shop.web-1.b" in running(fleet, "web1")
    assert len(served(fleet)) == (3 if order == "start-first" else 2)
    assert is_free(fleet)
    assert fleet.apply(wanted).outcome == "complete"
    assert (on_all(fleet), fleet.drift(wanted)) == (NEW, [])


@pytest.mark.parametrize("order", ["start-first", "stop-first"])
def test_the_wait_for_old_sessions_ends_at_the_next_look(fleet: Simulation, order: str) -> None:
    """Nobody's session is cut. Where a node has nothing else the old slot gets requests again."""
    wanted = watched(order=order, canary=0, monitor=0.0, drain_timeout=300.0, progress_deadline=900.0)
    fleet.apply(wanted)
    (balancer,) = [held for held in fleet.hosts["lb1"].machine.containers.values() if "load-balancer" in held.name]
    fleet.balancers.occupy(balancer.container_id, "web/web1.1.a", 1)
    fleet.version = "2"
    fleet.behave(AppBehaviour())
    fleet.sink.events.clear()
    finished = fleet.apply(wanted, consent=Consent(stop=during(fleet, "drain", 2.0)))
    assert (finished.outcome, finished.seconds < 30.0) == ("interrupted", True)
    assert "shop.web-1.a" in running(fleet, "web1")
    assert {each.split(".")[0] for each in served(fleet)} == {"web1", "web2", "web3"}
    assert not [write for write in fleet.writes() if "cut_sessions" in write]
    assert is_free(fleet)
    fleet.balancers.occupy(balancer.container_id, "web/web1.1.a", 0)
    assert fleet.apply(wanted).outcome == "complete"
    assert (on_all(fleet), fleet.drift(wanted)) == (NEW, [])


def test_a_release_command_is_let_to_its_end(fleet: Simulation) -> None:
    """What a migration has half done no look finds out."""
    fleet.apply(watched())
    fleet.version = "2"
    fleet.behave(AppBehaviour(exits_after=30.0))
    wanted = watched()
    service = replace(wanted.services["web"], release_command=("migrate",))
    began = fleet.clock.monotonic()
    finished = fleet.apply(
        replace(wanted, services={"web": service}),
        consent=Consent(stop=lambda: fleet.clock.monotonic() > began + 5.0),
    )
    assert (finished.outcome, on_all(fleet)) == ("interrupted", OLD)
    assert finished.seconds >= 30.0


def test_a_way_back_is_let_to_its_end(fleet: Simulation) -> None:
    """Asked to stop after its release has failed, a run still brings every node back: exit 3."""
    fleet.apply(watched())
    fleet.version = "2"
    fleet.behave(AppBehaviour(exits_after=4.0, exit_code=3))
    fleet.sink.events.clear()
    finished = fleet.apply(
        watched(), consent=Consent(stop=lambda: any(isinstance(each, ActionFailed) for each in fleet.sink.events))
    )
    assert (finished.exit_code, on_all(fleet)) == (3, OLD), finished.message
