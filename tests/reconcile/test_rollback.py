"""`rollback` on hosts in memory: a release whole again, under a new number."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.errors import UsageError
from provisioner.hosts.memory import AppBehaviour
from provisioner.reconcile.apply import Consent
from provisioner.reconcile.chronicle import history, open_archive
from tests import fleets
from tests.reconcile.test_apply import running, served
from tests.simulation import WEBS, Simulation, spec


def numbers(fleet: Simulation) -> list[tuple[int, str]]:
    """Return every release by number and the beginning of its digest, newest first."""
    archive = open_archive(fleet.world().lookout, fleet.inventory, "shop")
    return [(each.number, each.digest[:6]) for each in history(archive).chapters]


def test_the_release_before_is_whole_again_under_a_new_number(fleet: Simulation) -> None:
    """Image, environment and balancer file go back together; the new release has the old digest."""
    first = fleets.spec(fleets.web_service(environment={"A": "1"}))
    fleet.apply(first)
    fleet.version = "2"
    check = replace(fleets.web_service().healthcheck, path="/up")
    fleet.apply(fleets.spec(fleets.web_service(environment={"A": "2"}, healthcheck=check)))
    finished = fleet.roll_back()
    assert (finished.outcome, (finished.release or "")[:3]) == ("complete", "r3-")
    third, second, oldest = numbers(fleet)
    assert third[1] == oldest[1] != second[1]
    fleet.version = "1"
    assert fleet.drift(first) == []
    assert len(served(fleet)) == 3


def test_a_rollback_of_a_rollback_goes_forward_again(fleet: Simulation) -> None:
    """What was before the current release is what it was changed from."""
    fleet.apply(spec(A="1"))
    fleet.apply(spec(A="2"))
    fleet.roll_back()
    assert fleet.roll_back().outcome == "complete"
    assert fleet.drift(spec(A="2")) == []


def test_a_named_release_is_gone_back_to(fleet: Simulation) -> None:
    """Any stable one, by number."""
    for number in "123":
        fleet.apply(spec(A=number))
    assert fleet.roll_back("r1").outcome == "complete"
    assert fleet.drift(spec(A="1")) == []


def test_a_rollout_that_was_cut_short_is_aborted(fleet: Simulation) -> None:
    """Interrupted in the middle, `rollback` brings every node to the release the fleet was on; nothing is recorded."""
    fleet.apply(spec(A="1"))
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 6

    fleet.apply(spec(A="2"), consent=Consent(stop=stop))
    assert fleet.drift(spec(A="1")) != []
    assert fleet.roll_back().outcome == "complete"
    assert (fleet.drift(spec(A="1")), [each for each, _ in numbers(fleet)]) == ([], [1])
    assert [running(fleet, host) for host in WEBS] == [["shop.web-1.a"]] * 3


def test_only_what_went_well_is_gone_back_to(fleet: Simulation) -> None:
    """A release that was rolled back is refused by name, and so is going back where nothing was before."""
    with pytest.raises(UsageError, match="no release to go back to"):
        fleet.roll_back()
    fleet.apply(spec(A="1"))
    with pytest.raises(UsageError, match="no release before r1-"):
        fleet.roll_back()
    fleet.version = "2"
    fleet.behave(AppBehaviour(exits_after=0.2))
    assert fleet.apply(spec(A="1")).exit_code == 3
    with pytest.raises(UsageError, match="never went through"):
        fleet.roll_back("r2")


def test_a_rollback_is_one_level_deep(fleet: Simulation) -> None:
    """Where the old release does not come up either, nothing is rolled back once more: exit 1 or 6."""
    fleet.behave(AppBehaviour())
    fleet.apply(spec(A="1"))
    fleet.version = "2"
    fleet.apply(spec(A="1"))
    fleet.version = "1"
    fleet.behave(AppBehaviour(exits_after=0.2))
    finished = fleet.roll_back()
    assert (finished.outcome, finished.exit_code) == ("failed", 1)
    assert len(served(fleet)) == 3
