"""Questions that change nothing, to an engine's API: many in one write on one channel, answered in order."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from provisioner.errors import EngineRefused
from provisioner.hosts.channel import ByteChannel, Opener, is_spent
from provisioner.hosts.refusals import refused

_CHUNK = 1 << 16
_HEAD_END = b"\r\n\r\n"
_LONGEST_HEAD = 1 << 16
_STATUS = re.compile(rb"HTTP/1\.\d (\d{3})")
_LENGTH = re.compile(rb"(?im)^content-length: *(\d+)")
_CHUNKED = re.compile(rb"(?im)^transfer-encoding: *chunked")
_OK, _NOT_FOUND, _REFUSED = 200, 404, 400
_MOST_AT_ONCE = 32
"""Questions in one write: their text has to fit where nobody reads yet, while the first answers are on their way."""


@dataclass(frozen=True, slots=True)
class Told:
    """An engine's answer: its HTTP status and its body."""

    status: int
    body: bytes

    def json(self, host: str) -> Any:
        """Return what it says, None where there is no such thing. Raise EngineRefused."""
        if self.status == _NOT_FOUND:
            return None
        if self.status >= _REFUSED:
            raise refused(host, _words(self.body), self.status)
        try:
            return json.loads(self.body) if self.body.strip() else None
        except ValueError as error:
            raise EngineRefused(host, f"the engine's answer is no JSON: {error}") from error


class Questions:
    """Asks one engine over one channel, opened at the first question and kept. For one thread at a time.

    docker's client waits for each answer before its next question and takes a millisecond of CPU for each; a look at
    a host asks some dozen. `timeout` is seconds for each part of an answer.
    """

    def __init__(self, host: str, opener: Opener, timeout: float, api_version: str = "") -> None:
        self._host = host
        self._opener = opener
        self._timeout = timeout
        self._prefix = f"/v{api_version}" if api_version else ""
        self._channel: ByteChannel | None = None
        self._received = bytearray()

    def speak(self, api_version: str, timeout: float) -> None:
        """Ask in this version of the API from now on, and wait so many seconds for each part of an answer."""
        self._prefix, self._timeout = f"/v{api_version}", timeout
        if self._channel is not None:
            self._channel.settimeout(timeout)

    def ask(self, paths: Sequence[str]) -> list[Told]:
        """Return the answers to `GET` of each path, in order.

        Raise EngineRefused where what answers is no HTTP, and what channels raise; then it is closed.
        """
        told: list[Told] = []
        try:
            for first in range(0, len(paths), _MOST_AT_ONCE):
                several = paths[first : first + _MOST_AT_ONCE]
                channel = self._open()
                channel.sendall(b"".join(self._question(path) for path in several))
                told += [self._answer(channel) for _ in several]
        except BaseException:
            self.close()
            raise
        return told

    def close(self) -> None:
        """Let go of the channel; the next question opens another one."""
        channel, self._channel = self._channel, None
        self._received.clear()
        if channel is not None:
            channel.close()

    def _question(self, path: str) -> bytes:
        return f"GET {self._prefix}{path} HTTP/1.1\r\nHost: engine\r\n\r\n".encode()

    def _open(self) -> ByteChannel:
        if self._channel is not None and is_spent(self._channel):
            self.close()
        if self._channel is None:
            self._channel = self._opener()
            self._channel.settimeout(self._timeout)
        return self._channel

    def _answer(self, channel: ByteChannel) -> Told:
        head = self._until(channel, _HEAD_END, _LONGEST_HEAD)
        status = _STATUS.match(head)
        if status is None:
            raise EngineRefused(self._host, "the engine answered with something else than HTTP")
        length = _LENGTH.search(head)
        if length:
            return Told(int(status[1]), self._take(channel, int(length[1])))
        return Told(int(status[1]), self._chunks(channel) if _CHUNKED.search(head) else b"")

    def _chunks(self, channel: ByteChannel) -> bytes:
        """Return a body in chunks (RFC 9112, section 7.1), without trailers."""
        body = bytearray()
        while size := int(self._until(channel, b"\r\n", _LONGEST_HEAD).split(b";")[0], 16):
            body += self._take(channel, size)
            self._take(channel, 2)
        while self._until(channel, b"\r\n", _LONGEST_HEAD):
            continue
        return bytes(body)

    def _until(self, channel: ByteChannel, end: bytes, most: int) -> bytes:
        while (place := self._received.find(end)) < 0:
            if len(self._received) > most:
                raise EngineRefused(self._host, "the engine's answer has no end")
            self._receive(channel)
        text = bytes(self._received[:place])
        del self._received[: place + len(end)]
        return text

    def _take(self, channel: ByteChannel, count: int) -> bytes:
        while len(self._received) < count:
            self._receive(channel)
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    def _receive(self, channel: ByteChannel) -> None:
        data = channel.recv(_CHUNK)
        if not data:
            raise EOFError("the engine closed the connection")
        self._received += data


def _words(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")
