"""Remembers on this machine's disk which image id an engine's own id stands for."""

from __future__ import annotations

import re
import threading
from pathlib import Path

from provisioner.images.disk import told_as_storage

_LINE = re.compile(r"(sha256:[0-9a-f]{64}) (sha256:[0-9a-f]{64})")


class KnownImageIds:
    """Pairs of ids in a file, one a line, added to and never changed: what a digest stands for stays so.

    Without a file nothing is known beyond this object's life. Lines that are no pair, as a full disk may leave them,
    are passed over. All raise StorageFailed.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}
        self._read_bytes = 0

    def remember(self, own_id: str, image_id: str) -> None:
        """Keep that an engine's own id stands for an image id."""
        if self.image_id(own_id) == image_id:
            return
        with self._lock:
            self._known[own_id] = image_id
            if self._file is not None:
                with told_as_storage(self._file):
                    self._file.parent.mkdir(parents=True, exist_ok=True)
                    with self._file.open("a") as kept:
                        kept.write(f"{own_id} {image_id}\n")

    def image_id(self, own_id: str) -> str:
        """Return the image id for an engine's own id, empty where it is not known."""
        with self._lock:
            if own_id not in self._known:
                self._read()
            return self._known.get(own_id, "")

    def own_ids(self, image_id: str) -> tuple[str, ...]:
        """Return every own id that is known to stand for an image id, the latest first."""
        with self._lock:
            self._read()
            return tuple(own_id for own_id, known in reversed(self._known.items()) if known == image_id)

    def _read(self) -> None:
        """Take in what was written since the last time, here or elsewhere."""
        if self._file is None:
            return
        with told_as_storage(self._file):
            size = self._file.stat().st_size if self._file.exists() else 0
            if size != self._read_bytes:
                self._known |= dict(_LINE.findall(self._file.read_text(errors="replace")))
                self._read_bytes = size
