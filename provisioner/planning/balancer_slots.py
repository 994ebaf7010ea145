"""Which containers are a host's balancer: one, or two while a hand-over is under way or was cut short."""

from __future__ import annotations

from collections.abc import Iterable

from provisioner.model.observed import ALIVE, ObservedContainer
from provisioner.model.placement import balancer_names


def balancer_containers(fleet: str, containers: Iterable[ObservedContainer]) -> tuple[ObservedContainer, ...]:
    """Return the containers of a host's balancer, the one that *is* the balancer first.

    Of two that run it is the one that was started last: that one owns the admin socket and what it serves next.
    """
    names = balancer_names(fleet)
    return tuple(sorted((each for each in containers if each.name in names), key=_worth, reverse=True))


def _worth(container: ObservedContainer) -> tuple[bool, bool, str]:
    return (container.running, container.state in ALIVE, container.started_at)


def free_name(fleet: str, taken: str) -> str:
    """Return the name of the slot that a balancer's container is not in."""
    first, second = balancer_names(fleet)
    return second if taken == first else first
