"""Remembers on this machine's disk which image id an engine's own id stands for."""

from __future__ import annotations

import re
import threading
from pathlib import Path

from provisioner.images.disk import told_as_storage

_LINE = re.compile(r"(sha256:[0-9a-f]{64}) (sha256:[0-9a-f]{64})")


class ImageIdsOnDisk:
    """Pairs of ids in a file, one a line, added to and never changed: what a digest stands for stays so.

    Lines that are no pair, as a full disk may leave them, are passed over. Raise StorageFailed.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lock = threading.Lock()
        self._known: dict[str, str] | None = None

    def remember(self, own_id: str, image_id: str) -> None:
        """Keep that an engine's own id stands for an image id."""
        with self._lock:
            if self._read().get(own_id) == image_id:
                return
            self._read()[own_id] = image_id
            with told_as_storage(self._file):
                self._file.parent.mkdir(parents=True, exist_ok=True)
                with self._file.open("a") as kept:
                    kept.write(f"{own_id} {image_id}\n")

    def image_id(self, own_id: str) -> str:
        """Return the image id for an engine's own id, empty where it is not known."""
        with self._lock:
            return self._read().get(own_id, "")

    def own_ids(self, image_id: str) -> tuple[str, ...]:
        """Return every own id that is known to stand for an image id, the latest first."""
        with self._lock:
            return tuple(own_id for own_id, known in reversed(self._read().items()) if known == image_id)

    def _read(self) -> dict[str, str]:
        if self._known is None:
            with told_as_storage(self._file):
                text = self._file.read_text(errors="replace") if self._file.exists() else ""
            self._known = dict(_LINE.findall(text))
        return self._known
