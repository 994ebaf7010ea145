"""Just enough of websockets (RFC 6455) to hold a tunnel open and to see it cut."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os

TEXT, CLOSE = 1, 8
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_SHORT, _TWO_BYTES = 125, 126


def new_key() -> str:
    """Return a key for a handshake."""
    return base64.b64encode(os.urandom(16)).decode()


def accepted(key: str) -> str:
    """Return what a server answers to a key."""
    return base64.b64encode(hashlib.sha1(key.encode() + _GUID).digest()).decode()  # noqa: S324 - as the standard wants


def frame(kind: int, payload: bytes, *, masked: bool) -> bytes:
    """Return one whole frame of less than 64 KiB; a client's are masked."""
    length = len(payload)
    head = bytes([0x80 | kind])
    flag = 0x80 if masked else 0
    head += bytes([flag | length]) if length <= _SHORT else bytes([flag | _TWO_BYTES]) + length.to_bytes(2, "big")
    if not masked:
        return head + payload
    mask = os.urandom(4)
    return head + mask + _mask(mask, payload)


async def read_frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return the kind and the payload of the next frame. Raise asyncio.IncompleteReadError at the end."""
    first, second = await reader.readexactly(2)
    length = second & 0x7F
    if length >= _TWO_BYTES:
        length = int.from_bytes(await reader.readexactly(2 if length == _TWO_BYTES else 8), "big")
    mask = await reader.readexactly(4) if second & 0x80 else b""
    payload = await reader.readexactly(length)
    return first & 0x0F, _mask(mask, payload) if mask else payload


def _mask(mask: bytes, payload: bytes) -> bytes:
    return bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
