"""Pieces of bytes as a file that can only be read forwards."""

from __future__ import annotations

import io
from collections.abc import Iterable


class ByteStream(io.RawIOBase):
    """Reads pieces of bytes as they come, without ever holding more than one of them beside what is asked for."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        """Return `size` bytes, fewer at the end only."""
        parts, wanted = [], size
        while wanted > 0 and (self._rest or self._next()):
            parts.append(self._rest[:wanted])
            self._rest = self._rest[wanted:]
            wanted -= len(parts[-1])
        return b"".join(parts)

    def _next(self) -> bool:
        self._rest = next((bytes(piece) for piece in self._pieces if piece), b"")
        return bool(self._rest)
