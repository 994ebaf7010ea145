"""Reads what `GET /images/{name}/get` streams: one image, its configuration, the files of its layers."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, Any

SPOOL_BYTES = 16 << 20
"""An archive up to this size stays in memory while it is read, a larger one goes to a temporary file."""

_GZIP = b"\x1f\x8b"
_BROKEN = (tarfile.TarError, LookupError, ValueError, TypeError, EOFError, gzip.BadGzipFile)


class ImageDamaged(ValueError):
    """An archive is incomplete, or holds a layer that is not the one its configuration names."""


@dataclass(frozen=True, slots=True)
class SavedConfig:
    """The id of a saved image, and the diff ids of its layers with the names they have in the archive."""

    image_id: str
    layers: tuple[tuple[str, str], ...]


def read_config(pieces: Iterable[bytes]) -> SavedConfig:
    """Return the configuration of a saved image. Raise ImageDamaged."""
    with _opened(pieces) as archive:
        return _config(archive)


def read_files(pieces: Iterable[bytes]) -> Mapping[str, bytes]:
    """Return every file of a saved image by its path, an upper layer's before a lower one's. Raise ImageDamaged.

    Each layer is checked against its diff id. Deletions by upper layers are not followed: our images have none.
    """
    files: dict[str, bytes] = {}
    with _opened(pieces) as archive:
        for diff_id, name in _config(archive).layers:
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
        except _BROKEN as error:
            raise ImageDamaged(f"the image cannot be read: {error}") from error


def _config(archive: tarfile.TarFile) -> SavedConfig:
    entry = json.loads(_content(archive, "manifest.json"))[0]
    content = _content(archive, entry["Config"])
    diff_ids: Any = json.loads(content)["rootfs"].get("diff_ids") or []
    names = entry["Layers"] or []
    return SavedConfig(_digest(content), tuple(zip(diff_ids, names, strict=True)))


def _content(archive: tarfile.TarFile, name: str) -> bytes:
    return _read(archive, archive.getmember(name))


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    source: IO[bytes] | None = archive.extractfile(member)
    return source.read() if source is not None else b""


def _path(member: tarfile.TarInfo) -> str:
    return member.name.removeprefix("./").lstrip("/")


def _digest(content: bytes) -> str:
    return "sha256:" + hashlib.sha256(content).hexdigest()
