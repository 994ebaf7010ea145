"""An SSH transport that can also open a channel to a Unix socket of the host."""

from __future__ import annotations

import errno
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import paramiko
from paramiko.common import cMSG_CHANNEL_OPEN, cMSG_GLOBAL_REQUEST
from paramiko.message import Message
from paramiko.packet import Packetizer
from urllib3.util.wait import wait_for_write

logging.getLogger("paramiko").addHandler(logging.NullHandler())

ALIVE_SECONDS = 8.0
"""Seconds of silence after which a host is asked for a sign of life, and again."""
ALIVE_QUESTIONS = 3
"""Questions in a row without an answer after which a connection is given up."""

_POLL_SECONDS = 0.1
_CONNECT_FAILED = 2


class _AttentivePacketizer(Packetizer):
    """paramiko's packets, and how long there were none.

    What stands between us and sshd (a proxy, a jump host) may acknowledge what sshd never sees: only an answer of its
    own shows that it is there. paramiko's keepalive asks for none. `silent` is called with how many questions are due,
    by the one thread that reads: it must not wait, or nobody would count them.
    """

    silent: Callable[[int], None] | None = None

    def __init__(self, wire: Any) -> None:
        super().__init__(wire)
        self._wire = wire
        self._since = time.monotonic()
        self._questions = 0

    def read_message(self) -> tuple[int, Message]:
        """Return the next message."""
        found: tuple[int, Message] = super().read_message()
        self._since, self._questions = time.monotonic(), 0
        return found

    def has_room(self) -> bool:
        """Tell whether a few bytes can be written without waiting: what was sent before is being taken."""
        if isinstance(self._wire, paramiko.Channel):
            return self._wire.send_ready()
        return wait_for_write(self._wire, timeout=0.0)

    def _check_keepalive(self) -> None:
        """Do what is to be done while nothing comes in: paramiko calls this ten times a second."""
        now = time.monotonic()
        if self.silent is not None and now - self._since >= ALIVE_SECONDS:
            self._since = now
            self._questions += 1
            self.silent(self._questions)


class StreamlocalTransport(paramiko.Transport):
    """paramiko's transport with OpenSSH's `direct-streamlocal@openssh.com` (its file PROTOCOL, section 2.4).

    paramiko's own `open_channel` sends no path for a kind it does not know, and sshd then drops the connection;
    so the message is written here, as `open_channel` writes it, with the names paramiko keeps to itself.
    """

    active: bool
    packetizer: _AttentivePacketizer
    clear_to_send: threading.Event
    clear_to_send_lock: threading.Lock
    _channels: Any
    _next_channel: Callable[[], int]
    _sanitize_window_size: Callable[[int | None], int]
    _sanitize_packet_size: Callable[[int | None], int]
    _send_user_message: Callable[[Message], None]
    _send_message: Callable[[Message], None]

    def __init__(self, wire: Any) -> None:
        super().__init__(wire, packetizer_class=_AttentivePacketizer)

    def stay_attentive(self) -> None:
        """Ask the host for signs of life from now on, and give the connection up where it gives none."""
        self.packetizer.silent = self._ask

    def _ask(self, questions: int) -> None:
        if questions > ALIVE_QUESTIONS:
            raise TimeoutError(errno.ETIMEDOUT, f"it gave no sign of life for {questions * ALIVE_SECONDS:g} s")
        # Not amid an exchange of keys, which this thread has to go on with, nor behind an upload that does not move.
        if not self.clear_to_send.is_set() or not self.packetizer.has_room():
            return
        if self.clear_to_send_lock.acquire(blocking=False):
            message = Message()
            message.add_byte(cMSG_GLOBAL_REQUEST)
            message.add_string("keepalive@openssh.com")
            message.add_byte(b"\x01")  # an answer is wanted
            try:
                self._send_message(message)
            finally:
                self.clear_to_send_lock.release()

    def open_streamlocal(self, path: str, timeout: float) -> paramiko.Channel:
        """Return a channel to a Unix socket; `timeout` in seconds. Raise ChannelException where sshd refuses."""
        if not self.active:
            raise paramiko.SSHException("SSH session not active")
        channel, opened = self._announce(path)
        until = time.monotonic() + timeout
        while not opened.wait(_POLL_SECONDS):
            if not self.active:
                break
            if time.monotonic() > until:
                raise paramiko.SSHException("Timeout opening channel.")
        if not self.active:
            raise self.get_exception() or paramiko.SSHException("Unable to open channel.")
        if self._channels.get(channel.get_id()) is None:
            raise self.get_exception() or paramiko.ChannelException(_CONNECT_FAILED, "Connect failed")
        return channel

    def _announce(self, path: str) -> tuple[paramiko.Channel, threading.Event]:
        with self.lock:
            window = self._sanitize_window_size(None)
            packet = self._sanitize_packet_size(None)
            number = self._next_channel()
            channel: Any = paramiko.Channel(number)
            self._channels.put(number, channel)
            self.channel_events[number] = opened = threading.Event()
            self.channels_seen[number] = True
            channel._set_transport(self)  # noqa: SLF001 - what open_channel does
            channel._set_window(window, packet)  # noqa: SLF001 - as above
        message = Message()
        message.add_byte(cMSG_CHANNEL_OPEN)
        message.add_string("direct-streamlocal@openssh.com")
        for value in (number, window, packet):
            message.add_int(value)
        message.add_string(path)
        message.add_string("")
        message.add_int(0)
        self._send_user_message(message)
        return channel, opened
