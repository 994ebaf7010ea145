"""Releases on a lab of their own: read back, lost and put back, pruned, and made again from a file on emptied hosts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab_fleet import CHECKOUT, Fleet, LabFleet

pytestmark = pytest.mark.lab

WEBS = ("web1", "web2")
HOSTS = ("lb1", *WEBS)
NOWHERE = "http://127.0.0.1:9"
CLOSED = {
    "http_proxy": NOWHERE,
    "https_proxy": NOWHERE,
    "HTTP_PROXY": NOWHERE,
    "HTTPS_PROXY": NOWHERE,
    "PIP_INDEX_URL": f"{NOWHERE}/simple",
    "PROVISIONER_DEBIAN_MIRROR": f"{NOWHERE}/debian",
}
"""An environment in which package archive and index are a port that nobody listens on."""


class SmallLab(LabFleet):
    """Two web hosts and a balancer."""

    name = "rel"
    port = 18610
    shape = ("--group", "lb=1", "--group", "web=2")


@pytest.fixture(scope="module")
def small() -> Iterator[SmallLab]:
    """Return the lab, removed in the end."""
    lab = SmallLab()
    lab.up()
    yield lab
    lab.down()


@pytest.fixture(scope="module")
def shop(small: SmallLab, tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """Return the fleet `hello` with three releases: an app, another app, another environment."""
    fleet = Fleet(small, tmp_path_factory.mktemp("shop"))
    fleet.rewrite("hosts: web:!web4", "hosts: web")
    fleet.rewrite("parallelism: 1", "parallelism: 100%")
    _own_images(fleet)
    fleet.applied()
    fleet.rewrite("You are served by", "Now you are served by", "app/app.py")
    fleet.applied()
    fleet.variables["NAME"] = "Ada"
    fleet.applied()
    return fleet


def _own_images(fleet: Fleet) -> None:
    """Give both images contents that no other test has built, so that they are built here."""
    own = fleet.folder / "templates" / "haproxy"
    own.mkdir(parents=True)
    template = (CHECKOUT / "templates" / "haproxy" / "Dockerfile.j2").read_text()
    (own / "Dockerfile.j2").write_text(f"{template}LABEL of=releases\n")
    app = fleet.folder / "app" / "app.py"
    app.write_text(f"{app.read_text()}\n# of the tests of releases\n")


def history(fleet: Fleet, folder: Path, *names: str) -> Any:
    """Ask for history from a folder that holds nothing, with nothing but the inventory."""
    cache = {"PROVISIONER_CACHE": str(folder / "cache")}
    ran = fleet.lab.run("history", *names, "-i", fleet.inventory, "--json", variables=cache, cwd=folder)
    assert ran.code == 0, ran.err
    return ran.json()


def images(fleet: Fleet, host: str, repository: str) -> set[str]:
    """Return the tags a host has in one of the fleet's repositories."""
    return set(fleet.lab.on(host, f"docker images -q --format '{{{{.Tag}}}}' provisioner/hello/{repository}").split())


def fingerprints(fleet: Fleet) -> dict[str, str]:
    """Return the fingerprint of every node."""
    return {node["node"]: node["fingerprint"] for node in fleet.status()["nodes"]}


def test_any_host_tells_the_history_to_who_has_only_an_inventory(shop: Fleet, tmp_path: Path) -> None:
    """From an empty folder: all releases newest first, on every host, and the one diff between any two."""
    told = history(shop, tmp_path)
    assert (told["fleet"], [each["number"] for each in told["releases"]]) == ("hello", [3, 2, 1])
    assert {tuple(each["hosts"]) for each in told["releases"]} == {HOSTS}
    assert told["releases"][0]["changed"] == "web: environment"
    changes = history(shop, tmp_path, "r1", "r2")["changes"]
    assert {(each["kind"], each["key"]) for each in changes} == {("image", ""), ("context", "app.py")}
    (change,) = history(shop, tmp_path, "2", told["releases"][0]["digest"])["changes"]
    assert (change["key"], change["before"], change["after"]) == ("NAME", "world", "Ada")


def test_what_a_prune_by_hand_took_is_named_and_put_back(shop: Fleet) -> None:
    """After `docker system prune -a` releases, inputs and the way back are drift, and one apply mends it."""
    before = {host: {each: images(shop, host, each) for each in ("release", "inputs", "web")} for host in HOSTS}
    for host in ("lb1", "web1"):
        shop.lab.on(host, "docker system prune -af")
    rows = shop.drift()
    assert {(row["host"], row["kind"], row["class"]) for row in rows} == {
        ("lb1", "image", "drift"),
        ("lb1", "release", "drift"),
        ("web1", "release", "drift"),
    }
    assert shop.applied()["outcome"] == "complete"
    assert shop.drift() == []
    kept = {tag for tag in before["web2"]["release"] if not tag.startswith("r1-")}
    assert images(shop, "lb1", "release") == images(shop, "web1", "release") == kept
    assert images(shop, "lb1", "inputs") <= before["lb1"]["inputs"]


def test_prune_keeps_what_runs_and_the_way_back_and_tells_what_it_freed(shop: Fleet) -> None:
    """With two releases to retain the oldest goes from every host with its image, in bytes; nothing running is hurt."""
    shop.rewrite("drain_timeout: 10s", "drain_timeout: 10s, retain: 2")
    planned = shop.run("prune", "--dry-run", "--json").json()["images"]
    assert {row["host"] for row in planned} == {"web2"}
    ran = shop.run("prune", "--json")
    assert ran.code == 0, ran.err
    lines = [json.loads(line) for line in ran.out.splitlines()]
    freed = {line["host"]: line["bytes"] for line in lines if line["type"] == "space_freed"}
    assert freed.keys() == {"web2"}
    assert freed["web2"] > 1000
    assert {tag.split("-")[0] for tag in images(shop, "web2", "release")} == {"r2", "r3"}
    assert shop.status()["uniform"] is True
    assert shop.drift() == []


def test_a_release_is_made_again_on_emptied_hosts_from_a_file_without_a_network(shop: Fleet, tmp_path: Path) -> None:
    """From a bundle alone, with archive and index unreachable and an empty cache, the fleet is what it was."""
    before, bundle = fingerprints(shop), tmp_path / "hello.bundle"
    here = tmp_path / "elsewhere"
    here.mkdir()
    first = {"PROVISIONER_INVENTORY": shop.inventory, "PROVISIONER_CACHE": str(tmp_path / "first")}
    ran = shop.lab.run("rebuild", "r3", "--bundle", str(bundle), cwd=here, variables=first)
    assert ran.code == 0, ran.err
    shop.destroy()
    for host in HOSTS:
        shop.lab.on(host, "docker system prune -af --volumes")
    closed = {**CLOSED, "PROVISIONER_CACHE": str(tmp_path / "second")}
    ran = shop.lab.run(
        "rebuild", "r3", "-i", shop.inventory, "--bundle", str(bundle), "-y", "--json", cwd=here, variables=closed
    )
    assert (ran.code, ran.finished()["outcome"]) == (0, "complete"), ran.err
    assert "kept nowhere" not in ran.err
    assert fingerprints(shop) == before
    assert shop.status()["uniform"] is True
    assert "Hello Ada!" in shop.lab.get()
    shop.destroy()
