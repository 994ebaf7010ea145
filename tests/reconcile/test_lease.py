"""One controller at a time: on a fleet in memory, with time lent."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from provisioner.errors import HostUnreachable, Interrupted, LeaseHeld, LeaseLost, PlanStale, UsageError
from provisioner.model.container import EPOCH_LABEL, LEASE_LABEL
from provisioner.model.event import LeaseTaken, LeaseWatched
from provisioner.model.inventory import Host
from provisioner.model.lease import LeaseSight
from provisioner.reconcile.apply import Consent, apply
from provisioner.reconcile.destroy import destroy, survey
from provisioner.reconcile.guard import Guard, guarded
from provisioner.reconcile.lease_report import break_lease, leases_seen
from provisioner.reconcile.prepare import prepare
from tests import fleets
from tests.simulation import WEBS, Simulation, spec

TERM = 30.0


@contextmanager
def held_by_another(fleet: Simulation, host: str = "lb1") -> Iterator[Guard]:
    """Hold the lease as another controller would that is alive."""
    with guarded(fleet.world(), "shop", (fleet.inventory[host],), lambda: False) as guard:
        yield guard


def left_by_a_dead_one(fleet: Simulation) -> None:
    """Leave a lease behind as a controller does that is killed."""
    with pytest.raises(GeneratorExit), held_by_another(fleet):
        raise GeneratorExit


def sight(fleet: Simulation, host: str = "lb1") -> LeaseSight:
    """Return the leases on a host."""
    return fleet.hosts[host].leases.look("shop")


def epochs(fleet: Simulation, host: str) -> set[str]:
    """Return the epochs that the fleet's containers on a host are stamped with."""
    seen = fleet.hosts.reader(fleet.inventory[host]).observe("shop")
    return {each.labels[EPOCH_LABEL] for each in seen.containers if each.fleet == "shop"}


def told(fleet: Simulation, kind: type[LeaseTaken]) -> list[LeaseTaken]:
    """Return the events of a kind."""
    return [event for event in fleet.sink.events if isinstance(event, kind)]


def test_every_run_has_an_epoch_of_its_own_and_hands_the_lease_back(fleet: Simulation) -> None:
    """Containers carry the epoch of the run that made them; afterwards the lease is free, and alone."""
    for number in (1, 2, 3):
        assert fleet.apply(spec(A=str(number))).outcome == "complete"
        assert epochs(fleet, "web2") == {str(number)}
        latest = sight(fleet).latest
        assert latest is not None
        assert (latest.claim.epoch, latest.released, len(sight(fleet).leases)) == (number, True, 1)


def test_the_lease_lies_on_the_balancers_host_alone(fleet: Simulation) -> None:
    """No other host carries one, and it is no container of the fleet."""
    fleet.apply(spec(A="1"))
    assert [sight(fleet, host).leases for host in WEBS] == [(), (), ()]
    assert fleet.drift(spec(A="1")) == []


def test_a_second_controller_is_told_whose_it_is(fleet: Simulation) -> None:
    """While another run is alive nothing is changed, and who, since when and until when is said within seconds."""
    fleet.apply(spec(A="1"))
    with held_by_another(fleet):
        fleet.hosts.effects.clear()
        began = fleet.hosts.clock.monotonic()
        with pytest.raises(
            LeaseHeld, match=r"ada@desk is changing the fleet shop since 2026.*\(run run\d+\)"
        ) as refusal:
            fleet.apply(spec(A="2"))
        assert refusal.value.exit_code == 5
        assert fleet.hosts.clock.monotonic() - began < TERM / 4
        assert fleet.writes() == []
    assert fleet.apply(spec(A="2")).outcome == "complete"


def test_a_dead_one_is_taken_over_after_a_term_and_that_is_said(fleet: Simulation) -> None:
    """The lease of a run that was killed is watched for a whole term, then the same command goes on."""
    fleet.apply(spec(A="1"))
    left_by_a_dead_one(fleet)
    began = fleet.hosts.clock.monotonic()
    assert fleet.apply(spec(A="2")).outcome == "complete"
    assert fleet.hosts.clock.monotonic() - began >= TERM
    watched = [event for event in fleet.sink.events if isinstance(event, LeaseWatched)]
    assert [(each.host, each.seconds) for each in watched] == [("lb1", TERM)]
    assert told(fleet, LeaseTaken)[-1].over == (f"run {watched[0].run} of ada@desk",)


