"""An exec's standard streams: an HTTP request that turns into a two-way stream of frames."""

from __future__ import annotations

import json
import re
from contextlib import suppress

from provisioner.errors import EngineRefused
from provisioner.hosts.channel import ByteChannel, Opener
from provisioner.hosts.refusals import refused

_CHUNK = 65536
_HEADER = 8
_STDERR = 2
_LONGEST_HEAD = 65536
_SWITCHED = frozenset({101, 200})


class Frames:
    """What an exec without a terminal writes, taken apart into standard output and standard error.

    A frame has a head of eight bytes: the stream's number, three zeros, the length (Engine API, attach).
    """

    def __init__(self, begun: bytes = b"") -> None:
        self._pending = bytearray(begun)
        self._stream = 0
        self._left = 0

    def add(self, data: bytes) -> None:
        """Take bytes as they came."""
        self._pending += data

    def take(self) -> tuple[int, bytes] | None:
        """Return the number of a stream and bytes of it, None where more has to come first."""
        if not self._left:
            if len(self._pending) < _HEADER:
                return None
            self._stream, self._left = self._pending[0], int.from_bytes(self._pending[4:_HEADER], "big")
            del self._pending[:_HEADER]
            if not self._left:
                return self._stream, b""
        if not self._pending:
            return None
        data = bytes(self._pending[: self._left])
        del self._pending[: len(data)]
        self._left -= len(data)
        return self._stream, data


class ExecStream:
    """The standard input and output of a command in a container; what it writes to standard error is kept apart."""

    def __init__(self, channel: ByteChannel, begun: bytes) -> None:
        self._channel = channel
        self._frames = Frames(begun)
        self._rest = b""
        self.stderr = bytearray()

    def send(self, data: bytes) -> None:
        """Send all of it."""
        self._channel.sendall(data)

    def receive(self, limit: int) -> bytes:
        """Return up to `limit` bytes as soon as there are any, empty at the end. Raise TimeoutError."""
        while not self._rest:
            frame = self._frames.take()
            if frame is None:
                data = self._channel.recv(_CHUNK)
                if not data:
                    return b""
                self._frames.add(data)
            elif frame[0] == _STDERR:
                self.stderr += frame[1]
            else:
                self._rest = frame[1]
        taken, self._rest = self._rest[:limit], self._rest[limit:]
        return taken

    def close(self) -> None:
        """Close both ways; the command sees the end of its input. A connection that was lost is closed already."""
        with suppress(OSError, EOFError):
            self._channel.close()


def start_exec(host: str, opener: Opener, path: str, timeout: float) -> ExecStream:
    """Start a created exec and return its streams; `path` is its start's, `timeout` seconds. Raise EngineRefused."""
    channel = opener()
    try:
        channel.settimeout(timeout)
        channel.sendall(_request(path, json.dumps({"Detach": False, "Tty": False}).encode()))
        begun = _switched(host, channel)
    except BaseException:
        channel.close()
        raise
    return ExecStream(channel, begun)


def _request(path: str, body: bytes) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nHost: engine\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
    )
    return head.encode() + body


def _switched(host: str, channel: ByteChannel) -> bytes:
    """Return the bytes that came right behind the answer that the engine now speaks in frames."""
    head, begun = read_head(channel)
    status = re.match(rb"HTTP/\d\.\d (\d{3})", head)
    if status is None:
        raise EngineRefused(host, "the engine answered a command with something else than HTTP")
    if int(status[1]) not in _SWITCHED:
        raise refusal(host, int(status[1]), read_body(channel, head, begun))
    return begun


def read_head(channel: ByteChannel) -> tuple[bytes, bytes]:
    """Return the head of an answer, and what came right behind it."""
    received = b""
    while b"\r\n\r\n" not in received and len(received) < _LONGEST_HEAD:
        data = channel.recv(_CHUNK)
        if not data:
            break
        received += data
    head, _, begun = received.partition(b"\r\n\r\n")
    return head, begun


def read_body(channel: ByteChannel, head: bytes, begun: bytes) -> bytes:
    """Return the body of an answer that tells its length, empty where it tells none."""
    found = re.search(rb"(?i)^content-length: *(\d+)", head, re.MULTILINE)
    length = min(int(found[1]), _LONGEST_HEAD) if found else 0
    while len(begun) < length and (data := channel.recv(_CHUNK)):
        begun += data
    return begun


def refusal(host: str, status: int, begun: bytes) -> EngineRefused:
    """Return an engine's refusal with the words of its answer."""
    try:
        return refused(host, json.loads(begun)["message"], status)
    except (ValueError, KeyError, TypeError):
        return refused(host, f"HTTP status {status}", status)
