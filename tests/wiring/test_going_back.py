"""`rollback` from an inventory alone: where services belong now, whom no lease is taken on, which hooks are called."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.errors import HostUnreachable
from provisioner.reconcile.rebuild import Rebuilt
from provisioner.wiring.rebuild import intend_again
from provisioner.wiring.rollback import intend_back
from tests.cli.command_line import provisioner
from tests.reconcile.test_apply import running, served
from tests.simulation import WEBS, Simulation, spec
from tests.wiring.going_back import carry_out, elsewhere, ground, inventory, settings, whole

FOUR = (*WEBS, "web4")


@pytest.fixture
def shop(tmp_path: Path) -> Simulation:
    """Return a fleet on its second release, with hosts to spare."""
    fleet = Simulation(tmp_path / "first", ("lb1", "lb2", *FOUR))
    assert carry_out(fleet.world(), whole(fleet, spec(A="1"))).outcome == "complete"
    fleet.version = "2"
    assert carry_out(fleet.world(), whole(fleet, spec(A="2"))).outcome == "complete"
    return fleet


def test_an_inventory_is_all_it_takes(shop: Simulation, tmp_path: Path) -> None:
    """No spec, an empty folder, cache and engine: the release before is whole again, its images from the hosts."""
    other, there = elsewhere(tmp_path / "other", shop), inventory()
    finished = carry_out(other.world(), intend_back(settings(tmp_path / "other"), ground(other, there)))
    assert (finished.outcome, (finished.release or "")[:3]) == ("complete", "r3-"), finished.message
    shop.version = "1"
    assert shop.drift(spec(A="1")) == []
    assert served(shop) == {"web1.1.a", "web2.1.a", "web3.1.a"}
    assert not other.builder.built


def test_a_host_that_was_added_later_gets_the_old_release_too(shop: Simulation, tmp_path: Path) -> None:
    """It never had the image, and what the release says of its service matches it now."""
    other, there = elsewhere(tmp_path / "other", shop), inventory(webs=FOUR)
    finished = carry_out(other.world(), intend_back(settings(tmp_path / "other"), ground(other, there)))
    assert finished.outcome == "complete", finished.message
    assert running(shop, "web4") == ["shop.web-1.a"]
    shop.version = "1"
    assert shop.drift(spec(A="1"), FOUR) == []
    assert {each.split(".")[0] for each in served(shop)} == set(FOUR)


def test_a_host_that_joined_with_the_release_in_between_goes_back_with_the_others(
    shop: Simulation, tmp_path: Path
) -> None:
    """It runs the newer release, and no host of the older one knew it."""
    shop.version = "3"
    assert carry_out(shop.world(), whole(shop, spec(A="3"), FOUR)).outcome == "complete"
    other, there = elsewhere(tmp_path / "other", shop), inventory(webs=FOUR)
    finished = carry_out(other.world(), intend_back(settings(tmp_path / "other"), ground(other, there, "r1")))
    assert finished.outcome == "complete", finished.message
    shop.version = "1"
    assert shop.drift(spec(A="1"), FOUR) == []
    assert [len(running(shop, host)) for host in FOUR] == [1, 1, 1, 1]


def test_a_dead_balancers_host_is_left_aside_by_a_person(shop: Simulation, tmp_path: Path) -> None:
    """The lease of the last release lies on it too: the error says how to go on, and that goes on."""
    shop.hosts["lb1"].power_off()
    here, start = settings(tmp_path / "other"), ground(shop, inventory(balancers=("lb2",)))
    with pytest.raises(HostUnreachable) as refusal:
        carry_out(shop.world(), intend_back(here, start))
    assert "--without lb1" in refusal.value.hint
    finished = carry_out(shop.world(), intend_back(here, start, frozenset({"lb1"})))
    assert (finished.outcome, finished.exit_code) == ("paused", 4), finished.message
    assert [running(shop, host) for host in ("lb2", *WEBS)] == [["shop.load-balancer-1.a"]] + [["shop.web-1.a"]] * 3


def test_a_rebuild_leaves_a_dead_host_aside_too(shop: Simulation, tmp_path: Path) -> None:
    """`rebuild -i` brings the whole environment up where the others are, and takes no lease on that host."""
    shop.hosts["lb1"].power_off()
    here, start = settings(tmp_path / "other"), ground(shop, inventory(balancers=("lb2",)))
    content = start.release.content
    inputs = {each.inputs.tag: each.inputs for each in content.builds}
    rebuilt = Rebuilt(start.release, content.desired.images, inputs, ())
    with pytest.raises(HostUnreachable):
        carry_out(shop.world(), intend_again(here, start, rebuilt))
    finished = carry_out(shop.world(), intend_again(here, start, rebuilt, frozenset({"lb1"})))
    assert (finished.outcome, finished.exit_code) == ("paused", 4), finished.message
    assert [len(running(shop, host)) for host in ("lb2", *WEBS)] == [1, 1, 1, 1]


def test_the_spec_that_is_there_says_in_which_order_a_node_changes(shop: Simulation, tmp_path: Path) -> None:
    """A release has no times of a rollout; hosts without room for two containers need none on the way back."""
    here, start = settings(tmp_path / "other"), ground(shop, inventory())
    (tmp_path / "other").mkdir()
    assert intend_back(here, start).policy.order == "start-first"
    text = "name: shop\nservices:\n  web: {image: nginx, hosts: web, port: 80}\n"
    here.file.write_text(text + "rollout: {order: stop-first, parallelism: 2, monitor: 30s}\n")
    policy = intend_back(here, start).policy
    assert (policy.order, policy.parallelism, policy.monitor, policy.on_failure) == ("stop-first", 2, 0.0, "abort")


@pytest.mark.parametrize("verb", ["apply", "rollback", "rebuild", "destroy", "prune"])
def test_every_verb_that_takes_the_lease_says_whom_it_can_leave_aside(tmp_path: Path, verb: str) -> None:
    """A dead host is named in the same way everywhere."""
    assert "--without HOST" in provisioner(tmp_path, verb, "--help").out
