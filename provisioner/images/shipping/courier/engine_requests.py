"""What a courier says to its engine's socket, and what the engine's answer means."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from provisioner.images.archive import Archive, Member

_UNPACK_FAILED = "Error unpacking image"
_OK = 200


def load_parts(archive: Archive) -> Iterator[bytes | Member]:
    """Yield the request that loads an archive: bytes, and layers to be read where it is sent."""
    yield (
        "POST /images/load?quiet=1 HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n"
        f"Content-Type: application/x-tar\r\nContent-Length: {archive.size}\r\n\r\n"
    ).encode()
    yield from archive.parts()


def read_load_answer(answer: bytes) -> str:
    """Return why a load failed, from the whole HTTP answer; empty where it did not.

    Some engines report a broken image as a success with a line of text (Docker 27 and 28, containerd store).
    """
    status = re.match(rb"HTTP/\d\.\d (\d{3})", answer)
    if status is None:
        return "the engine did not answer the courier"
    texts = [text for line in answer.splitlines() if line.startswith(b"{") and (text := _fault(line))]
    if texts or int(status[1]) == _OK:
        return texts[0].strip() if texts else ""
    return f"HTTP status {int(status[1])}"


def _fault(line: bytes) -> str:
    try:
        answer = json.loads(line)
    except ValueError:
        return ""
    detail = answer.get("errorDetail") or {}
    error = detail.get("message") or answer.get("error") or answer.get("message")
    text = str(answer.get("stream") or answer.get("status") or "")
    return str(error) if error else (text if _UNPACK_FAILED in text else "")
