"""A change that nobody agreed to."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.command_line import provisioner
from tests.lab_fleet import WEBS, Fleet, LabFleet

KEPT = ("DOCKER_HOST", "PROVISIONER_DEBIAN_MIRROR")


@pytest.mark.lab
def test_a_plan_that_nobody_can_confirm_changes_nothing(lab: LabFleet, tmp_path: Path) -> None:
    """Without a terminal and without `-y` the plan is shown, the exit is 64, and no host has anything of the fleet."""
    fleet = Fleet(lab, tmp_path)
    fleet.rewrite("name: hello", "name: unconfirmed")
    variables = {name: os.environ[name] for name in KEPT if name in os.environ} | {"PROVISIONER_CACHE": str(lab.cache)}
    ran = provisioner(fleet.folder, "apply", "-i", fleet.inventory, variables=variables)
    assert ran.code == 64, ran.err
    assert "web1/web-1" in ran.out
    assert "--yes" in ran.err
    for host in ("lb1", *WEBS):
        assert lab.on(host, "docker ps -aq --filter name=unconfirmed") == ""
        assert lab.on(host, "docker images -q 'provisioner/unconfirmed/*'") == ""
