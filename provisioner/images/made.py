"""What was made, on this machine's disk: for each tag the image, what its names resolved to, how it came to be."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from provisioner.images.disk import told_as_storage
from provisioner.model.image import Explanation
from provisioner.model.lock import Pins
from provisioner.spec.codec import Unreadable, decode, encode


@dataclass(frozen=True, slots=True)
class MadeRecord:
    """An image that was made here: its tag and id, what its moving names resolved to, how it came to be."""

    tag: str
    image_id: str
    pins: Pins = Pins()
    explanation: Explanation = Explanation()


@dataclass(frozen=True, slots=True)
class MadeRecords:
    """Records below a folder, one file each, named by the digest of the tag."""

    folder: Path

    def find(self, tag: str) -> MadeRecord | None:
        """Return what was recorded for a tag, None where there is nothing or nothing that can be read."""
        with suppress(OSError, ValueError, Unreadable):
            record: MadeRecord = decode(json.loads(self._path(tag).read_bytes()), MadeRecord)
            return record
        return None

    def write(self, record: MadeRecord) -> None:
        """Keep a record in place of an older one of the same tag. Raise StorageFailed."""
        target = self._path(record.tag)
        beside = target.with_suffix(f".{os.getpid()}")
        with told_as_storage(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            beside.write_text(json.dumps(encode(record, MadeRecord), indent=1))
            beside.replace(target)

    def _path(self, tag: str) -> Path:
        return self.folder / f"{hashlib.sha256(tag.encode()).hexdigest()}.json"
