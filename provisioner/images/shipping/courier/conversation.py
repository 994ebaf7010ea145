"""The conversation with a courier: an order a line, an answer a line, both perhaps with bytes behind them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from provisioner.errors import EngineRefused, HostUnreachable
from provisioner.ports import Stream

_CHUNK = 65536
_BUSY = b"wait"


class Conversation:
    """Orders sent and answers read over a stream. For one thread; raises HostUnreachable where the stream is lost."""

    def __init__(self, host: str, stream: Stream) -> None:
        self._host = host
        self._stream = stream
        self._received = bytearray()

    def ask(self, order: str) -> str:
        """Give an order and return its answer. Raise EngineRefused where it is refused."""
        self.send(f"{order}\n".encode())
        return self.answer()

    def answer(self) -> str:
        """Return what stands behind the `ok` of the next answer. Raise EngineRefused for a `no`."""
        while (line := self._line()) == _BUSY:
            continue
        word, _, rest = line.decode(errors="replace").partition(" ")
        if word != "ok":
            raise EngineRefused(self._host, f"the courier answers: {rest or word}")
        return rest

    def _line(self) -> bytes:
        while b"\n" not in self._received:
            self._receive()
        line, _, rest = bytes(self._received).partition(b"\n")
        self._received = bytearray(rest)
        return line

    def content(self, count: int) -> bytes:
        """Return so many bytes that follow an answer."""
        while len(self._received) < count:
            self._receive()
        taken = bytes(self._received[:count])
        del self._received[:count]
        return taken

    def _receive(self) -> None:
        with _losses(self._host):
            data = self._stream.receive(_CHUNK)
        if not data:
            raise HostUnreachable(self._host, "the connection to the courier was lost", hint="run the command again")
        self._received += data

    def send(self, data: bytes) -> None:
        """Send all of it."""
        with _losses(self._host):
            self._stream.send(data)


@contextmanager
def _losses(host: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError) as error:
        reason = str(error) or type(error).__name__
        raise HostUnreachable(
            host, f"the connection to the courier was lost ({reason})", hint="run the command again"
        ) from error