def test_a_host_whose_clock_was_set_back_keeps_no_dead_lease_for_ever(fleet: Simulation) -> None:
    """Where the host's clock never calls it old our own does, after two terms."""
    fleet.apply(spec(A="1"))
    left_by_a_dead_one(fleet)
    fleet.hosts["lb1"].leases.offset = -3600.0
    began = fleet.hosts.clock.monotonic()
    assert fleet.apply(spec(A="2")).outcome == "complete"
    assert fleet.hosts.clock.monotonic() - began >= 2 * TERM


def test_who_waits_for_a_dead_one_can_be_stopped(fleet: Simulation) -> None:
    """Ctrl-C while a lease is watched ends the command; nothing was changed."""
    fleet.apply(spec(A="1"))
    left_by_a_dead_one(fleet)
    with pytest.raises(Interrupted):
        fleet.apply(spec(A="2"), consent=Consent(stop=lambda: True))


def test_a_lease_removed_by_hand_stops_its_run_before_the_next_step(fleet: Simulation) -> None:
    """The step under way ends; at the next heartbeat the run knows, and touches nothing more."""
    fleet.apply(spec(A="1"))
    fleet.hosts.effects.clear()

    def rob(host: str, name: str) -> None:
        if name.startswith("create shop.web-1"):
            for lease in sight(fleet).leases:
                fleet.hosts["lb1"].containers.remove(lease.lease_id)

    fleet.hosts.effects.before = rob
    finished = fleet.apply(spec(A="2"))
    fleet.hosts.effects.before = None
    assert (finished.outcome, finished.exit_code) == ("interrupted", 5)
    assert "somebody removed it on lb1" in finished.message
    assert [write for write in fleet.writes() if "web-1.b" in write] == [
        "web1: create shop.web-1.b",
        "web1: start shop.web-1.b",
    ]
    assert fleet.apply(spec(A="2")).outcome == "complete"
    assert fleet.drift(spec(A="2")) == []


def test_one_that_was_asleep_makes_at_most_the_call_it_was_about_to_make(fleet: Simulation) -> None:
    """A process that sleeps for three terms between check and call makes that call, and no other."""
    fleet.apply(spec(A="1"))
    fleet.hosts.effects.clear()
    slept: list[str] = []

    def sleep(host: str, name: str) -> None:
        if name.startswith("create shop.web-1") and not slept:
            slept.append(name)
            fleet.hosts.clock.sleep(3 * TERM)

    fleet.hosts.effects.before = sleep
    finished = fleet.apply(spec(A="2"))
    assert (finished.outcome, finished.exit_code) == ("interrupted", 5)
    assert fleet.writes()[-1] == "web1: create shop.web-1.b"
    assert fleet.apply(spec(A="2")).outcome == "complete"


def test_a_sleeper_whose_lease_was_taken_over_ends_uniform(fleet: Simulation) -> None:
    """While one sleeps another takes over and finishes; the sleeper's one call changes nothing that lasts."""
    fleet.apply(spec(A="1"))
    slept: list[str] = []

    def sleep(host: str, name: str) -> None:
        if name.startswith("create shop.web-1") and not slept:
            slept.append(name)
            fleet.hosts.clock.sleep(3 * TERM)
            assert fleet.apply(spec(A="3")).outcome == "complete"

    fleet.hosts.effects.before = sleep
    finished = fleet.apply(spec(A="2"))
    fleet.hosts.effects.before = None
    assert finished.outcome != "complete"
    assert fleet.apply(spec(A="3")).exit_code == 0
    assert fleet.status(spec(A="3")).uniform
    assert fleet.drift(spec(A="3")) == []


