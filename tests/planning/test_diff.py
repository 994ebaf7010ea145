"""The one diff, on fleets that differ in one thing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.model.container import Mount, TmpfsMount
from provisioner.model.drift import Drift
from provisioner.model.observed import Observed, ObservedContainer, Unreachable
from provisioner.planning.diff import diff
from tests import fleets


def rows(seen: Observed) -> list[tuple[str, str, str]]:
    """Return host, kind and key of every difference from the standard fleet, all of it applied before."""
    wanted = fleets.desired()
    return [(row.host, row.kind, row.key) for row in diff(wanted, seen, wanted)]


def test_a_fleet_at_rest_has_no_difference() -> None:
    """What a rollout leaves is what was wanted."""
    assert rows(fleets.at_rest(fleets.desired())) == []


OPTIONS = fleets.container(fleets.desired(), fleets.desired().nodes[0]).options
ENVIRONMENT = dict(OPTIONS.environment)


@pytest.mark.parametrize(
    ("change", "kind", "key"),
    [
        ({"image_id": fleets.NEW_IMAGE}, "image", ""),
        ({"state": "exited"}, "state", ""),
        ({"state": "paused"}, "state", ""),
        ({"ports": ()}, "ports", ""),
        ({"options": replace(OPTIONS, environment=ENVIRONMENT | {"LOG_LEVEL": "debug"})}, "environment", "LOG_LEVEL"),
        ({"options": replace(OPTIONS, environment=ENVIRONMENT | {"EXTRA": "1"})}, "environment", "EXTRA"),
        ({"options": replace(OPTIONS, command=("sleep", "9"))}, "command", ""),
        ({"options": replace(OPTIONS, entrypoint=("sh",))}, "entrypoint", ""),
        ({"options": replace(OPTIONS, user="0")}, "user", ""),
        ({"options": replace(OPTIONS, mounts=(Mount("bind", "/etc", "/data"),))}, "mounts", "/data"),
        ({"options": replace(OPTIONS, tmpfs=(*OPTIONS.tmpfs, TmpfsMount("/x")))}, "tmpfs", "/x"),
        ({"options": replace(OPTIONS, memory=1 << 20)}, "limits", "memory"),
        ({"options": replace(OPTIONS, nano_cpus=500_000_000)}, "limits", "cpus"),
        ({"options": replace(OPTIONS, pids=9)}, "limits", "pids"),
        ({"options": replace(OPTIONS, privileged=True)}, "hardening", "privileged"),
        ({"options": replace(OPTIONS, cap_add=("NET_ADMIN",))}, "hardening", "cap_add"),
        ({"options": replace(OPTIONS, cap_drop=())}, "hardening", "cap_drop"),
        ({"options": replace(OPTIONS, read_only=False)}, "hardening", "read_only"),
        ({"options": replace(OPTIONS, no_new_privileges=False)}, "hardening", "no_new_privileges"),
        ({"options": replace(OPTIONS, restart="no")}, "restart", ""),
        ({"options": replace(OPTIONS, network="host")}, "network", ""),
        ({"options": replace(OPTIONS, stop_timeout=1)}, "stop", "timeout"),
        ({"options": replace(OPTIONS, log_driver="none")}, "logging", "driver"),
    ],
)
def test_every_changed_field_is_named(change: dict[str, object], kind: str, key: str) -> None:
    """A field that somebody changed on one node is the one row there is."""
    seen = fleets.edit_container(fleets.at_rest(fleets.desired()), "web3", **change)
    assert rows(seen) == [("web3", kind, key)]


def test_a_missing_node_is_one_row() -> None:
    """A container that is gone is named by its node."""
    seen = fleets.edit(fleets.at_rest(fleets.desired()), "web2", containers=())
    assert diff(fleets.desired(), seen, fleets.desired()) == (
        Drift("web2", "web2/web-1", "container", "", "present", "absent", "drift"),
    )


def test_a_container_that_is_not_ours_is_unmanaged() -> None:
    """A container without our label and without a name of ours is reported, and classed unmanaged."""
    seen = fleets.at_rest(fleets.desired())
    stranger = ObservedContainer("x", "redis", "sha256:x", OPTIONS, "running")
    seen = fleets.edit(seen, "web1", containers=(*seen.hosts[1].containers, stranger))
    (row,) = diff(fleets.desired(), seen, fleets.desired())
    assert (row.host, row.key, row.drift_class) == ("web1", "redis", "unmanaged")


def test_a_forged_label_hides_nothing() -> None:
    """Labels are claims: a container with every right label and another image is found."""
    seen = fleets.at_rest(fleets.desired())
    labels = dict(seen.hosts[1].containers[0].labels)
    seen = fleets.edit_container(seen, "web1", image_id=fleets.NEW_IMAGE, labels=labels)
    assert rows(seen) == [("web1", "image", "")]


def test_what_is_not_applied_yet_is_pending() -> None:
    """A new wish is pending where the node still is as the last release wanted, drift where it is not."""
    before = fleets.desired()
    after = fleets.desired(fleets.spec(fleets.web_service(environment={"LOG_LEVEL": "debug"})))
    seen = fleets.edit_container(fleets.at_rest(before), "web3", image_id=fleets.NEW_IMAGE)
    classes = {(row.host, row.kind): row.drift_class for row in diff(after, seen, before)}
    assert classes == {
        ("web1", "environment"): "pending",
        ("web2", "environment"): "pending",
        ("web3", "environment"): "pending",
        ("web3", "image"): "drift",
    }


def test_an_unreachable_host_is_unknown() -> None:
    """A host that did not answer is a row of class unknown, and never clean."""
    seen = fleets.at_rest(fleets.desired())
    seen = Observed(seen.hosts[:3], (Unreachable("web3", "timed out"),))
    (row,) = diff(fleets.desired(), seen, fleets.desired())
    assert (row.host, row.drift_class, row.observed) == ("web3", "unknown", "timed out")


def test_a_limit_nobody_can_enforce_is_compared_as_absent() -> None:
    """A memory limit on an engine that cannot enforce it is no difference."""
    fleet = fleets.spec(fleets.web_service())
    limited = replace(fleet.services["web"].resources, memory=1 << 28)
    wanted = fleets.desired(fleets.spec(fleets.web_service(resources=limited)))
    seen = fleets.at_rest(wanted)
    for name in ("web1", "web2", "web3"):
        engine = replace(seen.hosts[1].engine, unenforceable=("memory",))
        seen = fleets.edit(fleets.edit_container(seen, name, options=OPTIONS), name, engine=engine)
    assert diff(wanted, seen, wanted) == ()


def test_the_order_of_hosts_changes_nothing() -> None:
    """The same fleet seen in another order gives the same rows in the same order."""
    wanted = fleets.desired()
    seen = fleets.edit_container(fleets.at_rest(wanted), "web2", image_id=fleets.NEW_IMAGE)
    shuffled = Observed(tuple(reversed(seen.hosts)))
    assert diff(wanted, seen, wanted) == diff(wanted, shuffled, wanted)


def test_a_server_taken_out_by_hand_is_named() -> None:
    """A server in maintenance that the file lists as enabled is a difference of the rotation."""
    wanted = fleets.desired()
    seen = fleets.at_rest(wanted)
    balancer = seen.hosts[0].balancer
    assert balancer is not None
    first = replace(balancer.servers[0], admin="maint")
    seen = fleets.edit(seen, "lb1", balancer=replace(balancer, servers=(first, *balancer.servers[1:])))
    (row,) = diff(wanted, seen, wanted)
    assert (row.kind, row.key, row.observed) == ("rotation", "web/web1.1.a", "maint")


def test_a_file_edited_but_not_loaded_is_named() -> None:
    """The balancer's file and what it runs are compared apart."""
    wanted = fleets.desired()
    seen = fleets.at_rest(wanted)
    balancer = seen.hosts[0].balancer
    assert balancer is not None
    seen = fleets.edit(seen, "lb1", balancer=replace(balancer, text="global\n"))
    assert rows(seen) == [("lb1", "config", "file")]
