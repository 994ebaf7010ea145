"""Judges a fresh slot by what its balancer and its engine count: real requests, checks, restarts.

The rule, in this order; every number counts from the slot's entry into rotation:

1. its container ended, or was started again: at once;
2. its own checks took it down, once, or FAILED_CHECKS of them failed while it was up;
3. at least LEAST_ERRORS requests failed (answers of 500 and above, and requests it accepted and did not answer), and
   they are more than twice the share that failed at its peers meanwhile plus MARGIN. One stray 500 is below that, and
   a fault that all nodes share does not speak against the fresh one.

A slot whose watch is over is judged by the first rule, and by whether its checks took it down: it is a peer then.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from provisioner.model.balancer import ServerState
from provisioner.model.observed import ObservedContainer

FAILED_CHECKS = 3
LEAST_ERRORS = 3
PEERS_FACTOR = 2.0
MARGIN = 0.02


@dataclass(frozen=True, slots=True)
class Tally:
    """Requests and how many of them failed."""

    requests: int = 0
    failed: int = 0

    @property
    def rate(self) -> float:
        """Return the share that failed."""
        return self.failed / self.requests if self.requests else 0.0

    def since(self, before: Tally) -> Tally:
        """Return what came after an earlier count; a balancer that began anew counts from nothing."""
        if self.requests < before.requests:
            return self
        return Tally(self.requests - before.requests, max(self.failed - before.failed, 0))


@dataclass(frozen=True, slots=True)
class Sample:
    """What was counted at one moment: of the slot itself, and of its peers together."""

    own: Tally
    peers: Tally
    failed_checks: int
    times_down: int
    up: bool


def sample(servers: Iterable[ServerState], backend: str, name: str, fresh: frozenset[str]) -> Sample | None:
    """Return a balancer's count for a server and its peers, fresh ones left aside; None where it is not listed."""
    listed = {each.name: each for each in servers if each.backend == backend}
    own = listed.get(name)
    if own is None:
        return None
    peers = [_tally(each) for each in listed.values() if each.name not in fresh]
    together = Tally(sum(each.requests for each in peers), sum(each.failed for each in peers))
    return Sample(_tally(own), together, own.failed_checks, own.times_down, own.health != "down")


def _tally(server: ServerState) -> Tally:
    return Tally(server.total, server.errors_5xx + server.broken)


def outage(before: Sample, now: Sample) -> str:
    """Return that a slot was taken down by its checks since it entered, empty where it was not."""
    downs = now.times_down - (0 if _began_anew(before, now) else before.times_down)
    return "its checks at the balancer took it down" if not now.up or downs > 0 else ""


def _began_anew(before: Sample, now: Sample) -> bool:
    """Tell whether the balancer's worker is another one, which counts from nothing."""
    return now.own.requests < before.own.requests or now.failed_checks < before.failed_checks


def objection(before: Sample, now: Sample) -> str:
    """Return what a balancer's counts since a slot entered have against it, empty where it may stay."""
    if reason := outage(before, now):
        return reason
    checks = now.failed_checks - (0 if _began_anew(before, now) else before.failed_checks)
    if checks >= FAILED_CHECKS:
        return f"{checks} of its checks at the balancer failed"
    own, peers = now.own.since(before.own), now.peers.since(before.peers)
    if own.failed >= LEAST_ERRORS and own.rate > peers.rate * PEERS_FACTOR + MARGIN:
        return f"{own.failed} of {own.requests} requests to it failed ({own.rate:.1%}; {peers.rate:.1%} at its peers)"
    return ""


def end(first: ObservedContainer, now: ObservedContainer | None) -> str:
    """Return how a container ended that was seen running, empty where it still runs."""
    if now is None or now.container_id != first.container_id:
        return "its container is gone"
    if now.out_of_memory:
        return "its container ran out of memory"
    if now.state in {"exited", "dead", "restarting"}:
        return f"its container ended (exit code {now.exit_code})"
    if now.restarts != first.restarts or now.started_at != first.started_at:
        return "its container ended and was started again"
    return ""
