"""An SSH transport that can also open a channel to a Unix socket of the host."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

import paramiko
from paramiko.common import cMSG_CHANNEL_OPEN
from paramiko.message import Message

logging.getLogger("paramiko").addHandler(logging.NullHandler())

_POLL_SECONDS = 0.1
_CONNECT_FAILED = 2


class StreamlocalTransport(paramiko.Transport):
    """paramiko's transport with OpenSSH's `direct-streamlocal@openssh.com` (its file PROTOCOL, section 2.4).

    paramiko's own `open_channel` sends no path for a kind it does not know, and sshd then drops the connection;
    so the message is written here, as `open_channel` writes it, with the names paramiko keeps to itself.
    """

    active: bool
    _channels: Any
    _next_channel: Callable[[], int]
    _sanitize_window_size: Callable[[int | None], int]
    _sanitize_packet_size: Callable[[int | None], int]
    _send_user_message: Callable[[Message], None]

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
