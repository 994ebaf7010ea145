"""The kinds of callers: kept and closing GETs, counted POSTs, long polls and tunnels, each at its own pace."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

from tests.load.tally import Tally
from tests.load.websocket import CLOSE, TEXT, accepted, frame, new_key, read_frame
from tests.load.wire import Answer, Connection, Failed

GET, CLOSING, POST, POLL, TUNNEL = "get", "closing get", "post", "long poll", "tunnel"
_TUNNEL_PATIENCE = 8.0
_TUNNEL_PAUSE = 0.5


@dataclass(frozen=True, slots=True)
class Load:
    """How much is asked: callers of each kind, requests a second of all GETs and POSTs, limits of count and time."""

    port: int
    path: str = "/"
    run: str = "run"
    gets: int = 6
    closing: int = 3
    posts: int = 4
    polls: int = 3
    tunnels: int = 3
    rate: float = 120.0
    poll_seconds: float = 3.0
    requests: int = 1_000_000
    seconds: float = 600.0


class Callers:
    """All callers of one load, until they are told to stop or a limit is reached."""

    def __init__(self, load: Load, tally: Tally) -> None:
        self._load, self._tally = load, tally
        self._stop = asyncio.Event()
        self._ids: Iterator[int] = count(1)

    def stop(self) -> None:
        """Let every caller wait for its answer and end."""
        self._stop.set()

    async def call(self) -> None:
        """Call until stopped, or the time or the count is up."""
        load = self._load
        kinds: list[Callable[[Connection], Coroutine[Any, Any, None]]] = [
            *[self._get] * load.gets,
            *[self._closing] * load.closing,
            *[self._post] * load.posts,
        ]
        pause = len(kinds) / load.rate
        async with asyncio.TaskGroup() as group:
            for place, kind in enumerate(kinds):
                group.create_task(self._pace(kind, pause, place / load.rate))
            for place in range(load.polls):
                group.create_task(self._pace(self._poll, 0.05, place * load.poll_seconds / load.polls))
            for _ in range(load.tunnels):
                group.create_task(self._tunnels())
            try:
                await asyncio.wait_for(self._stop.wait(), load.seconds)
            except TimeoutError:
                self.stop()

    async def _pace(self, kind: Callable[[Connection], Coroutine[Any, Any, None]], pause: float, delay: float) -> None:
        """Send one request after another, no faster than one in each pause: what came late is not caught up with."""
        connection = Connection(self._load.port)
        await self._wait(delay)
        loop = asyncio.get_running_loop()
        while not self._stop.is_set():
            begun = loop.time()
            await kind(connection)
            await self._wait(max(begun + pause - loop.time(), 0.0))
        connection.close()

    async def _wait(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return

    async def _get(self, connection: Connection) -> None:
        await self._ask(connection, GET, "GET", self._load.path)

    async def _closing(self, connection: Connection) -> None:
        await self._ask(connection, CLOSING, "GET", self._load.path, close=True)

    async def _poll(self, connection: Connection) -> None:
        await self._ask(connection, POLL, "GET", f"/poll?seconds={self._load.poll_seconds}")

    async def _post(self, connection: Connection) -> None:
        name = f"{self._load.run}-{next(self._ids)}"
        answer = await self._ask(connection, POST, "POST", "/post", name.encode())
        if answer is not None and executions(answer) != 1:
            self._tally.twice.append(name)

    async def _ask(
        self, connection: Connection, kind: str, method: str, path: str, body: bytes = b"", *, close: bool = False
    ) -> Answer | None:
        """Ask once; count the answer or the failure."""
        at = self._tally.send(kind)
        if sum(self._tally.sent.values()) >= self._load.requests:
            self.stop()
        try:
            answer = await connection.ask(method, path, {"Connection": "close"} if close else {}, body)
        except Failed as failed:
            connection.close()
            self._tally.fail(at, kind, failed.reason)
            return None
        if not 200 <= answer.status < 300:
            self._tally.serve(answer.host, answer.release)
            self._tally.fail(at, kind, f"status {answer.status}")
            return None
        self._tally.answer(kind, answer.host, answer.release)
        return answer

    async def _tunnels(self) -> None:
        """Hold a tunnel, and after each that was cut another one."""
        while not self._stop.is_set():
            await self._tunnel()
            await self._wait(_TUNNEL_PAUSE)

    async def _tunnel(self) -> None:
        connection, key = Connection(self._load.port), new_key()
        headers = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13"}
        at = self._tally.send(TUNNEL)
        try:
            answer = await connection.ask("GET", "/tunnel", {**headers, "Sec-WebSocket-Key": key})
        except Failed as failed:
            self._tally.fail(at, TUNNEL, failed.reason)
            connection.close()
            return
        if answer.status != 101 or answer.headers.get("sec-websocket-accept") != accepted(key):
            self._tally.serve(answer.host, answer.release)
            self._tally.fail(at, TUNNEL, f"status {answer.status}")
            connection.close()
            return
        self._tally.opened += 1
        self._tally.answer(TUNNEL, answer.host, answer.release)
        how = await self._echo(*await connection.streams())
        if how:
            self._tally.cut(answer.host, answer.release, how)
        connection.close()

    async def _echo(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        """Speak through a tunnel until told to stop; return how it was cut, empty where it was not."""
        try:
            for number in count():
                if self._stop.is_set():
                    writer.write(frame(CLOSE, b"\x03\xe8", masked=True))
                    await writer.drain()
                    return ""
                sent = str(number).encode()
                writer.write(frame(TEXT, sent, masked=True))
                async with asyncio.timeout(_TUNNEL_PATIENCE):
                    kind, payload = await read_frame(reader)
                if (kind, payload) != (TEXT, sent):
                    return "closed by the application" if kind == CLOSE else "wrong echo"
                await self._wait(_TUNNEL_PAUSE)
        except TimeoutError:
            return "silent"
        except asyncio.IncompleteReadError:
            return "end of stream"
        except OSError:
            return "reset"
        return ""


def executions(answer: Answer) -> int:
    """Return how often the application says it has executed this POST."""
    try:
        told = json.loads(answer.body)
    except ValueError:
        return 0
    return int(told["executed"]) if isinstance(told, dict) and "executed" in told else 0
