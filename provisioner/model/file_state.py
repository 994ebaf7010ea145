"""A file as it was found in a container."""

from __future__ import annotations

from dataclasses import dataclass, field

LARGEST = 64 * 1024
"""Bytes of a file beyond which its content is not looked at."""


@dataclass(frozen=True, slots=True)
class FileState:
    """A file: its bytes (None for what is large or no regular file), mode, owner ids, where it leads if it is a link.

    `changed` is the time of its last change in seconds since 1970, as anybody may set it.
    """

    content: bytes | None = field(repr=False)
    mode: int
    uid: int
    gid: int
    link: str = ""
    changed: float = 0.0

    @property
    def text(self) -> str | None:
        """Return its text, None where it is not small or holds more than text."""
        if self.content is None or b"\0" in self.content:
            return None
        try:
            return self.content.decode()
        except UnicodeDecodeError:
            return None

    @property
    def rights(self) -> str:
        """Return mode and owner as people read them: `0644 0:0`."""
        return f"{self.mode & 0o7777:04o} {self.uid}:{self.gid}"
