"""Small tar archives, in which an engine takes and gives the files of containers."""

from __future__ import annotations

import io
import posixpath
import tarfile
from collections.abc import Iterable

from provisioner.ports import FileContent


def pack(files: Iterable[FileContent]) -> bytes:
    """Return an archive of files, with their owners and modes."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for file in files:
            member = tarfile.TarInfo(file.name)
            member.size, member.mode, member.uid, member.gid = len(file.content), file.mode, file.uid, file.gid
            archive.addfile(member, io.BytesIO(file.content))
    return target.getvalue()


def unpack_first(archive: bytes, path: str) -> tuple[bytes | None, str]:
    """Return the content of the file an archive is about, or the path its symbolic link leads to.

    Both are empty where it is a folder or a device.
    """
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        member = opened.next()
        if member is not None and member.issym():
            return None, posixpath.normpath(posixpath.join(posixpath.dirname(path), member.linkname))
        source = opened.extractfile(member) if member is not None and member.isfile() else None
        return (source.read() if source is not None else None), ""
