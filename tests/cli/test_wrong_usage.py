"""A command line that is wrong: exit 64, what is wrong with it, and what would be right."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command_line import project, provisioner

SLIPS = [
    (("aply",), "'apply'"),
    (("stauts",), "'status'"),
    (("lab", "dwn"), "'down'"),
    (("plan", "--limi", "web"), "--limit"),
    (("validate", "--forks", "many"), "--forks"),
    (("validate", "--forks", "0"), "--forks"),
    (("lab", "up", "--port", "99999"), "--port"),
    (("validate", "extra"), "extra"),
    (("rolback",), "'rollback'"),
    (("drift", "--only", "packages"), "did you mean 'package'"),
    (("drift", "--ignore", "host"), "there is no kind 'host'"),
    (("drift", "--watch", "often"), "5m"),
    (("drift", "--watch", "0s"), "a second at least"),
]


@pytest.mark.parametrize(("words", "told"), SLIPS, ids=lambda value: " ".join(value) if type(value) is tuple else "")
def test_a_slip_is_named_with_what_was_probably_meant(tmp_path: Path, words: tuple[str, ...], told: str) -> None:
    """An unknown verb, option or value is exit 64 and names what would do, or what is wrong."""
    ran = provisioner(project(tmp_path), *words)
    assert ran.code == 64
    assert ran.err.startswith("error: ")
    assert told in ran.err
    assert ran.out == ""


@pytest.mark.parametrize("verb", ["validate", "plan", "apply", "destroy"])
def test_a_missing_spec_is_wrong_usage(tmp_path: Path, verb: str) -> None:
    """Whether a verb reads or changes, it says which file is not there."""
    ran = provisioner(tmp_path, verb, "-f", "shop.yaml")
    assert ran.code == 64
    assert "shop.yaml" in ran.err


def test_a_missing_inventory_says_how_to_get_one(tmp_path: Path) -> None:
    """Where there is no inventory the message names the places and a command that makes one."""
    ran = provisioner(project(tmp_path, inventories=()), "validate")
    assert ran.code == 64
    assert "inventories" in ran.err
    assert "lab up" in ran.err


def test_two_inventories_need_a_choice(tmp_path: Path) -> None:
    """Where two could be meant both are named, and `-e` picks one."""
    folder = project(tmp_path, inventories=("prod", "staging"))
    undecided = provisioner(folder, "validate")
    assert undecided.code == 64
    assert "inventories/prod.yaml" in undecided.err
    assert "inventories/staging.yaml" in undecided.err
    assert provisioner(folder, "validate", "-e", "prod").code == 0
    assert provisioner(folder, "validate", "-e", "qa").code == 64


def test_an_inventory_is_found_beside_the_spec(tmp_path: Path) -> None:
    """From another folder the spec's own inventories are used."""
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    spec = project(tmp_path / "there") / "fleet.yaml"
    assert provisioner(tmp_path / "here", "validate", "-f", str(spec)).code == 0


def test_an_unknown_limit_names_what_there_is(tmp_path: Path) -> None:
    """A limit that matches no host or group is exit 64 with the groups."""
    ran = provisioner(project(tmp_path), "validate", "--limit", "db")
    assert ran.code == 64
    assert "lb, web" in ran.err


@pytest.mark.parametrize("confirm", [(), ("--confirm", "shopp")])
def test_destroy_wants_the_name_of_the_fleet(tmp_path: Path, confirm: tuple[str, ...]) -> None:
    """Without the fleet's name, or with another, nothing is even connected to."""
    ran = provisioner(project(tmp_path), "destroy", *confirm)
    assert ran.code == 64
    assert "--confirm shop" in ran.err


def test_a_setting_of_the_environment_is_checked_too(tmp_path: Path) -> None:
    """A variable of ours that makes no sense is named."""
    ran = provisioner(project(tmp_path), "validate", variables={"PROVISIONER_FORKS": "many"})
    assert ran.code == 64
    assert "PROVISIONER_FORKS" in ran.err


def test_a_run_told_as_json_ends_with_a_finished_line(tmp_path: Path) -> None:
    """A program that reads the lines of a run learns of the failure from the last of them."""
    ran = provisioner(project(tmp_path), "destroy", "--json")
    first, last = (json.loads(line) for line in ran.out.splitlines())
    assert (first["type"], first["schema"]) == ("version", 1)
    assert (last["type"], last["outcome"], last["exit"]) == ("finished", "failed", 64)


def test_a_lab_that_cannot_be_is_refused_before_an_engine_is_asked(tmp_path: Path) -> None:
    """A version of the engine that no host image has is exit 64, and names those that have one."""
    ran = provisioner(tmp_path, "lab", "up", "--engine", "1.2")
    assert ran.code == 64
    assert "20.10" in ran.err


def test_an_image_store_that_the_engine_does_not_have_is_refused(tmp_path: Path) -> None:
    """Docker 20.10, the default, knows no containerd store: exit 64 before an engine is asked."""
    ran = provisioner(tmp_path, "lab", "up", "--image-store", "containerd")
    assert ran.code == 64
    assert "20.10" in ran.err
    assert "containerd" in ran.err
