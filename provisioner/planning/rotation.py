"""The states of the balancer's servers against what they should be at rest."""

from __future__ import annotations

import re
from collections.abc import Iterator

from provisioner.model.balancer import BalancerConfig, ServerState
from provisioner.model.desired import Desired
from provisioner.model.observed import ObservedBalancer
from provisioner.planning.fields import ABSENT, PRESENT, Difference

_WEIGHT = re.compile(r"^\s*server .* weight (\d+)", re.MULTILINE)


def rotation_differences(desired: Desired, config: BalancerConfig, seen: ObservedBalancer) -> Iterator[Difference]:
    """Yield every server that is missing, too many, not enabled, or at another address or weight than its file says."""
    states = {(state.backend, state.name): state for state in seen.servers}
    services = {node.node.service for node in desired.nodes}
    weight = file_weight(seen.text or "")
    listed = set()
    for backend in config.backends:
        if backend.service not in services:
            continue
        for server in backend.servers:
            listed.add((backend.service, server.name))
            address = f"{_bracketed(server.address)}:{server.port}"
            state = states.get((backend.service, server.name))
            key = f"{backend.service}/{server.name}"
            yield from _drained(key, state) if server.node in config.drained else _server(key, weight, state)
            if state is not None and state.address and state.address != address:
                yield Difference("rotation", f"{key} address", address, state.address)
    for other in sorted(set(states) - listed):
        if other[0] in {backend.service for backend in config.backends}:
            yield Difference("rotation", "/".join(other), ABSENT, PRESENT)


def file_weight(text: str) -> int:
    """Return the weight that a balancer's file gives its servers, 1 where it gives none; drained ones have 0."""
    return max((int(weight) for weight in _WEIGHT.findall(text)), default=1) or 1


def _drained(key: str, state: ServerState | None) -> Iterator[Difference]:
    """Yield what differs at a server that is listed and checked, and weighs nothing."""
    if state is None:
        yield Difference("rotation", key, PRESENT, ABSENT)
    elif state.admin == "maint" or (state.weight and state.health != "down"):
        yield Difference("rotation", key, "drained", state.admin)


def _server(key: str, weight: int, state: ServerState | None) -> Iterator[Difference]:
    if state is None:
        yield Difference("rotation", key, PRESENT, ABSENT)
        return
    if state.admin != "ready":
        yield Difference("rotation", key, "ready", state.admin)
    if state.admin == "ready" and state.weight != weight and state.health != "down":
        yield Difference("rotation", f"{key} weight", str(weight), str(state.weight))


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
