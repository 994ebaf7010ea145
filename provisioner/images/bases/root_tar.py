"""A root's tar in one form, whichever version of mmdebstrap wrote it: no devices, and headers as we write them."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from typing import IO

from provisioner.images.archive import member_padding

_PIECE = 1 << 20


def canonical(source: IO[bytes]) -> Iterator[bytes]:
    """Yield a root's tar in pieces, without `/dev`, which every engine makes itself."""
    with tarfile.open(fileobj=source, mode="r|") as archive:
        for member in archive:
            if member.name == "./dev" or member.name.startswith("./dev/"):
                continue
            member.uname = member.gname = ""
            yield member.tobuf(tarfile.PAX_FORMAT)
            if content := archive.extractfile(member) if member.isreg() else None:
                while piece := content.read(_PIECE):
                    yield piece
                yield member_padding(member.size)
    yield bytes(2 * tarfile.BLOCKSIZE)
