"""Asks a host what time it is, twice, and reads how far its clock is from ours."""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.model.facts import ClockSight

ASK = """\
section clock
date +%s.%N
"""
ASK_AGAIN = """\
section clock-again
date +%s.%N
"""
"""Stands at the end of the script: what runs in between is no part of the way there and back."""

_MIDST = 0.5


def read_clock(reply: Mapping[str, str], sent: float, received: float) -> ClockSight | None:
    """Return how far a host's clock is ahead, from our own clock before and after; None where it told no time.

    As in NTP: the truth lies between two bounds, one for the way there and one for the way back.
    """
    try:
        first, last = _seconds(reply.get("clock", "")), _seconds(reply.get("clock-again", ""))
    except ValueError:
        return None
    most, least = first - sent, last - received
    return ClockSight(ahead=(most + least) * _MIDST, error=abs(most - least) * _MIDST)


def _seconds(told: str) -> float:
    """Return seconds since 1970; a `date` that knows no nanoseconds tells whole ones, on average half too few."""
    whole, _, rest = told.strip().partition(".")
    return int(whole) + (float(f"0.{rest}") if rest.isdecimal() else _MIDST)
