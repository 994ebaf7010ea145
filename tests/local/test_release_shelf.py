"""Releases kept on this machine."""

from __future__ import annotations

from pathlib import Path

from provisioner.local.release_shelf import ReleaseShelf
from provisioner.model.release import KeptRelease

KEPT = KeptRelease(b'{"schema":2}', {"provisioner.number": "1"})


def test_what_is_kept_is_read_back_by_fleet(tmp_path: Path) -> None:
    """A release comes back byte for byte, and only where its fleet is asked for, or all are."""
    shelf = ReleaseShelf(tmp_path / "releases")
    shelf.put("shop", "r1-9f3c", KEPT)
    assert shelf.releases("shop") == shelf.releases() == (KEPT,)
    assert shelf.releases("club") == ()


def test_a_damaged_entry_is_no_release(tmp_path: Path) -> None:
    """What was half written is left out, and nothing is an error before anything was kept."""
    shelf = ReleaseShelf(tmp_path / "releases")
    assert shelf.releases() == ()
    shelf.put("shop", "r1-9f3c", KEPT)
    (tmp_path / "releases" / "shop" / "r1-9f3c" / "labels.json").write_text("{")
    assert shelf.releases() == ()
