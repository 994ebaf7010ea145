"""Runs a command over an SSH session to its end, or to the end of our patience."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

import paramiko

from provisioner.ports import Completed

_CHUNK = 65536


def complete(channel: paramiko.Channel, stdin: bytes, timeout: float) -> Completed:
    """Give a command its input and return what it left; `timeout` in seconds. Raise TimeoutError."""
    until = monotonic() + timeout
    channel.sendall(stdin)
    channel.shutdown_write()
    stdout = _drain(channel, channel.recv, until)
    stderr = _drain(channel, channel.recv_stderr, until)
    if not channel.status_event.wait(max(until - monotonic(), 0.0)):
        raise TimeoutError("the command did not end in time")
    return Completed(channel.recv_exit_status(), stdout, stderr)


def _drain(channel: paramiko.Channel, receive: Callable[[int], bytes], until: float) -> bytes:
    received = bytearray()
    while True:
        channel.settimeout(max(until - monotonic(), 0.01))
        piece = receive(_CHUNK)
        if not piece:
            return bytes(received)
        received += piece
