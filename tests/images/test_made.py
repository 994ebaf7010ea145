"""Records of what was made."""

from __future__ import annotations

from pathlib import Path

from provisioner.images.made import MadeRecord, MadeRecords
from provisioner.model.image import Dropped, Explanation, LayerSummary, Rewritten
from provisioner.model.lock import LockedImage, Pins

RECORD = MadeRecord(
    "provisioner/shop/web:1f",
    "sha256:" + "1" * 64,
    Pins(image=LockedImage("nginx:1", "linux/amd64", "sha256:" + "2" * 64)),
    Explanation((LayerSummary("app", "x", 1, 2),), (Dropped("logs", ("a\udce2",)),), (Rewritten("days", ("b",)),)),
)


def test_a_record_is_found_by_its_tag(tmp_path: Path) -> None:
    """What was written for a tag is read back, whatever stands in its paths, and nothing for another one."""
    records = MadeRecords(tmp_path / "made")
    assert records.find(RECORD.tag) is None
    records.write(RECORD)
    assert records.find(RECORD.tag) == RECORD
    assert records.find("provisioner/shop/web:2a") is None


def test_a_damaged_record_is_none(tmp_path: Path) -> None:
    """A file that was cut short explains nothing, and is no error."""
    records = MadeRecords(tmp_path)
    records.write(RECORD)
    (file,) = tmp_path.iterdir()
    file.write_text(file.read_text()[:40])
    assert records.find(RECORD.tag) is None
