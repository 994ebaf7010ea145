"""What a run was about to do and how it ended, a line each: it explains a run that died, and decides nothing."""

from __future__ import annotations

import json
import zlib
from collections import deque
from contextlib import suppress
from dataclasses import fields, replace
from threading import Lock

from provisioner.errors import StorageFailed
from provisioner.model.lease import JournalLine
from provisioner.ports import Clock, JournalFile

TAIL = 20_000
"""Bytes of the last lines that travel with every sign of life of the lease."""

_LONGEST = 300


class RunJournal:
    """The journal of one run; may be asked by many threads.

    Lines name what kind of effect there was, on which host and on what; never with what content.
    """

    def __init__(self, file: JournalFile, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        self._last: deque[bytes] = deque()
        self._size = 0
        self._lock = Lock()

    def intend(self, line: JournalLine) -> None:
        """Write what is about to happen; it is on the disk when this returns. Raise StorageFailed."""
        self._write(line, durable=True)

    def note(self, line: JournalLine) -> None:
        """Write what has happened. A disk that does not take it stops the run at its next intent."""
        with suppress(StorageFailed):
            self._write(line, durable=False)

    def tail(self) -> bytes:
        """Return the last lines, whole, as far as they fit."""
        with self._lock:
            return b"".join(self._last)

    def close(self) -> None:
        """Give the file back."""
        self._file.close()

    def _write(self, line: JournalLine, *, durable: bool) -> None:
        text = encoded(replace(line, at=self._clock.now()))
        with self._lock:
            self._last.append(text)
            self._size += len(text)
            while self._size > TAIL:
                self._size -= len(self._last.popleft())
            self._file.append(text, durable=durable)


def encoded(line: JournalLine) -> bytes:
    """Return a line as JSON that ends with the checksum of what stands before it."""
    values = ((each.name, getattr(line, each.name)) for each in fields(line))
    content = {name: value[:_LONGEST] if isinstance(value, str) else value for name, value in values}
    return _text({**content, "crc": _checksum(content)}) + b"\n"


def decoded(text: bytes) -> tuple[JournalLine, ...]:
    """Return the lines of a journal; what is torn, damaged or of another kind is left out."""
    lines = (_line(each) for each in text.splitlines())
    return tuple(line for line in lines if line is not None)


def _line(text: bytes) -> JournalLine | None:
    try:
        content = json.loads(text)
        checksum = content.pop("crc")
        names = {each.name for each in fields(JournalLine)}
        return JournalLine(**content) if checksum == _checksum(content) and set(content) == names else None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _checksum(content: dict[str, object]) -> str:
    return f"{zlib.crc32(_text(content)):08x}"


def _text(content: dict[str, object]) -> bytes:
    return json.dumps(content, separators=(",", ":")).encode()
