"""Patches between layers, as `zstd --patch-from` makes them: a frame that refers to the older layer's bytes.

The zstandard package bundles the library and does not hand through `ZSTD_CCtx_refPrefix`; its cffi module does.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import contextmanager
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
_STABLE_INPUT = 1006
"""`ZSTD_c_stableInBuffer`: the input is read where it lies instead of being copied into a window."""

_STRIDE = 16 << 20
"""Bytes of input after which what was read of the files is given back: the page cache keeps it."""


def write_patch(reference: Path, layer: Path, target: BinaryIO) -> None:
    """Write the frame that makes a layer out of a reference; neither file is empty. Raise StorageFailed.

    Both files are mapped, and no more of them is held at once than the library needs: all of the reference while it
    is indexed, little of either afterwards.
    """
    with _mapped(reference) as prefix, _mapped(layer) as content:
        target.writelines(_frames(prefix, content))


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    with told_as_storage(path), path.open("rb") as source:
        mapped = mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ)
    with mapped:
        yield mapped


def _frames(prefix: mmap.mmap, content: mmap.mmap) -> Iterator[bytes]:
    context = _FFI.gc(_LIB.ZSTD_createCCtx(), _LIB.ZSTD_freeCCtx)
    _prepare(context, len(prefix), len(content))
    with _FFI.from_buffer(prefix) as before, _FFI.from_buffer(content) as source:
        _checked(_LIB.ZSTD_CCtx_refPrefix(context, before, len(prefix)))
        given = _FFI.new("ZSTD_inBuffer *", {"src": source, "size": 0, "pos": 0})
        while given.size < len(content):
            given.size = min(given.size + _STRIDE, len(content))
            yield from _pushed(context, given, _LIB.ZSTD_e_continue)
            for each in (prefix, content):
                each.madvise(mmap.MADV_DONTNEED)
        yield from _pushed(context, given, _LIB.ZSTD_e_end)


def _prepare(context: Any, length: int, size: int) -> None:
    for parameter, value in (
        (_LIB.ZSTD_c_compressionLevel, _LEVEL),
        (_LIB.ZSTD_c_windowLog, min(_LONGEST_WINDOW, max(_SHORTEST_WINDOW, (length + size).bit_length()))),
        (_LIB.ZSTD_c_enableLongDistanceMatching, 1),
        (_LIB.ZSTD_c_checksumFlag, 1),
        (_STABLE_INPUT, 1),
    ):
        _checked(_LIB.ZSTD_CCtx_setParameter(context, parameter, value))
    _checked(_LIB.ZSTD_CCtx_setPledgedSrcSize(context, size))


def _pushed(context: Any, given: Any, operation: int) -> Iterator[bytes]:
    capacity = _LIB.ZSTD_CStreamOutSize()
    room = _FFI.new("char[]", capacity)
    while True:
        taken = _FFI.new("ZSTD_outBuffer *", {"dst": room, "size": capacity, "pos": 0})
        left = _checked(_LIB.ZSTD_compressStream2(context, taken, given, operation))
        yield bytes(_FFI.buffer(room, taken.pos))
        if left == 0 if operation == _LIB.ZSTD_e_end else taken.pos < capacity:
            return


def _checked(code: int) -> int:
    if _LIB.ZSTD_isError(code):
        raise ArchiveBroken(f"a patch could not be made: {_FFI.string(_LIB.ZSTD_getErrorName(code)).decode()}")
    return code
