"""Releases that this machine recorded or read, kept beside its cache: for the day when no host has them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import StorageFailed
from provisioner.model.release import KeptRelease

_CONTENT, _LABELS = "release.json", "labels.json"


@dataclass(frozen=True, slots=True)
class ReleaseShelf:
    """Releases below a folder, by fleet and name."""

    folder: Path

    def put(self, fleet: str, name: str, kept: KeptRelease) -> None:
        """Keep a release. Raise StorageFailed."""
        folder = self.folder / fleet / name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / _CONTENT).write_bytes(kept.content)
            (folder / _LABELS).write_text(json.dumps(dict(kept.labels), sort_keys=True), encoding="utf-8")
        except OSError as error:
            hint = "see that there is room and that you may write there"
            raise StorageFailed(f"{folder} cannot be written: {error.strerror}", hint=hint) from error

    def releases(self, fleet: str = "") -> tuple[KeptRelease, ...]:
        """Return what is kept of one fleet, of all where none is named; what cannot be read is left out."""
        found = []
        for path in sorted(self.folder.glob(f"{fleet or '*'}/*/{_CONTENT}")):
            try:
                labels: Mapping[str, str] = json.loads(path.with_name(_LABELS).read_bytes())
                found.append(KeptRelease(path.read_bytes(), labels))
            except (OSError, ValueError):
                continue
        return tuple(found)
