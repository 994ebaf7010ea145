"""Which hosts a lease lies on, and how one that was seen there stands."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

from provisioner.model.desired import Desired
from provisioner.model.lease import LeaseSight
from provisioner.model.release import Release

Standing = Literal["held", "expired", "released"]


def lease_hosts(last: Release | None, desired: Desired, without: Collection[str] = ()) -> tuple[str, ...]:
    """Return the hosts to take a lease on, in the order in which everybody takes them.

    They are the balancer's hosts of the last and of the next release, of a release without one the first host by
    name: whoever wants another fleet next still meets the others where the last release says. `without` are hosts
    that a person says are dead.
    """
    named = set(_hosts_of(desired)) | set(_hosts_of(last.content.desired) if last else ())
    return tuple(sorted(named - set(without)))


def _hosts_of(desired: Desired) -> tuple[str, ...]:
    balancing = tuple(balancer.host for balancer in desired.balancers)
    return balancing or tuple(sorted(desired.hosts)[:1])


def standing(sight: LeaseSight) -> Standing:
    """Return how the latest lease on a host stands by the clock of that host; an old one may still be alive."""
    latest = sight.latest
    if latest is None or latest.released:
        return "released"
    return "expired" if sight.age > latest.claim.term else "held"
