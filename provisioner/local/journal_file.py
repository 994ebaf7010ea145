"""The journals of runs on this machine: one file for each run, that only grows."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from provisioner.errors import StorageFailed
from provisioner.local.files import own_folder

KEPT = 50
"""How many journals of a fleet stay: the oldest go when another one begins."""

_HINT = "nothing is changed without a journal; see that there is room and that you may write there"


class JournalFile:
    """One open journal."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            _sync_folder(path.parent)
        except OSError as error:
            raise StorageFailed(f"{path} cannot be written: {error.strerror}", hint=_HINT) from error

    def append(self, line: bytes, *, durable: bool) -> None:
        """Append a line; a durable one is on the disk when this returns. Raise StorageFailed."""
        try:
            left = memoryview(line)
            while left:
                left = left[os.write(self._file, left) :]
            if durable:
                os.fdatasync(self._file)
        except OSError as error:
            raise StorageFailed(f"{self._path} cannot be written: {error.strerror}", hint=_HINT) from error

    def close(self) -> None:
        """Give it back."""
        os.close(self._file)


def open_journal(folder: Path, fleet: str, run: str) -> JournalFile:
    """Return the journal of a fleet's run below a folder of ours; the oldest ones go. Raise StorageFailed."""
    own_folder(folder)
    _forget_oldest(folder / "journal" / fleet)
    return JournalFile(folder / "journal" / fleet / f"{run}.jsonl")


def _forget_oldest(folder: Path) -> None:
    with suppress(OSError):
        journals = sorted(folder.glob("*.jsonl"), key=lambda path: path.stat().st_mtime, reverse=True)
        for path in journals[KEPT - 1 :]:
            path.unlink()


def _sync_folder(folder: Path) -> None:
    """Have the disk know the file's name too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
