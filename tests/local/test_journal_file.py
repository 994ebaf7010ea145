"""Journals of runs on this machine's disk."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from provisioner.errors import StorageFailed
from provisioner.local.journal_file import KEPT, open_journal


def test_lines_lie_in_the_file_of_the_run(tmp_path: Path) -> None:
    """Appended lines are there as they came, and nobody else may read them."""
    journal = open_journal(tmp_path / ".provisioner", "shop", "1f3c")
    journal.append(b"one\n", durable=True)
    journal.append(b"two\n", durable=False)
    journal.close()
    path = tmp_path / ".provisioner" / "journal" / "shop" / "1f3c.jsonl"
    assert path.read_bytes() == b"one\ntwo\n"
    assert path.stat().st_mode & 0o077 == 0
    assert (tmp_path / ".provisioner" / ".gitignore").read_text() == "*\n"


def test_a_folder_that_takes_no_file_is_refused(tmp_path: Path) -> None:
    """Where no journal can be, it is said, and what to do about it."""
    (tmp_path / "journal").write_text("in the way")
    with pytest.raises(StorageFailed, match="cannot be written") as refusal:
        open_journal(tmp_path, "shop", "1f3c")
    assert "nothing is changed without a journal" in refusal.value.hint


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_an_error_of_ours(tmp_path: Path) -> None:
    """What is not written is not taken for written."""
    folder = tmp_path / "journal" / "shop"
    folder.mkdir(parents=True)
    (folder / "1f3c.jsonl").symlink_to("/dev/full")
    journal = open_journal(tmp_path, "shop", "1f3c")
    with pytest.raises(StorageFailed, match="No space left"):
        journal.append(b"one\n", durable=True)
    journal.close()


def test_the_oldest_journals_go(tmp_path: Path) -> None:
    """A fleet keeps its last journals, the new one among them."""
    folder = tmp_path / "journal" / "shop"
    folder.mkdir(parents=True)
    for number in range(KEPT + 5):
        path = folder / f"{number}.jsonl"
        path.write_text("x")
        os.utime(path, (number, number))
    open_journal(tmp_path, "shop", "new").close()
    left = {path.stem for path in folder.glob("*.jsonl")}
    assert len(left) == KEPT
    assert {"new", str(KEPT + 4)} <= left
    assert "0" not in left
