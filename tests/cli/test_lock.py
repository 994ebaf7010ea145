"""`provisioner lock` and `--locked`, as far as they need no engine."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from provisioner.model.lock import Lock, LockedImage
from provisioner.spec.lock import lock_text
from tests.cli.command_line import EIGHT_LINES, example, project, provisioner

NGINX = LockedImage("nginx:1.27", "linux/amd64", f"sha256:{5:064}")
PLAIN = EIGHT_LINES.partition("load_balancer")[0]


def locked(folder: Path, *images: LockedImage, name: str = "fleet.lock") -> Path:
    """Return a folder with a fleet of one image, and a lock of these."""
    if not (folder / "inventories").exists():
        project(folder)
    (folder / "fleet.yaml").write_text(PLAIN)
    (folder / name).write_text(lock_text(Lock("0.1.0", "linux/amd64", images=images)))
    return folder


def test_an_unlocked_fleet_differs_from_its_lock(tmp_path: Path) -> None:
    """Without a lock file every name that moves is missing, by section and name, and the exit code is 2."""
    ran = provisioner(example(tmp_path, "hello"), "lock", "--check", "--json")
    assert ran.code == 2
    rows = json.loads(ran.out)["differences"]
    assert {(row["kind"], row["section"]) for row in rows} == {("missing", "suites"), ("missing", "packages")}
    assert "bookworm" in {row["name"] for row in rows}


def test_a_locked_fleet_differs_in_nothing(tmp_path: Path) -> None:
    """A lock that says all that is asked is exit 0; one that says more is exit 2."""
    folder = locked(tmp_path, NGINX)
    assert provisioner(folder, "lock", "--check").code == 0
    locked(tmp_path, NGINX, LockedImage("redis:7", "linux/amd64", NGINX.image_id))
    ran = provisioner(folder, "lock", "--check")
    assert ran.code == 2
    assert "unasked" in ran.out
    assert "redis:7" in ran.out


def test_an_environment_has_its_own_lock(tmp_path: Path) -> None:
    """With `-e` the environment's file counts, where it has one."""
    folder = locked(tmp_path, NGINX)
    assert provisioner(folder, "-e", "prod", "lock", "--check").code == 0
    locked(tmp_path, name="fleet.prod.lock")
    assert provisioner(folder, "-e", "prod", "lock", "--check").code == 2
    assert provisioner(folder, "lock", "--check").code == 0


@pytest.mark.parametrize("verb", [("plan",), ("apply", "-y"), ("build",)])
def test_locked_refuses_before_anything(tmp_path: Path, verb: tuple[str, ...]) -> None:
    """With `--locked` a name that is not in the lock is exit 1, and what to do is said; no host is asked."""
    ran = provisioner(locked(tmp_path), *verb, "--locked")
    assert ran.code == 1
    assert "nginx:1.27 (images)" in ran.err
    assert "provisioner lock" in ran.err


def test_a_broken_lock_is_invalid_input(tmp_path: Path) -> None:
    """A lock file that a merge left in pieces is exit 65 with its place."""
    folder = locked(tmp_path, NGINX)
    (folder / "fleet.lock").write_text((folder / "fleet.lock").read_text().replace("schema: 1", "schema: x"))
    ran = provisioner(folder, "plan")
    assert ran.code == 65
    assert "fleet.lock:2:9" in ran.err


def test_names_are_for_upgrades(tmp_path: Path) -> None:
    """A name without `--upgrade`, or `--check` with it, is wrong usage."""
    folder = locked(tmp_path, NGINX)
    assert provisioner(folder, "lock", "nginx:1.27").code == 64
    assert provisioner(folder, "lock", "--check", "--upgrade").code == 64
