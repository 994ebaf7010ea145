"""`history` on hosts in memory."""

from __future__ import annotations

import pytest

from provisioner.errors import HostUnreachable, UsageError
from provisioner.model.spec import RolloutPolicy
from provisioner.reconcile.chronicle import comparison, history, open_archive
from provisioner.reconcile.world import Lookout
from tests import fleets
from tests.simulation import Simulation, spec


def lookout(fleet: Simulation) -> Lookout:
    """Return what only reads."""
    return Lookout(fleet.hosts, fleet.balancers)


def test_history_is_read_with_nothing_but_an_inventory(fleet: Simulation) -> None:
    """The fleet is found on its hosts; releases come newest first, with what changed and where they lie."""
    for value in ("1", "2"):
        fleet.apply(spec(A=value))
    found = history(open_archive(lookout(fleet), fleet.inventory))
    assert found.fleet == "shop"
    assert [each.number for each in found.chapters] == [2, 1]
    assert [each.changed for each in found.chapters] == ["web: environment", "the first that is kept"]
    assert found.chapters[0].hosts == ("lb1", "web1", "web2", "web3")


def test_two_releases_are_compared_by_any_of_their_names(fleet: Simulation) -> None:
    """The same diff is found by number, name and digest."""
    for value in ("1", "2"):
        fleet.apply(spec(A=value))
    archive = open_archive(lookout(fleet), fleet.inventory)
    found = comparison(archive, "r1", archive.releases[0].digest[:12])
    assert [(each.kind, each.key, each.before, each.after) for each in found.changes] == [
        ("environment", "A", "1", "2")
    ]


def test_what_no_host_carries_makes_no_new_release(fleet: Simulation) -> None:
    """Another rollout policy is no release."""
    fleet.apply(spec(A="1"))
    patient = fleets.spec(
        fleets.web_service(environment={"A": "1"}), rollout=RolloutPolicy(5, retain=9, drain_timeout=5.0)
    )
    assert fleet.apply(patient).outcome == "unchanged"
    assert len(open_archive(lookout(fleet), fleet.inventory).releases) == 1


def test_a_damaged_copy_is_read_from_another_host(fleet: Simulation) -> None:
    """Any whole copy will do."""
    fleet.apply(spec(A="1"))
    archive = open_archive(lookout(fleet), fleet.inventory)
    fleet.hosts["lb1"].images.remove(archive.releases[0].reference)
    assert archive.find("1").content.desired.fleet == "shop"


def test_several_fleets_are_named(fleet: Simulation) -> None:
    """Without a spec, hosts of two fleets are wrong usage that names both."""
    fleet.apply(spec(A="1"))
    labels = {"provisioner.kind": "release", "provisioner.fleet": "club", "provisioner.number": "1"}
    store = fleet.hosts["web1"].images
    fleet.shipper().record({"release.json": b"{}"}, labels, "provisioner/club/release:r1", store)
    with pytest.raises(UsageError, match="several fleets") as caught:
        open_archive(lookout(fleet), fleet.inventory)
    assert "club, shop" in caught.value.hint
    assert open_archive(lookout(fleet), fleet.inventory, "shop").fleet == "shop"


def test_hosts_without_a_release_are_told_so(fleet: Simulation) -> None:
    """An empty host is wrong usage, not an empty table of nobody's."""
    with pytest.raises(UsageError, match="no fleet"):
        open_archive(lookout(fleet), fleet.inventory)


def test_hosts_that_do_not_answer_are_not_empty(fleet: Simulation) -> None:
    """Where no host answers, the reason is told; where some do, the others are named beside the answer."""
    fleet.apply(spec(A="1"))
    fleet.hosts["web1"].cut("no route to host")
    assert history(open_archive(lookout(fleet), fleet.inventory, "shop")).unreachable == ("web1",)
    for name in ("lb1", "web2", "web3"):
        fleet.hosts[name].cut("no route to host")
    with pytest.raises(HostUnreachable):
        open_archive(lookout(fleet), fleet.inventory)
