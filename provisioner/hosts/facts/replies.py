"""The parts that a probe's one answer consists of, and the shapes its lines have."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping

HEAD = """\
mark=$1
LC_ALL=C PATH=$PATH:/usr/sbin:/sbin:/usr/bin:/bin
export LC_ALL PATH
section() { printf '\\n%s %s\\n' "$mark" "$1"; }
answer() {
"""
"""Begins the script. `$1` is a word nobody can guess: no file name or content passes for the head of a section."""

TAIL = """\
}
if command -v gzip >/dev/null; then answer "$@" | gzip -1; else answer "$@"; fi
exit 0
"""
"""Ends it: the answer is sent packed where the host can do that, as a fifth of its bytes."""

_PACKED = b"\x1f\x8b"
_MOST_BYTES = 256 * 2**20
_GZIP = 31
"""What tells zlib to expect the head that gzip writes."""


def unpacked(answer: bytes) -> bytes:
    """Return an answer as it was before it was packed, as far as it came."""
    if not answer.startswith(_PACKED):
        return answer
    try:
        return zlib.decompressobj(_GZIP).decompress(answer, _MOST_BYTES)
    except zlib.error:
        return b""


def sections(answer: bytes, mark: str) -> Mapping[str, str]:
    """Return the answer's sections by name."""
    text = answer.decode(errors="surrogateescape")
    parts = (part.partition("\n") for part in f"\n{text}".split(f"\n{mark} ")[1:])
    return {name: body for name, _, body in parts}


def fields(body: str, width: int) -> Iterator[tuple[str, ...]]:
    """Yield groups of fields that each end in NUL."""
    found = body.split("\0")[:-1]
    yield from zip(*(found[start::width] for start in range(width)), strict=False)


def named_lines(body: str) -> Iterator[tuple[str, str]]:
    """Yield (path, line) of what `grep -HZ` printed: each line after the path of its file and NUL."""
    for line in body.splitlines():
        path, nul, content = line.partition("\0")
        if nul:
            yield path, content


def tabbed(body: str) -> Iterator[tuple[str, ...]]:
    """Yield the cells of each line that has several."""
    for line in body.splitlines():
        cells = tuple(line.split("\t"))
        if len(cells) > 1:
            yield cells
