"""One fleet on every kind of engine at once: Docker 20.10, 26 and 28, with the classic and the containerd store."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.images.archive import pack
from provisioner.images.shipping.record import record_image
from tests.lab_fleet import Fleet, KindsLab

pytestmark = pytest.mark.lab

HOSTS = ("lb1", "web1", "web2", "web3", "web4")
CONTAINERD = ("web2", "web4")


@pytest.fixture(scope="module")
def mixed(kinds: KindsLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Return the fleet `hello` with a web node on each of the five hosts."""
    fleet = Fleet(kinds, tmp_path_factory.mktemp("mixed"))
    fleet.rewrite("hosts: web:!web4", "hosts: all")
    fleet.rewrite("parallelism: 1", "parallelism: 100%")
    fleet.applied()
    yield fleet
    fleet.destroy()


def _image_ids(fleet: Fleet, service: str) -> set[str]:
    return {node["image_id"] for node in fleet.status()["nodes"] if node["service"] == service}


def test_one_image_runs_on_every_kind_of_engine(mixed: Fleet) -> None:
    """Five hosts, five kinds of engine, one image id, one fingerprint, no drift."""
    status = mixed.status()
    assert {host["engine"].split(".")[0] for host in status["hosts"]} == {"20", "26", "28"}
    web = [node for node in status["nodes"] if node["service"] == "web"]
    assert {node["host"] for node in web} == set(HOSTS)
    assert len({(node["image_id"], node["fingerprint"]) for node in web}) == 1
    assert status["uniform"] is True
    assert mixed.drift() == []


def test_a_second_apply_ships_nothing_to_any_kind(mixed: Fleet) -> None:
    """What a containerd store calls by another name is known to be there."""
    finished = mixed.applied()
    assert (finished["outcome"], finished["actions"]) == ("unchanged", 0)


def test_a_controller_that_knows_nothing_sees_the_same(mixed: Fleet, tmp_path: Path) -> None:
    """Without a memory of what was shipped, image ids are read from the stores themselves."""
    known = _image_ids(mixed, "web")
    mixed.variables["PROVISIONER_CACHE"] = str(tmp_path / "cache")
    try:
        assert _image_ids(mixed, "web") == known
        assert mixed.drift() == []
    finally:
        del mixed.variables["PROVISIONER_CACHE"]


def test_a_change_reaches_every_kind_as_a_small_layer(mixed: Fleet) -> None:
    """New code is one new image everywhere, and no host gets the base again."""
    before = _image_ids(mixed, "web")
    mixed.rewrite("You are served by", "Now you are served by", "app/app.py")
    ran = mixed.apply()
    assert ran.finished()["outcome"] == "complete"
    after = _image_ids(mixed, "web")
    assert len(after) == 1
    assert after != before
    assert "MB sent" in ran.out
    assert all(f"{megabytes}.{tenth} MB sent" not in ran.out for megabytes in range(1, 200) for tenth in range(10))


def test_secrets_reach_nodes_on_every_kind(mixed: Fleet) -> None:
    """Each node reads its file as its own user, cannot write to it, and every engine gives it out to be compared."""
    mixed.rewrite("name: hello\n", "name: hello\nsecrets: {KEY: {env: HELLO_KEY}}\n")
    mixed.rewrite("    port: 80 ", "    secrets: [KEY]\n    port: 80 ")
    for value in ("the-first-value", "the-second-value"):
        mixed.variables["HELLO_KEY"] = value
        assert mixed.applied()["outcome"] == "complete"
        assert mixed.drift() == []
        assert mixed.status()["uniform"] is True
        for host in HOSTS:
            inside = f"docker exec {mixed.container(host)} sh -c"
            read = mixed.lab.on(host, f"{inside} 'stat -c %a:%u /run/secrets/KEY; cat /run/secrets/KEY'")
            assert read == f"400:10001\n{value}"
            mixed.lab.on(host, f"{inside} '! touch /run/secrets/OTHER 2>/dev/null'")
            volumes = mixed.lab.on(host, "docker volume ls -q --filter name=.secrets").split()
            assert len(volumes) == 1


def test_a_broken_image_in_a_store_is_nobodys_failure(mixed: Fleet) -> None:
    """An engine that kept the tag of an image it could not unpack is observed like any other."""
    image, _ = record_image({"a": b"b"}, {"provisioner.fleet": "hello"}, "linux/amd64")
    archive = b"".join(pack(image, ("provisioner/hello/broken:1",), ()).stream(lambda _: ()))
    for host in CONTAINERD:
        load = ["docker", "exec", "-i", f"{mixed.lab.name}-{host}", "docker", "load"]
        subprocess.run(load, input=archive, check=False, capture_output=True)
        assert mixed.lab.on(host, "docker image inspect -f ok provisioner/hello/broken:1") == "ok"
    assert mixed.status()["uniform"] is True
    assert mixed.drift() == []
