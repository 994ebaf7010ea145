"""Many questions in one write: what the answers are, whatever pieces they come in."""

from __future__ import annotations

import random

import pytest

from provisioner.errors import EngineRefused
from provisioner.hosts.questions import Questions

SHORT = b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n[1,2,3]"
CHUNKS = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n{"a"\r\n5;x=y\r\n: 42}\r\n0\r\n\r\n'
GONE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 36\r\n\r\n" + b'{"message":"No such container: web"}'
BROKEN = b"HTTP/1.1 500 Internal Server Error\r\nContent-Length: 30\r\n\r\n" + b'{"message":"no space left on"}'
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"


class Channel:
    """Gives an engine's bytes in pieces, and keeps what was said to it."""

    def __init__(self, answer: bytes, piece: int) -> None:
        self.answer, self.piece = answer, piece
        self.said: list[bytes] = []
        self.closed = False

    def send(self, data: bytes) -> int:
        """Keep it."""
        self.said.append(data)
        return len(data)

    def sendall(self, data: bytes) -> None:
        """Keep it."""
        self.send(data)

    def recv(self, limit: int) -> bytes:
        """Give the next piece."""
        taken, self.answer = self.answer[: min(self.piece, limit)], self.answer[min(self.piece, limit) :]
        return taken

    def settimeout(self, seconds: float | None) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Note it."""
        self.closed = True


@pytest.mark.parametrize("piece", [1, 2, 7, 4096])
def test_answers_come_in_order_whatever_pieces_they_come_in(piece: int) -> None:
    """Lengths and chunks, in one write and as many reads as it takes."""
    channel = Channel(SHORT + CHUNKS + GONE + EMPTY + SHORT, piece)
    told = Questions("web1", lambda: channel, 5).ask(["/a", "/b", "/c", "/d", "/e"])
    assert [each.json("web1") for each in told] == [[1, 2, 3], {"a": 42}, None, None, [1, 2, 3]]
    (said,) = channel.said
    assert [line.split()[1] for line in said.split(b"\r\n") if line.startswith(b"GET")] == [
        b"/a",
        b"/b",
        b"/c",
        b"/d",
        b"/e",
    ]


def test_the_channel_is_kept_for_the_next_question() -> None:
    """One channel is opened for any number of questions."""
    opened: list[Channel] = []

    def opener() -> Channel:
        opened.append(Channel(SHORT * 100, random.Random(1).randrange(1, 50)))  # noqa: S311 - any will do
        return opened[-1]

    questions = Questions("web1", opener, 5)
    assert len(questions.ask(["/a"] * 50)) + len(questions.ask(["/b"] * 50)) == 100
    assert len(opened) == 1
    assert max(said.count(b"GET") for said in opened[0].said) <= 32


def test_a_version_of_the_api_stands_before_every_path() -> None:
    """Given at first, or learnt on the way."""
    channel, other = Channel(SHORT * 2, 64), Channel(SHORT, 64)
    given = Questions("web1", lambda: channel, 5, "1.41")
    given.ask(["/info"])
    given.speak("1.43", 9)
    given.ask(["/info"])
    Questions("web1", lambda: other, 5).ask(["/version"])
    assert [said.split()[1] for said in (*channel.said, *other.said)] == [b"/v1.41/info", b"/v1.43/info", b"/version"]


def test_a_refusal_carries_the_engines_words() -> None:
    """Status and message are the engine's."""
    told = Questions("web1", lambda: Channel(BROKEN, 9), 5).ask(["/a"])
    with pytest.raises(EngineRefused, match="no space left") as refused:
        told[0].json("web1")
    assert refused.value.status == 500


def test_what_speaks_no_http_is_refused_and_a_lost_channel_is_closed() -> None:
    """After either the next question opens another channel."""
    strange = Channel(b"SSH-2.0-OpenSSH\r\n\r\n", 64)
    with pytest.raises(EngineRefused, match="something else than HTTP"):
        Questions("web1", lambda: strange, 5).ask(["/a"])
    cut = Channel(SHORT[:-2], 64)
    with pytest.raises(EOFError):
        Questions("web1", lambda: cut, 5).ask(["/a"])
    assert (strange.closed, cut.closed) == (True, True)
