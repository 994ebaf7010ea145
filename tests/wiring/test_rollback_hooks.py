"""Hooks of a rollback: commands that run, and the JSON each of them reads."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner.errors import HookFailed
from provisioner.hosts.memory import AppBehaviour
from provisioner.local.hooks import LocalHooks
from provisioner.model.event import Finished
from provisioner.wiring.fleet import Settings, declared_spec
from provisioner.wiring.rollback import intend_back
from tests.simulation import WEBS, Simulation, spec
from tests.wiring.going_back import carry_out, ground, inventory, settings, whole

MOMENTS = ("pre-build", "pre-apply", "post-batch", "post-apply", "on-failure")
SPEC = "name: shop\nservices:\n  web: {image: nginx, hosts: web, port: 80}\nrollout: {min_healthy_time: 1s}\nhooks:\n"
SCRIPT = '#!/bin/sh\ncat >>told.jsonl\ntest ! -e "no-$PROVISIONER_HOOK"\n'


@pytest.fixture
def shop(tmp_path: Path) -> Simulation:
    """Return a fleet on its second release."""
    fleet = Simulation(tmp_path / "cache")
    assert carry_out(fleet.world(), whole(fleet, spec(A="1"))).outcome == "complete"
    fleet.version = "2"
    assert carry_out(fleet.world(), whole(fleet, spec(A="2"))).outcome == "complete"
    return fleet


@pytest.fixture
def here(tmp_path: Path) -> Settings:
    """Return a folder with a spec whose hooks note what they are told; `no-MOMENT` there lets that one fail."""
    script = tmp_path / "note.sh"
    script.write_text(SCRIPT)
    script.chmod(0o755)
    chosen = settings(tmp_path)
    chosen.file.write_text(SPEC + "".join(f"  {moment}: ./note.sh\n" for moment in MOMENTS))
    return chosen


def roll_back(fleet: Simulation, here: Settings, name: str = "") -> Finished:
    """Go back by the inventory, with the hooks of the spec that is there."""
    declared = declared_spec(here)
    assert declared is not None
    hooks = LocalHooks(declared.hooks, here.folder, here.environment, declared.secrets)
    return carry_out(replace(fleet.world(), hooks=hooks), intend_back(here, ground(fleet, inventory(), name)))


def told(here: Settings) -> list[dict[str, Any]]:
    """Return what hooks were told, in order."""
    return [json.loads(line) for line in (here.folder / "told.jsonl").read_text().splitlines()]


def test_a_rollback_is_told_moment_by_moment(shop: Simulation, here: Settings) -> None:
    """Before it moves, after its one batch, and when it is through; which release it leaves, and which it makes."""
    finished = roll_back(shop, here)
    assert finished.outcome == "complete"
    moving, batch, last = told(here)
    assert finished.release is not None
    nodes = [f"{host}/web-1" for host in WEBS]
    about = {"schema": 1, "fleet": "shop", "command": "rollback", "release": finished.release}
    assert [each["hook"] for each in (moving, batch, last)] == ["pre-apply", "post-batch", "post-apply"]
    assert all(about.items() <= each.items() for each in (moving, batch, last))
    assert all(each["previous"].startswith("r2-") for each in (moving, batch, last))
    assert (finished.release[:3], batch["hosts"], batch["nodes"]) == ("r3-", list(WEBS), nodes)
    assert set(moving["nodes"]) >= set(nodes)
    assert (moving["outcome"], moving["exit_code"]) == ("", None)
    assert (last["outcome"], last["exit_code"], last["message"]) == ("complete", 0, finished.message)


def test_a_rollback_that_fails_is_told_with_how_it_ended(shop: Simulation, here: Settings) -> None:
    """The old image does not come up any more: `on-failure` reads outcome, exit code and message."""
    shop.version = "1"
    shop.behave(AppBehaviour(exits_after=0.2))
    for host in WEBS:
        shop.hosts[host].containers.remove("shop.web-1.a")
    finished = roll_back(shop, here)
    last = told(here)[-1]
    assert [each["hook"] for each in told(here)] == ["pre-apply", "on-failure"]
    assert (last["command"], last["outcome"], last["exit_code"]) == ("rollback", finished.outcome, finished.exit_code)
    assert (last["message"], finished.exit_code) == (finished.message, 1)


def test_a_rollback_asks_before_it_moves(shop: Simulation, here: Settings) -> None:
    """`pre-apply` says no: exit 1, no container was touched, and `on-failure` reads why."""
    (here.folder / "no-pre-apply").touch()
    shop.hosts.effects.clear()
    with pytest.raises(HookFailed) as refusal:
        roll_back(shop, here)
    assert refusal.value.exit_code == 1
    assert not [write for write in shop.writes() if "shop.web" in write or "set_state" in write]
    assert [each["hook"] for each in told(here)] == ["pre-apply", "on-failure"]
    assert told(here)[-1]["message"] == refusal.value.message


def test_a_rollback_with_nothing_to_do_calls_none(shop: Simulation, here: Settings) -> None:
    """Where the release before is what runs already, nobody is told anything."""
    assert roll_back(shop, here).outcome == "complete"
    (here.folder / "told.jsonl").unlink()
    assert roll_back(shop, here, "r3").outcome == "unchanged"
    assert not (here.folder / "told.jsonl").exists()
