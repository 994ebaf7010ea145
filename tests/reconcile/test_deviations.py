"""What people change inside nodes: named, and put right by a rollout of those nodes alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from provisioner.model.deviation import Deviation
from provisioner.model.sockets import OpenSocket
from tests.simulation import Simulation, spec

if TYPE_CHECKING:
    from provisioner.hosts.memory.machine import HeldContainer

CHANGES = (
    Deviation("security", "seccomp", "none", "unconfined"),
    Deviation("files", "/app/app.py", "as the image has it", "changed"),
    Deviation("process", "sleep", "not started", "sleep 900"),
    Deviation("networks", "extra", "absent", "172.30.0.9"),
)


@pytest.fixture
def shop(fleet: Simulation) -> Simulation:
    """Return a fleet that was applied."""
    fleet.apply(spec(A="1"))
    fleet.hosts.effects.clear()
    return fleet


def web(shop: Simulation, host: str) -> HeldContainer:
    """Return the container of the web service on a host."""
    return next(held for held in shop.hosts[host].machine.containers.values() if ".web-1." in held.name)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.kind)
def test_what_was_changed_inside_one_node_is_put_right_by_replacing_it(shop: Simulation, change: Deviation) -> None:
    """The row names it, the fleet is not uniform, one apply replaces that node and no other."""
    before = {host: web(shop, host).container_id for host in ("web1", "web2", "web3")}
    shop.hosts["web2"].deviate(web(shop, "web2").name, change)
    assert shop.drift(spec(A="1")) == [("web2", change.kind, change.key, "drift")]
    assert shop.status(spec(A="1")).uniform is False
    assert shop.apply(spec(A="1")).outcome == "complete"
    assert shop.drift(spec(A="1")) == []
    assert shop.status(spec(A="1")).uniform is True
    after = {host: web(shop, host).container_id for host in before}
    assert [host for host in before if before[host] != after[host]] == ["web2"]


def test_a_restart_ends_a_foreign_process_and_writes_the_engines_files_anew(shop: Simulation) -> None:
    """What is left of such a change by a restart is nothing."""
    name = web(shop, "web1").name
    shop.hosts["web1"].deviate(name, CHANGES[2])
    shop.hosts["web1"].deviate(name, Deviation("files", "/etc/hosts", "as the engine wrote it", "edited"))
    shop.hosts["web1"].restart(name)
    assert shop.drift(spec(A="1")) == []


def test_sockets_that_nobody_declared_are_unmanaged_and_change_nothing(shop: Simulation) -> None:
    """They are named with a command that shows them; the fleet stays uniform and apply has nothing to do."""
    shop.hosts["web1"].machine.sockets |= {OpenSocket("tcp", "", 9911, "perl"), OpenSocket("udp", "::1", 53, "named")}
    assert shop.drift(spec(A="1")) == [
        ("web1", "socket", "tcp *:9911", "unmanaged"),
        ("web1", "socket", "udp [::1]:53", "unmanaged"),
    ]
    assert shop.status(spec(A="1")).uniform is True
    assert shop.apply(spec(A="1")).outcome == "unchanged"
    assert shop.writes() == []


def test_a_tag_that_was_moved_is_named_and_set_back_while_everything_runs_on(shop: Simulation) -> None:
    """What runs is told by its id; the container is not touched."""
    images = shop.hosts["web3"].images
    tag = next(tag for image in images.all() for tag in image.tags if "/web:" in tag)
    other = next(image for image in images.all() if any("/release:" in each for each in image.tags))
    running = web(shop, "web3").container_id
    held = images.shelf.find(other.image_id)
    assert held is not None
    images.shelf.name(held, tag)
    assert shop.drift(spec(A="1")) == [("web3", "image", tag, "drift")]
    assert shop.apply(spec(A="1")).outcome == "complete"
    assert shop.drift(spec(A="1")) == []
    assert web(shop, "web3").container_id == running
