"""How long we wait for a host, whatever we wait for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds for: a TCP connection, the login, a channel, a command, an engine's answer, and an engine's slow work.

    After `silence` seconds in which it says nothing an engine is asked for a sign of life, for `sign` seconds.
    """

    connect: float = 10.0
    login: float = 12.0
    channel: float = 15.0
    command: float = 60.0
    request: float = 60.0
    patient: float = 900.0
    silence: float = 10.0
    sign: float = 5.0
