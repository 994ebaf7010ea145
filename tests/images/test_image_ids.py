"""What an engine's own ids stand for, remembered on disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.errors import StorageFailed
from provisioner.images.image_ids import KnownImageIds

OWN, OTHER, IMAGE = (f"sha256:{digit * 64}" for digit in "abc")


def test_what_was_remembered_is_known_to_the_next_process(tmp_path: Path) -> None:
    """Both ways: from an engine's own id to the image id, and back, the latest first."""
    first = KnownImageIds(tmp_path / "cache" / "image-ids")
    assert first.image_id(OWN) == ""
    for own_id in (OWN, OTHER, OWN):
        first.remember(own_id, IMAGE)
    assert (first.image_id(OWN), first.own_ids(IMAGE)) == (IMAGE, (OTHER, OWN))
    second = KnownImageIds(tmp_path / "cache" / "image-ids")
    assert (second.image_id(OWN), second.own_ids(IMAGE)) == (IMAGE, (OTHER, OWN))
    assert len((tmp_path / "cache" / "image-ids").read_text().splitlines()) == 2


def test_what_another_process_found_out_is_known_too(tmp_path: Path) -> None:
    """Two that share a file learn from each other; without a file each knows its own."""
    first, second, apart = KnownImageIds(tmp_path / "ids"), KnownImageIds(tmp_path / "ids"), KnownImageIds()
    assert second.image_id(OWN) == ""
    for ids in (first, apart):
        ids.remember(OWN, IMAGE)
    assert second.image_id(OWN) == apart.image_id(OWN) == IMAGE


def test_a_line_that_was_cut_is_passed_over(tmp_path: Path) -> None:
    """A disk that was full in the middle of a line costs that line and no other."""
    file = tmp_path / "image-ids"
    file.write_text(f"{OWN} {IMAGE}\n{OTHER} sha256:12\n")
    ids = KnownImageIds(file)
    assert (ids.image_id(OWN), ids.image_id(OTHER)) == (IMAGE, "")


def test_a_disk_that_takes_nothing_is_told(tmp_path: Path) -> None:
    """The error names the file."""
    (tmp_path / "cache").write_text("")
    with pytest.raises(StorageFailed, match="image-ids"):
        KnownImageIds(tmp_path / "cache" / "image-ids").remember(OWN, IMAGE)
