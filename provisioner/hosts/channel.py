"""Byte channels: what a paramiko channel and a socket have in common, and a channel dressed as a socket."""

from __future__ import annotations

import io
import socket
from collections.abc import Callable
from typing import Protocol

import paramiko
from urllib3.util.wait import wait_for_read


class ByteChannel(Protocol):
    """Two-way bytes with a timeout in seconds."""

    def send(self, data: bytes, /) -> int:
        """Send some of it and return how much. Raise TimeoutError."""

    def sendall(self, data: bytes, /) -> object:
        """Send all of it."""

    def recv(self, limit: int, /) -> bytes:
        """Return up to `limit` bytes as soon as there are any, empty at the end. Raise TimeoutError."""

    def settimeout(self, seconds: float | None, /) -> object:
        """Set how long sending and receiving may wait."""

    def close(self) -> object:
        """Close both ways."""


class Carried:
    """A byte channel over another one."""

    channel: ByteChannel


Opener = Callable[[], ByteChannel]
"""Opens another channel to an engine."""


def connect_unix(path: str, timeout: float) -> socket.socket:
    """Return a connection to a Unix socket of this machine; `timeout` in seconds. Raise OSError."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.settimeout(timeout)
        connection.connect(path)
    except BaseException:
        connection.close()
        raise
    return connection


def is_spent(channel: ByteChannel) -> bool:
    """Tell whether an idle channel has been closed, or left in disorder, by the other side."""
    match channel:
        case paramiko.Channel():
            return bool(channel.closed or channel.eof_received or channel.recv_ready())
        case socket.socket():
            return wait_for_read(channel, timeout=0.0)
        case Carried():
            return is_spent(channel.channel)
        case _:
            return False


class ChannelSocket:
    """A byte channel with the methods of a socket that http.client calls.

    As with a socket, files made from it keep it open: http.client closes the socket before it reads a body that
    ends with the connection.
    """

    def __init__(self, channel: ByteChannel) -> None:
        self.channel = channel
        self._users = 1
        self._closed = False

    def sendall(self, data: bytes) -> None:
        """Send all of it. Raise BrokenPipeError where the other side has closed: its answer can still be read."""
        try:
            self.channel.sendall(data)
        except TimeoutError:
            raise
        except OSError as error:
            raise BrokenPipeError(*error.args) from error

    def settimeout(self, seconds: float | None) -> None:
        """Set how long sending and receiving may wait."""
        self.channel.settimeout(seconds)

    def makefile(self, _mode: str, buffering: int | None = None) -> io.BufferedReader:
        """Return a file that reads from the channel."""
        self._users += 1
        return io.BufferedReader(_Reader(self), buffering if buffering and buffering > 0 else io.DEFAULT_BUFFER_SIZE)

    def close(self) -> None:
        """Close the channel once nobody reads from it any more."""
        if not self._closed:
            self._closed = True
            self.release()

    def release(self) -> None:
        """Take note that one user less is left: the socket itself, or a file made from it."""
        self._users -= 1
        if self._users == 0:
            self.channel.close()


class _Reader(io.RawIOBase):
    def __init__(self, owner: ChannelSocket) -> None:
        super().__init__()
        self._owner = owner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]  # stubs say Buffer
        data = self._owner.channel.recv(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._owner.release()
