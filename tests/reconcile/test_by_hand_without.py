"""`drain` and `undrain` of a fleet with two balancers, one of whose hosts is dead."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.errors import HostUnreachable
from provisioner.planning.desire import ImageIndex, desire
from provisioner.reconcile import by_hand
from provisioner.reconcile.apply import Consent, apply
from provisioner.reconcile.prepare import prepare
from provisioner.reconcile.world import Intent
from tests import fleets
from tests.simulation import WEBS, Simulation, render, spec

NODE = "web2/web-1"
LB2 = frozenset({"lb2"})


@pytest.fixture
def fleet(tmp_path: Path) -> Simulation:
    """Return a fleet that is not applied yet, with hosts for two balancers."""
    return Simulation(tmp_path, ("lb1", "lb2", *WEBS))


def intent(fleet: Simulation, without: frozenset[str] = frozenset()) -> Intent:
    """Return the wish for two balancers."""
    one, wanted = fleet.intent(spec(A="1")), spec(A="1")
    placed = fleets.placement(wanted)
    hosts = {**placed.hosts, "lb2": fleets.host("lb2")}
    both = replace(placed, balancers=("lb1", "lb2"), hosts=hosts)
    wish = replace(one, hosts=hosts, without=without, author="Ada")
    return replace(wish, desire=lambda ids: desire(wanted, both, ImageIndex(one.tags, ids), render))


def applied(fleet: Simulation) -> None:
    """Bring the fleet to the wish."""
    world, wish = fleet.world(), intent(fleet)
    assert apply(world, wish, prepare(world.lookout, wish, world.builder), Consent()).exit_code == 0
    fleet.hosts.clock.sleep(3.0)


def drained(fleet: Simulation, host: str) -> set[str]:
    """Return the nodes that a balancer's host keeps as drained."""
    wish = intent(fleet)
    seen = prepare(fleet.world().lookout, wish, None).observed.host(host)
    assert seen is not None
    assert seen.balancer is not None
    return {each.node for each in seen.balancer.drained}


def test_a_dead_balancers_host_is_left_aside_by_a_persons_word(fleet: Simulation) -> None:
    """Without that word nothing is changed, and the refusal says which word it takes; with it the other one acts."""
    applied(fleet)
    fleet.hosts["lb2"].cut()
    fleet.hosts.effects.clear()
    with pytest.raises(HostUnreachable) as refused:
        by_hand.drain(fleet.world(), intent(fleet), NODE, "")
    assert "--without lb2" in refused.value.hint
    assert fleet.writes() == []
    finished = by_hand.drain(fleet.world(), intent(fleet, LB2), NODE, "")
    assert finished.exit_code == 0
    assert "but lb2" in finished.message
    assert drained(fleet, "lb1") == {NODE}


def test_it_learns_of_it_when_it_is_back(fleet: Simulation) -> None:
    """Some record of a drained node is enough for `apply` to keep it out everywhere."""
    applied(fleet)
    fleet.hosts["lb2"].cut()
    assert by_hand.drain(fleet.world(), intent(fleet, LB2), NODE, "").exit_code == 0
    fleet.hosts["lb2"].restore()
    applied(fleet)
    assert drained(fleet, "lb2") == {NODE}


def test_who_was_let_in_meanwhile_is_let_in_there_by_another_word(fleet: Simulation) -> None:
    """The record of the host that was dead counts until then: nobody who was drained serves by accident."""
    applied(fleet)
    assert by_hand.drain(fleet.world(), intent(fleet), NODE, "").exit_code == 0
    fleet.hosts["lb2"].cut()
    assert by_hand.undrain(fleet.world(), intent(fleet, LB2), NODE).exit_code == 0
    assert drained(fleet, "lb1") == set()
    fleet.hosts["lb2"].restore()
    applied(fleet)
    assert drained(fleet, "lb1") == drained(fleet, "lb2") == {NODE}
    assert by_hand.undrain(fleet.world(), intent(fleet), NODE).exit_code == 0
    assert drained(fleet, "lb1") == drained(fleet, "lb2") == set()
