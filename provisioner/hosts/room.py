"""Asks how much room the disks of a host have, and reads the answer of `df`."""

from __future__ import annotations

from provisioner.model.evidence import DiskRoom

DF = """\
df -Pk "$@" 2>/dev/null
echo --
df -Pi "$@" 2>/dev/null
exit 0
"""
"""Prints bytes in blocks of 1024, then inodes, one line per path, in the format of POSIX."""

_BLOCK = 1024
_FIELDS = 6


def read_rooms(answer: str, paths: tuple[str, ...]) -> tuple[DiskRoom, ...]:
    """Return the room at each path, without those that `df` does not know."""
    blocks, _, inodes = answer.partition("--\n")
    rows, files = _rows(blocks), _rows(inodes)
    if len(rows) != len(paths):
        return ()
    left = [_free_files(row) for row in files] if len(files) == len(paths) else [None] * len(paths)
    return tuple(
        DiskRoom(path, int(row[3]) * _BLOCK, int(row[1]) * _BLOCK, free)
        for path, row, free in zip(paths, rows, left, strict=True)
        if row[1].isdigit() and row[3].isdigit()
    )


def _rows(text: str) -> list[list[str]]:
    lines = [line.split() for line in text.splitlines()[1:]]
    return [words for words in lines if len(words) >= _FIELDS]


def _free_files(row: list[str]) -> int | None:
    """Return the inodes left, None where the file system counts none."""
    return int(row[3]) if row[1].isdigit() and row[1] != "0" and row[3].isdigit() else None
