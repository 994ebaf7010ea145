"""A small server that goes wrong exactly once, in the one way it is told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.load.app.app import App, echo, handshake, reply
from tests.load.websocket import CLOSE, frame, read_frame

EARLY = 4
"""The request that goes wrong, so that good ones lie before and after."""


class FaultyServer:
    """Serves the application's paths; `fault` names what goes wrong once."""

    def __init__(self, fault: str = "") -> None:
        self.fault = fault
        self.app = App()
        self.asked = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[int]:
        """Serve on a free port of loopback and lend it."""
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        try:
            yield int(server.sockets[0].getsockname()[1])
        finally:
            server.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        number = 0
        with suppress(OSError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                number += 1
                if not await self.answer(head, number, reader, writer):
                    break
        writer.close()

    async def answer(self, head: str, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request, the number-th of its connection; return whether the connection lives on."""
        method, target, _ = head.split(" ", 2)
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n"))
        }
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        if "upgrade" in headers:
            writer.write(handshake(headers["sec-websocket-key"]))
            await (self._cut_tunnel(reader, writer) if self.due("cut tunnel") else echo(reader, writer))
            return False
        self.asked += 1
        if self.asked >= EARLY and (bytes_instead := self._fault_on_wire(number)) is not None:
            writer.write(bytes_instead)
            return False
        if method == "POST" and self.due("executed twice"):
            self.app.execute(body.decode())
        status, text = await self.app.respond(method, *target.partition("?")[::2], body)
        if self.asked >= EARLY and self.due("502"):
            status, text = 502, "bad gateway\n"
        lives = headers.get("connection") != "close"
        writer.write(reply(status, text, lives=lives))
        return lives

    def due(self, fault: str) -> bool:
        """Return whether this is the fault to make, once."""
        if self.fault != fault:
            return False
        self.fault = ""
        return True

    def _fault_on_wire(self, number: int) -> bytes | None:
        if number == 1 and self.due("closed fresh"):
            return b""
        if number > 1 and self.due("closed reused"):
            return b""
        if self.due("cut head"):
            return b"HTTP/1.1 200 OK\r\nContent-"
        if self.due("cut body"):
            return reply(200, "a text that does not arrive whole\n", lives=True)[:-7]
        return b"nonsense\r\n\r\n" if self.due("garbled") else None

    async def _cut_tunnel(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        kind, payload = await read_frame(reader)
        writer.write(frame(kind, payload, masked=False))
        await read_frame(reader)
        assert kind != CLOSE
