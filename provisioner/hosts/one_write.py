"""One request of the Engine API in one write, and its answer: no engine waits for the rest of a request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from provisioner.errors import EngineRefused
from provisioner.hosts.channel import Opener
from provisioner.hosts.hijack import read_body, read_head, refusal

_REFUSED = 400


@dataclass(frozen=True, slots=True)
class Reply:
    """What an engine answered: status, headers by name in lower case, body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Question:
    """One request: method, path with its query, body, and the kind of that."""

    method: str
    path: str
    body: bytes = b""
    kind: str = "application/json"

    def text(self) -> bytes:
        """Return it as it is sent."""
        head = (
            f"{self.method} {self.path} HTTP/1.1\r\nHost: engine\r\nContent-Type: {self.kind}\r\n"
            f"Content-Length: {len(self.body)}\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + self.body


def ask(host: str, opener: Opener, question: Question, timeout: float) -> Reply:
    """Return an engine's answer, waiting `timeout` seconds for each part of it.

    Raise EngineRefused with its status, and what channels raise.
    """
    channel = opener()
    try:
        channel.settimeout(timeout)
        channel.sendall(question.text())
        head, begun = read_head(channel)
        body = b"" if question.method == "HEAD" else read_body(channel, head, begun)
    finally:
        channel.close()
    status = re.match(rb"HTTP/\d\.\d (\d{3})", head)
    if status is None:
        raise EngineRefused(host, "the engine answered with something else than HTTP")
    answer = Reply(int(status[1]), _headers(head), body)
    if answer.status >= _REFUSED:
        raise refusal(host, answer.status, body)
    return answer


def _headers(head: bytes) -> dict[str, str]:
    lines = (line.partition(":") for line in head.decode("latin-1").split("\r\n")[1:])
    return {name.strip().lower(): value.strip() for name, _, value in lines}
