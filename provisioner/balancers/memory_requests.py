"""Requests that a balancer in memory hands out: who gets how many of them, and how many fail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class Served:
    """What a server was sent since its worker began: requests, and answers of 500 and above."""

    total: int = 0
    failed: int = 0
    owed: float = 0.0

    def add(self, requests: int, failing: float) -> None:
        """Count requests of which a share fails; what is less than one failure is kept for the next."""
        self.total += requests
        self.owed += requests * failing
        self.failed += int(self.owed)
        self.owed -= int(self.owed)


def spread(count: int, weights: Sequence[int]) -> list[int]:
    """Return how many of some requests each server gets, as HAProxy's round robin spreads them by weight."""
    whole = sum(weights)
    if not whole:
        return [0] * len(weights)
    shares = [count * weight // whole for weight in weights]
    rest = sorted(range(len(weights)), key=lambda at: -(count * weights[at] % whole))
    for at in rest[: count - sum(shares)]:
        shares[at] += 1
    return shares
