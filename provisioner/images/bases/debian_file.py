"""Reads the files of a Debian archive: what a `.deb` says of itself, and single files out of it."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

import zstandard

from provisioner.errors import ArchiveBroken

_MAGIC = b"!<arch>\n"
_HEADER = 60
_NAME, _SIZE = slice(0, 16), slice(48, 58)


def _unpack_zstandard(content: bytes) -> bytes:
    return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(content)).read()


_UNPACK: Mapping[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.decompress,
    ".xz": lzma.decompress,
    ".bz2": bz2.decompress,
    ".zst": _unpack_zstandard,
}


def control(deb: Path) -> str:
    """Return the control stanza of a package, as its author wrote it. Raise ArchiveBroken."""
    try:
        return _file(deb, "control", "./control").decode(errors="replace").strip()
    except KeyError as error:
        raise ArchiveBroken(f"{deb} is no Debian package: it says nothing of itself") from error


def data_file(deb: Path, path: str) -> bytes | None:
    """Return a file that a package installs, by its absolute path; None where it has none. Raise ArchiveBroken."""
    try:
        return _file(deb, "data", f".{path}")
    except KeyError:
        return None


def index_entry(deb: Path, filename: str) -> str:
    """Return what the index of an archive says of a package that lies there as `filename`. Raise ArchiveBroken."""
    with deb.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return f"{control(deb)}\nFilename: {filename}\nSize: {deb.stat().st_size}\nSHA256: {digest}\n"


def installed_entry(deb: Path) -> str:
    """Return what dpkg's list of installed packages says of a package once it is there. Raise ArchiveBroken."""
    return f"{control(deb)}\nStatus: install ok installed\n"


def _file(deb: Path, part: str, name: str) -> bytes:
    try:
        with deb.open("rb") as source, tarfile.open(fileobj=io.BytesIO(_part(source, part))) as archive:
            member = archive.extractfile(name)
            return member.read() if member else b""
    except (lzma.LZMAError, zstandard.ZstdError, tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise ArchiveBroken(f"{deb} is no Debian package: {error}") from error


def _part(source: IO[bytes], part: str) -> bytes:
    """Return an unpacked tar of a package: `control` or `data`."""
    if source.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("it does not begin as one")
    while len(header := source.read(_HEADER)) == _HEADER:
        name, size = header[_NAME].decode("ascii", "replace").strip().rstrip("/"), int(header[_SIZE])
        content = source.read(size + size % 2)[:size]
        if name.startswith(f"{part}.tar"):
            return _UNPACK[name.removeprefix(f"{part}.tar")](content)
    raise ValueError(f"it has no {part}.tar")
