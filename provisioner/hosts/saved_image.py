"""Reads what `GET /images/{name}/get` streams: one image, its configuration, the files of its layers."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from tempfile import SpooledTemporaryFile
from typing import IO, Any

SPOOL_BYTES = 16 << 20
"""An archive up to this size stays in memory while it is read, a larger one goes to a temporary file."""

_GZIP = b"\x1f\x8b"
BROKEN = (tarfile.TarError, LookupError, ValueError, TypeError, EOFError, gzip.BadGzipFile)
"""What reading an archive or a document of it raises where it is not what it should be."""


class ImageDamaged(ValueError):
    """An archive is incomplete, or holds a layer that is not the one its configuration names."""


def read_files(pieces: Iterable[bytes]) -> Mapping[str, bytes]:
    """Return every file of a saved image by its path, an upper layer's before a lower one's. Raise ImageDamaged.

    Each layer is checked against its diff id. Deletions by upper layers are not followed: our images have none.
    """
    files: dict[str, bytes] = {}
    with _opened(pieces) as archive:
        for diff_id, name in _layers(archive):
            layer = _content(archive, name)
            layer = gzip.decompress(layer) if layer.startswith(_GZIP) else layer
            if _digest(layer) != diff_id:
                raise ImageDamaged(f"layer {diff_id} of the image has another content")
            with tarfile.open(fileobj=io.BytesIO(layer)) as opened:
                files |= {_path(member): _read(opened, member) for member in opened if member.isfile()}
    return files


@contextmanager
def _opened(pieces: Iterable[bytes]) -> Iterator[tarfile.TarFile]:
    with SpooledTemporaryFile(max_size=SPOOL_BYTES) as spool:
        for piece in pieces:
            spool.write(piece)
        spool.seek(0)
        try:
            with tarfile.open(fileobj=spool) as archive:
                yield archive
        except ImageDamaged:
            raise
        except BROKEN as error:
            raise ImageDamaged(f"the image cannot be read: {error}") from error


def _layers(archive: tarfile.TarFile) -> tuple[tuple[str, str], ...]:
    """Return the diff id of each layer with the name it has in the archive."""
    entry = json.loads(_content(archive, "manifest.json"))[0]
    diff_ids: Any = json.loads(_content(archive, entry["Config"]))["rootfs"].get("diff_ids") or []
    return tuple(zip(diff_ids, entry["Layers"] or [], strict=True))


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    return _read(archive, archive.getmember(name))


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    source: IO[bytes] | None = archive.extractfile(member)
    return source.read() if source is not None else b""


def _path(member: tarfile.TarInfo) -> str:
    return member.name.removeprefix("./").lstrip("/")


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()