def test_a_host_that_answers_no_heartbeat_ends_the_run_in_time(fleet: Simulation) -> None:
    """Cut off from the lease's host the run stops by its own clock, before anybody could have taken over."""
    with held_by_another(fleet) as guard:
        fleet.hosts["lb1"].cut()
        fleet.hosts.clock.sleep(TERM / 3)
        assert guard.before_step() is None
        fleet.hosts.clock.sleep(TERM / 3)
        with pytest.raises(LeaseLost, match="could not be renewed on lb1"), guard.effect("create", "web1", "x"):
            raise AssertionError
        fleet.hosts["lb1"].restore()
        assert isinstance(guard.before_step(), LeaseLost)


def test_what_was_agreed_to_is_not_replaced_by_another_plan(fleet: Simulation) -> None:
    """Where the fleet moved on while a person looked at the plan, nothing is done that he was not shown."""
    fleet.apply(spec(A="1"))

    def others_first() -> bool:
        fleet.apply(spec(A="2"), webs=WEBS)
        return True

    with pytest.raises(PlanStale):
        fleet.apply(spec(A="3"), consent=Consent(approve=others_first, asked=True))
    assert fleet.drift(spec(A="2")) == []


def test_what_another_has_done_already_is_not_done_again(fleet: Simulation) -> None:
    """Under the lease it is looked again: where nothing is left to do, nothing is done."""
    fleet.apply(spec(A="1"))

    def others_first() -> bool:
        fleet.apply(spec(A="2"))
        return True

    finished = fleet.apply(spec(A="2"), consent=Consent(approve=others_first, asked=True))
    assert (finished.outcome, finished.exit_code) == ("unchanged", 0)


def test_destroy_takes_the_lease_and_leaves_none(fleet: Simulation) -> None:
    """While another run is alive nothing is destroyed; afterwards no lease and no image of one is left."""
    fleet.apply(spec(A="1"))
    world, intent = fleet.world(), fleet.intent(spec(A="1"))
    with held_by_another(fleet), pytest.raises(LeaseHeld):
        destroy(world, intent, survey(world.lookout, intent, data=False), data=False)
    assert destroy(world, intent, survey(world.lookout, intent, data=False), data=False).outcome == "complete"
    seen = fleet.hosts.reader(fleet.inventory["lb1"]).observe("shop")
    assert [each.name for each in seen.containers if LEASE_LABEL in each.labels] == []
    assert [tag for image in seen.images for tag in image.tags if "lease" in tag] == []


def test_a_fleet_without_a_balancer_is_leased_on_its_first_host(fleet: Simulation) -> None:
    """Where there is no balancer it is the first host by name."""
    alone = replace(fleets.spec(fleets.web_service(port=None, host_port=None, environment={})), load_balancer=None)
    assert fleet.apply(alone).outcome == "complete"
    assert [len(sight(fleet, host).leases) for host in ("lb1", *WEBS)] == [0, 1, 0, 0]


def test_a_dead_balancers_host_is_left_out_by_a_person(fleet: Simulation) -> None:
    """The lease lies on the hosts of the last and the next release: a dead one has to be named."""
    fleet.apply(spec(A="1"))
    wish = fleet.intent(replace(spec(A="1"), load_balancer=None))
    wish = replace(wish, hosts={name: host for name, host in wish.hosts.items() if name != "lb1"})
    fleet.hosts["lb1"].cut()
    world = fleet.world()
    with pytest.raises(HostUnreachable) as refusal:
        apply(world, wish, prepare(world.lookout, wish, world.builder), Consent())
    assert "--without lb1" in refusal.value.hint
    wish = replace(wish, without=frozenset({"lb1"}))
    finished = apply(world, wish, prepare(world.lookout, wish, world.builder), Consent())
    assert (finished.outcome, finished.exit_code) == ("paused", 4)
    assert len(sight(fleet, "web1").leases) == 1


