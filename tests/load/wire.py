"""HTTP/1.1 as a strict client speaks it: one request, one answer, and a name for every way in which that fails."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

PATIENCE = 20.0
"""Seconds an answer may take, and a connection to be made."""


class Failed(Exception):
    """One request failed; the reason is a word that failures are counted by."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def host(self) -> str:
        """Return the host that answered, as the application says; empty where it does not."""
        return self.headers.get("x-host", "")

    @property
    def release(self) -> str:
        """Return the release that answered, as the application says; empty where it does not."""
        return self.headers.get("x-release", "")


class Connection:
    """One TCP connection, opened by its first request; nothing on it is ever sent again."""

    def __init__(self, port: int, address: str = "127.0.0.1") -> None:
        self._port, self._address = port, address
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._used = False

    async def ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> Answer:
        """Send one request and return its answer, whatever its status. Raise Failed."""
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._ask(method, path, headers, body)
        except TimeoutError as error:
            raise Failed("timeout") from error
        except ConnectionResetError as error:
            raise Failed("reset_reused" if self._used else "reset_fresh") from error
        except OSError as error:
            raise Failed("refused" if isinstance(error, ConnectionRefusedError) else type(error).__name__) from error

    async def streams(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return both directions, connected. Raise OSError."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._address, self._port)
        return self._streams

    def close(self) -> None:
        """Close it; the next request opens another."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams, self._used = None, False

    async def _ask(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        reader, writer = await self.streams()
        lines = [
            f"{method} {path} HTTP/1.1",
            "Host: localhost",
            *(f"{name}: {value}" for name, value in headers.items()),
        ]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        writer.write("\r\n".join([*lines, "", ""]).encode() + body)
        answer, lives = await _read_answer(reader, reused=self._used)
        self._used = True
        if not lives or headers.get("Connection") == "close":
            self.close()
        return answer


async def _read_answer(reader: asyncio.StreamReader, *, reused: bool) -> tuple[Answer, bool]:
    """Return an answer, and whether its connection lives on."""
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        closed = "closed_reused" if reused else "closed_fresh"
        raise Failed("cut_in_head" if error.partial else closed) from error
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    version, _, rest = first.partition(" ")
    if not version.startswith("HTTP/1.") or not rest[:3].isdecimal():
        raise Failed("garbled")
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    status = int(rest[:3])
    try:
        body, framed = await _read_body(reader, headers, status)
    except (asyncio.IncompleteReadError, ValueError) as error:
        raise Failed("cut_in_body") from error
    lives = framed and version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
    return Answer(status, headers, body), lives


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str], status: int) -> tuple[bytes, bool]:
    """Return a body, and whether its end was told rather than the connection's."""
    if status in {101, 204, 304}:
        return b"", True
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return await _read_chunks(reader), True
    if "content-length" in headers:
        return await reader.readexactly(int(headers["content-length"])), True
    return await reader.read(), False


async def _read_chunks(reader: asyncio.StreamReader) -> bytes:
    body = b""
    while True:
        size = int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16)
        chunk = await reader.readexactly(size + 2)
        if not size:
            return body
        body += chunk[:-2]
