"""What recorded answers of an engine mean."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from provisioner.hosts.image_reading import chain_ids, is_containerd, is_ours, read_image, read_listed, read_releases
from provisioner.hosts.inspection import read_container
from provisioner.hosts.observe import read_log, read_unenforceable
from provisioner.hosts.probe import read_addresses, read_listeners
from provisioner.model.container import EngineHealthTest
from provisioner.model.image import ImageDefaults

CASES = Path(__file__).parent.parent / "cases" / "hosts"


def recorded(case: Path, name: str) -> Any:
    """Return a recorded answer."""
    return json.loads((case / f"{name}.json").read_text())


@pytest.mark.parametrize("case", sorted((CASES / "containers").iterdir()), ids=lambda case: case.name)
def test_a_container_is_read_from_its_inspection(case: Path) -> None:
    """Every option comes out in the shape in which options are asked for, the image's defaults included."""
    answer = recorded(case, "image")
    image = read_image(answer, answer["Id"])
    seen = read_container(recorded(case, "inspection"), image.image_id, image.defaults)
    assert json.loads(json.dumps(asdict(seen))) == recorded(case, "expected")


@pytest.mark.parametrize(
    ("field", "value", "option", "expected"),
    [
        ("NetworkMode", "default", "network", "bridge"),
        ("PidsLimit", None, "pids", 0),
        ("PidsLimit", -1, "pids", 0),
        ("CapDrop", ["CAP_MKNOD", "all"], "cap_drop", ("ALL", "MKNOD")),
        ("CapAdd", None, "cap_add", ()),
        ("SecurityOpt", ["no-new-privileges"], "no_new_privileges", True),
        ("SecurityOpt", ["no-new-privileges:false"], "no_new_privileges", False),
        ("RestartPolicy", {"Name": "", "MaximumRetryCount": 0}, "restart", "no"),
        ("RestartPolicy", {"Name": "on-failure", "MaximumRetryCount": 0}, "restart", "on-failure"),
        ("CpuQuota", 50000, "nano_cpus", 500_000_000),
        ("Init", None, "init", False),
        ("Tmpfs", None, "tmpfs", ()),
    ],
)
def test_engines_say_one_thing_in_several_ways(field: str, value: object, option: str, expected: object) -> None:
    """Whichever way it is said, it is read as the same."""
    answer = recorded(CASES / "containers" / "image-decides", "inspection")
    answer["HostConfig"][field] = value
    assert getattr(read_container(answer, "sha256:1", ImageDefaults()).options, option) == expected


def test_an_image_list_entry_has_no_more_than_a_list_tells() -> None:
    """Layers and defaults take an inspection."""
    facts = read_listed({"Id": "sha256:1", "RepoTags": ["<none>:<none>"], "Labels": None, "Size": 7})
    assert (facts.image_id, facts.tags, facts.layers, facts.size) == ("sha256:1", (), (), 7)


def test_a_health_test_that_is_switched_off_is_not_the_same_as_none() -> None:
    """`NONE` takes the image's own test away: an empty test."""
    config = {"Healthcheck": {"Test": ["NONE"]}}
    assert read_image({"Id": "1", "Config": config}, "1").defaults.health == EngineHealthTest(())
    assert read_image({"Id": "1", "Config": {}}, "1").defaults.health is None


def test_images_with_our_labels_or_names_are_ours() -> None:
    """Others' images are not looked into."""
    assert is_ours({"Labels": {"provisioner.kind": "release"}})
    assert is_ours({"RepoTags": ["provisioner/shop/web:1"]})
    assert not is_ours({"Labels": {"org.example": "1"}, "RepoTags": ["nginx:1.27", "example/provisioner:1"]})


def test_releases_are_found_by_their_labels_oldest_first() -> None:
    """Only those of the fleet, and what a label claims is not trusted to be a number."""

    def entry(number: str, fleet: str = "shop", kind: str = "release") -> dict[str, object]:
        labels = {"provisioner.kind": kind, "provisioner.fleet": fleet, "provisioner.number": number}
        return {"Id": f"sha256:{number}", "RepoTags": [f"provisioner/{fleet}/release:r{number}"], "Labels": labels}

    listed = (entry("12"), entry("3"), entry("4", fleet="other"), entry("5", kind="keeper"), entry("many"))
    found = read_releases(map(read_listed, listed), "shop")
    assert [release.number for release in found] == [0, 3, 12]
    assert found[1].reference == "provisioner/shop/release:r3"


def test_chain_ids_follow_the_image_specification() -> None:
    """The first is the diff id itself; every further one hashes the chain so far and the diff id."""
    base, top = "sha256:" + "a" * 64, "sha256:" + "b" * 64
    both = "sha256:ccd722928bd92476ba1745586fed6e45a102504185ad88cd89e01ff116fd146c"
    assert chain_ids((base, top)) == (base, both)
    assert chain_ids(()) == ()


def test_the_store_is_told_by_its_driver_type() -> None:
    """The snapshotter of containerd means that ids are manifest digests."""
    assert is_containerd({"DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]})
    assert not is_containerd({"DriverStatus": [["Backing Filesystem", "extfs"]]})
    assert not is_containerd({"DriverStatus": None})


def test_limits_that_cannot_be_enforced_are_named() -> None:
    """Only what the engine denies counts; what it does not mention is taken for granted."""
    info = {"MemoryLimit": False, "PidsLimit": False, "CpuCfsQuota": True}
    assert read_unenforceable(info) == ("memory", "pids")


@pytest.mark.parametrize("case", sorted((CASES / "addresses").iterdir()), ids=lambda case: case.name)
def test_a_hosts_own_addresses_are_read_from_the_kernels_tables(case: Path) -> None:
    """Without loopback and link-local ones."""
    expected = tuple((case / "expected.txt").read_text().split())
    assert read_addresses((case / "answer.txt").read_text()) == expected


def test_who_listens_is_read_from_the_kernels_tables() -> None:
    """Sockets in the state 0A, on one address or on all of them, IPv4 and IPv6; connections do not count."""
    assert read_listeners((CASES / "addresses" / "plain" / "answer.txt").read_text()) == ()
    told = (
        "trie\n\n--\nsix\n\n--\n"
        "   0: 00000000:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100\n"
        "   1: 0100007F:20D4 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100\n"
        "   2: 0100007F:20D5 0100007F:1234 01 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100\n"
        "  10: 00000000000000000000000000000000:01BB 00000000000000000000000000000000:0000 0A 00000000:00000000 00:0\n"
        "  11: 000000FD000000000000000002000000:01BC 00000000000000000000000000000000:0000 0A 00000000:00000000 00:0\n"
    )
    expected = (("", 80), ("", 443), ("fd00::2", 444), ("127.0.0.1", 8404))
    assert read_listeners(told) == expected


def test_a_log_line_cannot_move_the_cursor() -> None:
    """Escape sequences and control characters are taken out, tabs and other scripts stay."""
    written = b"\x1b[31mred\x1b[0m\tx\x07\r\nna\xc3\xafve \xff\n\x1b]0;title\x07done\n\nlast"
    assert read_log(written) == ("red\tx", "naïve \ufffd", "done", "", "last")
    assert read_log(b"") == ()