def test_a_host_that_no_lease_is_taken_on_any_more_keeps_none(fleet: Simulation) -> None:
    """Once the fleet's balancer is elsewhere, the lease it was moved under goes from its old host."""
    fleet.apply(spec(A="1"))
    assert fleet.apply(replace(spec(A="1"), load_balancer=None)).outcome == "complete"
    assert sight(fleet).leases == ()
    assert len(sight(fleet, "web1").leases) == 1


def test_a_lease_is_shown_to_whoever_asks(fleet: Simulation) -> None:
    """Whose, whether it is alive by the host's clock, and the end of its journal, from any controller."""
    fleet.apply(spec(A="1"))
    with held_by_another(fleet):
        (report,) = leases_seen(fleet.controller().leases, "shop", fleet.inventory.values(), 4).reports
        assert (report.host, report.state, report.lease.claim.owner) == ("lb1", "held", "ada@desk")
    left_by_a_dead_one(fleet)
    fleet.hosts.clock.sleep(TERM + 2)
    (report,) = leases_seen(fleet.controller().leases, "shop", fleet.inventory.values(), 4).reports
    assert report.state == "expired"
    fleet.apply(spec(A="2"))
    fleet.hosts["web1"].cut()
    seen = leases_seen(fleet.controller().leases, "shop", fleet.inventory.values(), 4)
    assert (seen.reports[0].state, seen.reports[0].journal[-1].detail) == ("released", "complete")
    assert [host.name for host in seen.unreachable] == ["web1"]


def test_a_broken_lease_is_free_at_once_and_stops_its_run(fleet: Simulation) -> None:
    """Nobody waits for a term, the epoch goes on, and the owner makes no further effect."""
    fleet.apply(spec(A="1"))
    with held_by_another(fleet) as guard:
        latest = sight(fleet).latest
        assert latest is not None
        began = fleet.hosts.clock.monotonic()
        assert break_lease(fleet.world(), "shop", fleet.inventory, latest.claim.run) == ("lb1",)
        assert fleet.hosts.clock.monotonic() == began
        assert isinstance(guard.before_step(), LeaseLost)
        assert fleet.apply(spec(A="2")).outcome == "complete"
        assert sight(fleet).floor == latest.claim.epoch + 2


def test_only_the_run_that_was_named_is_robbed(fleet: Simulation) -> None:
    """A run that ended, or another one, is not meant."""
    fleet.apply(spec(A="1"))
    with held_by_another(fleet), pytest.raises(UsageError, match="no host has a lease of run 'else'") as refusal:
        break_lease(fleet.world(), "shop", fleet.inventory, "else")
    assert "the lease is held by run run" in refusal.value.hint
    with pytest.raises(UsageError):
        break_lease(fleet.world(), "shop", fleet.inventory, "run1")


def both(fleet: Simulation) -> tuple[Host, Host]:
    """Return two hosts that a lease has to be taken on."""
    return fleet.inventory["lb1"], fleet.inventory["web1"]


def test_it_is_held_on_every_host_or_on_none(fleet: Simulation) -> None:
    """Where the second host's lease is another's, the first host's is handed back."""
    with held_by_another(fleet, "web1"):
        with pytest.raises(LeaseHeld), guarded(fleet.world(), "shop", both(fleet), lambda: False):
            raise AssertionError
        latest = sight(fleet).latest
        assert latest is not None
        assert latest.released


def test_what_is_held_is_kept_alive_while_a_dead_one_is_watched_elsewhere(fleet: Simulation) -> None:
    """Waiting a term for the second host does not cost the first."""
    with pytest.raises(GeneratorExit), held_by_another(fleet, "web1"):
        raise GeneratorExit
    with guarded(fleet.world(), "shop", both(fleet), lambda: False) as guard:
        assert guard.lease is not None
        assert guard.lease.hosts == ("lb1", "web1")
        assert guard.before_step() is None


def test_every_host_counts(fleet: Simulation) -> None:
    """A lease that is lost on one host is lost."""
    with guarded(fleet.world(), "shop", both(fleet), lambda: False) as guard:
        latest = sight(fleet, "web1").latest
        assert latest is not None
        fleet.hosts["web1"].leases.remove(latest.lease_id)
        assert isinstance(guard.before_step(), LeaseLost)
