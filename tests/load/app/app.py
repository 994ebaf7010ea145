"""An application to be rolled out under load: it counts its POSTs, holds tunnels, and fails in every way it is told to.

Its environment tells it how: RELEASE is the name it answers under, MODE how it behaves (see `Mode`), AFTER the seconds
after its start from which a crash or an error happens, LEDGER a file on the host to which every executed POST is added.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import signal
import socket
import sys
import time
from collections import Counter
from contextlib import suppress
from enum import StrEnum
from pathlib import Path
from urllib.parse import parse_qs

PORT = int(os.environ.get("PORT", "8000"))
RELEASE = os.environ.get("RELEASE", "r0")
HOST = socket.gethostname()
AFTER = float(os.environ.get("AFTER", "0"))
LEDGER = os.environ.get("LEDGER", "")
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
LONGEST_BODY = 65536
GRACE, LAME = 4.5, 1.0


class Mode(StrEnum):
    """How it behaves."""

    GRACEFUL = "graceful"  # on SIGTERM answers what is under way, takes no more, and ends
    STUBBORN = "stubborn"  # ignores SIGTERM
    CRASH = "crash"  # ends with exit code 7 AFTER seconds, at once where that is 0
    NEVER_HEALTHY = "never-healthy"
    HALF_HEALTHY = "half-healthy"  # every other question after its health fails
    WRONG_PORT = "wrong-port"  # listens one port higher
    LOOPBACK = "loopback"  # listens where only its own container can reach it
    ERRORS = "errors"  # healthy, and from AFTER seconds on answers everybody else with 500
    MEMORY = "memory"  # healthy, and takes memory until the kernel ends it


MODE = Mode(os.environ.get("MODE", "graceful"))


class App:
    """Answers requests, and remembers the ids of POSTs."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.executed: Counter[str] = Counter()
        self.under_way = 0
        self.stopping = asyncio.Event()
        self.asked = 0
        self.writers: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection, for as many requests as it carries."""
        self.writers.add(writer)
        with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            while await self.answer(reader, writer):
                pass
        self.writers.discard(writer)
        writer.close()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Read one request and answer it; return whether the connection lives on."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        self.under_way += 1
        try:
            first, *lines = head.rstrip().split("\r\n")
            method, target, _ = first.split(" ", 2)
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            body = await reader.readexactly(min(int(headers.get("content-length", "0")), LONGEST_BODY))
            path, _, query = target.partition("?")
            if path == "/tunnel" and "sec-websocket-key" in headers:
                writer.write(handshake(headers["sec-websocket-key"]))
            else:
                status, text = await self.respond(method, path, query, body)
                lives = headers.get("connection", "").lower() != "close" and not self.stopping.is_set()
                writer.write(reply(status, text, lives=lives))
                await writer.drain()
                return lives
        finally:
            self.under_way -= 1
        await echo(reader, writer)
        return False

    async def respond(self, method: str, path: str, query: str, body: bytes) -> tuple[int, str]:
        """Return the status and the text that belong to a request."""
        if path == "/healthz":
            return self.health()
        if MODE is Mode.ERRORS and time.monotonic() - self.begun >= AFTER:
            return 500, "this release fails on real requests\n"
        if path == "/post" and method == "POST":
            return self.execute(body.decode("latin-1"))
        if path == "/poll":
            seconds = min(float(parse_qs(query).get("seconds", ["3"])[0]), 30.0)
            with suppress(TimeoutError):
                await asyncio.wait_for(self.stopping.wait(), seconds)
            return 200, "nothing new\n"
        if path == "/posts":
            return 200, json.dumps(dict(self.executed)) + "\n"
        return 200, json.dumps({"host": HOST, "release": RELEASE}) + "\n"

    def health(self) -> tuple[int, str]:
        """Return what the balancer is told."""
        self.asked += 1
        well = MODE is not Mode.NEVER_HEALTHY and (MODE is not Mode.HALF_HEALTHY or self.asked % 2 == 1)
        return (200, "well\n") if well else (503, "not well\n")

    def execute(self, name: str) -> tuple[int, str]:
        """Execute a POST: count its id here, and where it outlives this container."""
        self.executed[name] += 1
        if LEDGER:
            with Path(LEDGER).open("a") as ledger:
                ledger.write(f"{name} {HOST} {RELEASE}\n")
        return 200, json.dumps({"id": name, "executed": self.executed[name]}) + "\n"


def reply(status: int, text: str, *, lives: bool) -> bytes:
    """Return a whole answer."""
    body = text.encode()
    lines = (
        f"HTTP/1.1 {status} {'OK' if status < 400 else 'Failed'}",
        "Content-Type: text/plain; charset=utf-8",
        f"Content-Length: {len(body)}",
        f"X-Host: {HOST}",
        f"X-Release: {RELEASE}",
        *(() if lives else ("Connection: close",)),
    )
    return "\r\n".join([*lines, "", ""]).encode() + body


def handshake(key: str) -> bytes:
    """Return the answer that makes a connection a websocket (RFC 6455)."""
    accept = base64.b64encode(hashlib.sha1(key.encode() + GUID).digest()).decode()  # noqa: S324 - as the standard wants
    lines = ("HTTP/1.1 101 Switching Protocols", "Upgrade: websocket", "Connection: Upgrade")
    told = (f"Sec-WebSocket-Accept: {accept}", f"X-Host: {HOST}", f"X-Release: {RELEASE}")
    return "\r\n".join([*lines, *told, "", ""]).encode()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send every short frame of a websocket back, until it is closed."""
    while True:
        first, second = await reader.readexactly(2)
        length = second & 0x7F
        mask = await reader.readexactly(4)
        payload = bytes(byte ^ mask[place % 4] for place, byte in enumerate(await reader.readexactly(length)))
        writer.write(bytes([first, length]) + payload)
        await writer.drain()
        if first & 0x0F == 8:
            return


async def misbehave() -> None:
    """Do what the mode says, when its time has come."""
    if MODE is Mode.CRASH:
        await asyncio.sleep(AFTER)
        print("giving up as told", file=sys.stderr, flush=True)  # noqa: T201 - its last words
        os._exit(7)
    if MODE is Mode.MEMORY:
        await asyncio.sleep(AFTER)
        taken = []
        while True:
            taken.append(bytearray(os.urandom(4096) * 1024))
            await asyncio.sleep(0.1)


async def main() -> None:
    """Serve until told to stop, then answer what is under way and go."""
    if MODE is Mode.CRASH and not AFTER:
        sys.exit("the database is not configured")
    app = App()
    stop = (lambda: None) if MODE is Mode.STUBBORN else app.stopping.set
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop)
    address = "127.0.0.1" if MODE is Mode.LOOPBACK else None
    server = await asyncio.start_server(app.serve, address, PORT + (MODE is Mode.WRONG_PORT), limit=LONGEST_BODY)
    print(f"{HOST} serves {RELEASE}, {MODE}", flush=True)  # noqa: T201 - its log
    failing = asyncio.create_task(misbehave())
    await app.stopping.wait()
    server.close()
    failing.cancel()
    until = time.monotonic() + GRACE
    await asyncio.sleep(LAME)  # connections that wait for their next request are told to close by its answer
    while app.under_way and time.monotonic() < until:  # noqa: ASYNC110 - simple beats prompt here
        await asyncio.sleep(0.02)
    print("stopped", flush=True)  # noqa: T201 - its log
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
