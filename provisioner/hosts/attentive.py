"""Signs of life of an engine: one that says nothing for a while is asked whether it is there at all.

One that is stopped or stuck keeps its socket, whose kernel goes on accepting: only an answer shows that it is there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from typing import TypeVar

import paramiko

from provisioner.errors import EngineUnavailable, ProvisionerError
from provisioner.hosts.channel import ByteChannel, Carried, Opener
from provisioner.hosts.timeouts import Timeouts

PING = b"GET /_ping HTTP/1.1\r\nHost: engine\r\nConnection: close\r\n\r\n"
"""A question that every engine answers at once, whatever else it does."""

_SHORTEST = 0.001
_Told = TypeVar("_Told")


class SignsOfLife:
    """What is known of whether one engine is there; for many threads, whoever finds out telling the others."""

    def __init__(self, host: str, timeouts: Timeouts) -> None:
        self.host = host
        self.timeouts = timeouts
        self._doubtful = False
        self._silent_at = float("-inf")

    @property
    def patience(self) -> float:
        """Return the seconds that the first question to an engine may take: few, where it gave no answer before."""
        return self.timeouts.sign if self._doubtful else self.timeouts.channel

    def attentive(self, opener: Opener) -> Opener:
        """Return an opener of channels to the engine that nobody waits at for one who is not there."""
        return lambda: AttentiveChannel(opener(), self, opener)

    def heard(self) -> None:
        """Note that it answered."""
        self._doubtful = False

    def doubt(self) -> None:
        """Note that an answer did not come: before the next question it has to give a sign of life."""
        self._doubtful = True

    def silent(self) -> EngineUnavailable:
        """Note that it gave no sign of life, and return the error that says so."""
        self._doubtful = True
        self._silent_at = time.monotonic()
        return self._error()

    def refuse_silent(self, opener: Opener | None) -> None:
        """Ask for a sign of life where there is doubt. Raise EngineUnavailable, at once where it was asked just now."""
        if not self._doubtful:
            return
        if time.monotonic() - self._silent_at < self.timeouts.sign:
            raise self._error()
        if opener is not None and not self.given(opener):
            raise self.silent()

    def given(self, opener: Opener) -> bool:
        """Ask for a sign of life; tell whether there was one, or nobody could ask: that says nothing of the engine."""
        try:
            with closing(opener()) as channel:
                channel.settimeout(self.timeouts.sign)
                channel.sendall(PING)
                channel.recv(len(PING))
        except TimeoutError:
            return False
        except (ProvisionerError, paramiko.SSHException, EOFError, OSError):
            return True
        self.heard()
        return True

    def _error(self) -> EngineUnavailable:
        message = "its Docker Engine hangs: it takes connections and does not answer"
        hint = "see its log there, and restart it (systemctl restart docker); then run the same command again"
        return EngineUnavailable(self.host, message, hint=hint)


class AttentiveChannel(Carried):
    """A channel to an engine. While nothing moves on it the engine is asked for signs of life.

    Raise TimeoutError where the time set is over, EngineUnavailable where the engine gives none.
    """

    def __init__(self, channel: ByteChannel, signs: SignsOfLife, opener: Opener) -> None:
        self.channel = channel
        self._signs = signs
        self._opener = opener
        self._seconds = float("inf")

    def settimeout(self, seconds: float | None) -> None:
        """Set how long sending and receiving may wait."""
        self._seconds = float("inf") if seconds is None else seconds

    def send(self, data: bytes) -> int:
        """Send some of it and return how much."""
        return self._waiting(lambda: self.channel.send(data))

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        while data:
            data = data[self.send(data) :]

    def recv(self, limit: int) -> bytes:
        """Return up to `limit` bytes as soon as there are any, empty at the end."""
        received = self._waiting(lambda: self.channel.recv(limit))
        if received:
            self._signs.heard()
        return received

    def close(self) -> None:
        """Close both ways."""
        self.channel.close()

    def _waiting(self, move: Callable[[], _Told]) -> _Told:
        until = time.monotonic() + self._seconds
        while True:
            left = until - time.monotonic()
            self.channel.settimeout(max(min(left, self._signs.timeouts.silence), _SHORTEST))
            try:
                return move()
            except TimeoutError:
                if time.monotonic() >= until:
                    self._signs.doubt()
                    raise
            if not self._signs.given(self._opener):
                raise self._signs.silent()
