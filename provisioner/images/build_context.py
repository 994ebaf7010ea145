"""The tar that a build sends: the same inputs give the same bytes, whatever the times and owners of the files."""

from __future__ import annotations

import hashlib
import os
import posixpath
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import BuildFailed
from provisioner.images.archive import member_padding
from provisioner.images.bases.debian_root import EPOCH
from provisioner.model.image import FILES_FOLDER, SETTINGS_FOLDER, BuildInputs, ContextFile

DOCKERFILE = f"{SETTINGS_FOLDER}/Dockerfile"

_PIECE = 1 << 20
_FOLDER_MODE = 0o755
_FILE_MODE = 0o644
_NO_FILES: Mapping[str, Path] = {}


@dataclass(frozen=True, slots=True)
class _Text:
    """A file of the context whose bytes are here."""

    content: bytes
    mode: int = _FILE_MODE


def context_archive(
    inputs: BuildInputs, dockerfile: str, settings: Mapping[str, bytes], files: Mapping[str, Path] = _NO_FILES
) -> Iterator[bytes]:
    """Yield the context of a build as a tar, in pieces: memory stays constant.

    `settings` are files for builds of this machine, by name; they go along where the Dockerfile names their folder.
    `files` lie in that folder too, by name, and always go along. Raise BuildFailed where a file changed since it was
    read for the tag, or has a name of ours.
    """
    entries: dict[str, ContextFile | _Text | Path] = {entry.path: entry for entry in inputs.context}
    for path in entries:
        if path.partition("/")[0] in {FILES_FOLDER, SETTINGS_FOLDER}:
            raise _failed(inputs, f"the build context has an entry {path}, which is a name of ours", "rename it")
    entries |= {f"{FILES_FOLDER}/{file.path.strip('/')}": _Text(file.text.encode(), file.mode) for file in inputs.files}
    if SETTINGS_FOLDER in dockerfile:
        entries |= {f"{SETTINGS_FOLDER}/{name}": _Text(content) for name, content in settings.items()}
    entries |= {f"{SETTINGS_FOLDER}/{name}": path for name, path in files.items()}
    entries[DOCKERFILE] = _Text(dockerfile.encode())
    for path in sorted({*entries, *_folders(entries)}):
        yield from _member(inputs, path, entries.get(path))
    yield bytes(2 * tarfile.BLOCKSIZE)


def _member(inputs: BuildInputs, path: str, entry: ContextFile | _Text | Path | None) -> Iterator[bytes]:
    match entry:
        case None:
            yield _header(path, tarfile.DIRTYPE, _FOLDER_MODE)
        case _Text(content, mode):
            yield _header(path, tarfile.REGTYPE, mode, len(content)) + content + member_padding(len(content))
        case Path():
            yield from _stored(inputs, path, entry)
        case ContextFile(link=link) if link:
            yield _header(path, tarfile.SYMTYPE, 0o777, link=link)
        case ContextFile():
            yield _header(path, tarfile.REGTYPE, entry.mode, entry.size)
            yield from _unchanged(inputs, entry)
            if padding := member_padding(entry.size):
                yield padding


def _stored(inputs: BuildInputs, path: str, source: Path) -> Iterator[bytes]:
    """Yield a file whose bytes were verified when it was kept."""
    try:
        with source.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            yield _header(path, tarfile.REGTYPE, _FILE_MODE, size)
            while piece := stream.read(_PIECE):
                yield piece
            if padding := member_padding(size):
                yield padding
    except OSError as error:
        raise _failed(inputs, f"{source}: {error.strerror}", "run the command again") from error


def _unchanged(inputs: BuildInputs, entry: ContextFile) -> Iterator[bytes]:
    hasher, left = hashlib.sha256(), entry.size
    try:
        with Path(entry.source).open("rb") as source:
            while piece := source.read(min(_PIECE, left)) if left else b"":
                hasher.update(piece)
                left -= len(piece)
                yield piece
            grown = source.read(1)
    except OSError as error:
        raise _failed(inputs, f"{entry.source}: {error.strerror}", "is the file still there?") from error
    if left or grown or hasher.hexdigest() != entry.digest:
        raise _failed(inputs, f"{entry.source} changed while the image was being built", "run the command again")


def _header(path: str, kind: bytes, mode: int, size: int = 0, link: str = "") -> bytes:
    member = tarfile.TarInfo(path)
    member.type, member.mode, member.size, member.linkname, member.mtime = kind, mode, size, link, EPOCH
    return member.tobuf(tarfile.PAX_FORMAT)


def _folders(paths: Iterable[str]) -> set[str]:
    folders: set[str] = set()
    for path in paths:
        while path := posixpath.dirname(path):
            folders.add(path)
    return folders


def _failed(inputs: BuildInputs, reason: str, hint: str) -> BuildFailed:
    return BuildFailed(inputs.tag, instruction="", output=(), reason=reason, hint=hint)
