"""What images are made from, kept on this machine by content: packages and wheels, each named by its sha256."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import InputMissing
from provisioner.images.disk import told_as_storage

_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Artefacts:
    """Files below a folder, shared by every process that uses it, judged by content whenever they are asked for.

    All raise StorageFailed.
    """

    folder: Path

    def path(self, sha256: str) -> Path | None:
        """Return the file of a digest (hex), None where it is not here. One that went bad is removed, and not here."""
        path = self.folder / sha256
        with told_as_storage(path):
            if not path.is_file():
                return None
            with path.open("rb") as content:
                if hashlib.file_digest(content, "sha256").hexdigest() == sha256:
                    return path
            path.unlink(missing_ok=True)
        return None

    def keep(self, sha256: str, pieces: Iterable[bytes]) -> Path:
        """Keep a file under its digest. Raise InputMissing, and keep nothing, where the content has another one."""
        unfinished, digest = self._spool(pieces)
        try:
            if digest != sha256:
                raise InputMissing(
                    f"the content is sha256 {digest[:16]}… where {sha256[:16]}… is wanted",
                    hint="the archive or index has other bytes under the same version: ask whoever runs it",
                )
            return self._place(unfinished, digest)
        finally:
            unfinished.unlink(missing_ok=True)

    def add(self, pieces: Iterable[bytes]) -> tuple[str, Path]:
        """Keep a file whatever it holds; return its digest and where it lies."""
        unfinished, digest = self._spool(pieces)
        try:
            return digest, self._place(unfinished, digest)
        finally:
            unfinished.unlink(missing_ok=True)

    def _spool(self, pieces: Iterable[bytes]) -> tuple[Path, str]:
        hasher = hashlib.sha256()
        with told_as_storage(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self.folder, suffix=".part")
        path = Path(name)
        try:
            with os.fdopen(handle, "wb") as sink:
                for piece in pieces:
                    hasher.update(piece)
                    with told_as_storage(path):
                        sink.write(piece)
                with told_as_storage(path):
                    sink.flush()
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        return path, hasher.hexdigest()

    def _place(self, unfinished: Path, digest: str) -> Path:
        target = self.folder / digest
        with told_as_storage(target):
            unfinished.chmod(0o644)
            unfinished.replace(target)
        return target


def file_pieces(path: Path) -> Iterator[bytes]:
    """Yield a file in pieces of constant size."""
    with told_as_storage(path), path.open("rb") as source:
        while piece := source.read(_PIECE):
            yield piece
