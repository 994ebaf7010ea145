"""Patches between layers, as `zstd --patch-from` makes them: a frame that refers to the older layer's bytes.

The zstandard package bundles the library and does not hand through `ZSTD_CCtx_refPrefix`; its cffi module does.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from zstandard import _cffi  # type: ignore[attr-defined]  # compiled, without stubs

from provisioner.errors import ArchiveBroken
from provisioner.images.disk import told_as_storage

_FFI: Any = _cffi.ffi
_LIB: Any = _cffi.lib
_LEVEL = 3
_LONGEST_WINDOW = 31
_SHORTEST_WINDOW = 10


def write_patch(reference: Path, pieces: Iterable[bytes], size: int, target: BinaryIO) -> None:
    """Write the frame that makes `size` bytes of pieces out of a file that is not empty.

    The file is mapped, not read; the library holds a window of about both sizes. Raise StorageFailed.
    """
    with told_as_storage(reference), reference.open("rb") as source:
        mapped = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
    with mapped:
        prefix = _FFI.from_buffer(mapped)
        try:
            target.writelines(_frames(prefix, len(mapped), pieces, size))
        finally:
            _FFI.release(prefix)


def _frames(prefix: Any, length: int, pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    context = _FFI.gc(_LIB.ZSTD_createCCtx(), _LIB.ZSTD_freeCCtx)
    window = min(_LONGEST_WINDOW, max(_SHORTEST_WINDOW, (length + size).bit_length()))
    for parameter, value in (
        (_LIB.ZSTD_c_compressionLevel, _LEVEL),
        (_LIB.ZSTD_c_windowLog, window),
        (_LIB.ZSTD_c_enableLongDistanceMatching, 1),
    ):
        _checked(_LIB.ZSTD_CCtx_setParameter(context, parameter, value))
    _checked(_LIB.ZSTD_CCtx_setPledgedSrcSize(context, size))
    _checked(_LIB.ZSTD_CCtx_refPrefix(context, prefix, length))
    for piece in pieces:
        yield from _pushed(context, piece, _LIB.ZSTD_e_continue)
    yield from _pushed(context, b"", _LIB.ZSTD_e_end)


def _pushed(context: Any, piece: bytes, operation: int) -> Iterator[bytes]:
    capacity = _LIB.ZSTD_CStreamOutSize()
    room = _FFI.new("char[]", capacity)
    source = _FFI.from_buffer(piece)
    given = _FFI.new("ZSTD_inBuffer *", {"src": source, "size": len(piece), "pos": 0})
    while True:
        taken = _FFI.new("ZSTD_outBuffer *", {"dst": room, "size": capacity, "pos": 0})
        left = _checked(_LIB.ZSTD_compressStream2(context, taken, given, operation))
        yield bytes(_FFI.buffer(room, taken.pos))
        if left == 0 if operation == _LIB.ZSTD_e_end else given.pos == given.size:
            return


def _checked(code: int) -> int:
    if _LIB.ZSTD_isError(code):
        raise ArchiveBroken(f"a patch could not be made: {_FFI.string(_LIB.ZSTD_getErrorName(code)).decode()}")
    return code
