"""Where a lock lies, and that it is there whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.errors import InvalidInput, StorageFailed
from provisioner.local.lock_file import find_lock, lock_path, write_lock
from provisioner.model.lock import Lock

LOCK = Lock("1.0", "linux/amd64")


def test_an_environment_may_have_a_lock_of_its_own(tmp_path: Path) -> None:
    """It lies beside the spec; where an environment has none, the one for all counts."""
    spec = tmp_path / "fleet.yaml"
    assert lock_path(spec) == tmp_path / "fleet.lock"
    assert lock_path(spec, "prod") == tmp_path / "fleet.prod.lock"
    assert find_lock(spec, "prod") is None
    write_lock(lock_path(spec), LOCK)
    assert find_lock(spec, "prod") == find_lock(spec) == LOCK
    write_lock(lock_path(spec, "prod"), Lock("2.0", "linux/amd64"))
    assert find_lock(spec, "prod") == Lock("2.0", "linux/amd64")
    assert find_lock(spec) == LOCK


def test_writing_leaves_one_file(tmp_path: Path) -> None:
    """What was there is replaced at once; nothing half-written stays, and others may read it."""
    path = tmp_path / "fleet.lock"
    for tool in ("1.0", "2.0"):
        write_lock(path, Lock(tool, "linux/amd64"))
    assert [each.name for each in tmp_path.iterdir()] == ["fleet.lock"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """The path that could not be written is named."""
    with pytest.raises(StorageFailed, match=r"gone/fleet\.lock cannot be written"):
        write_lock(tmp_path / "gone" / "fleet.lock", LOCK)


def test_a_broken_lock_is_no_missing_lock(tmp_path: Path) -> None:
    """A lock file that cannot be read stops the run: it never counts as none."""
    (tmp_path / "fleet.lock").write_text("<<<<<<< HEAD\n")
    with pytest.raises(InvalidInput, match=r"fleet\.lock:1"):
        find_lock(tmp_path / "fleet.yaml")
