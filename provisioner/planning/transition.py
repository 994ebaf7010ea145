"""The balancer's file for the time between two releases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from provisioner.model.balancer import Backend, BalancerConfig, Server
from provisioner.model.placement import Slot

NEXT = ".next"
"""Ends the name of a server that stands for a slot at its new address, port or check."""


Place = tuple[str, Slot]
"""A slot of a node, by the node's name."""


@dataclass(frozen=True, slots=True)
class Serving:
    """Where running slots answer now, seen on their containers, and which of these containers will stay."""

    at: Mapping[Place, tuple[str, int]]
    staying: frozenset[Place] = frozenset()


def transitional(old: BalancerConfig | None, new: BalancerConfig, serving: Serving) -> BalancerConfig:
    """Return the file that serves both what runs and what will run, with no more servers than that takes.

    Routes and algorithm stay as they are until the end, so that a new service gets no request before its nodes are
    there; binds are those of the container that will run the file. A slot that serves keeps its old entry; one that
    is free gets its new one; only where a container stays under another check are there two.
    """
    if old is None:
        return new
    services = dict.fromkeys([backend.service for backend in (*old.backends, *new.backends)])
    backends = tuple(
        Backend(service, _union(_servers(old, service), _servers(new, service), serving)) for service in services
    )
    longest = max(old.drain_timeout, new.drain_timeout)
    own = replace(old, bind=new.bind, network=new.network, drained=new.drained)
    return replace(own, backends=backends, drain_timeout=longest)


def _servers(config: BalancerConfig, service: str) -> tuple[Server, ...]:
    return next((backend.servers for backend in config.backends if backend.service == service), ())


def _union(old: Iterable[Server], new: Iterable[Server], serving: Serving) -> tuple[Server, ...]:
    before, after = ({server.name: server for server in each} for each in (old, new))
    found = [
        server
        for name in dict.fromkeys((*after, *before))
        for server in _entries(before.get(name), after.get(name), serving)
    ]
    return tuple(found)


def _entries(old: Server | None, new: Server | None, serving: Serving) -> Iterator[Server]:
    """Yield the entries of one slot: as it answers now, and beside it as it will be judged where it stays."""
    server = new or old
    if server is None:
        return
    place = (server.node, server.slot)
    if place not in serving.at:
        yield server
        return
    address, port = serving.at[place]
    now = replace(old or server, address=address, port=port)
    yield now
    if new is not None and now != new and place in serving.staying:
        yield replace(new, name=new.name + NEXT)


def variants(config: BalancerConfig, service: str, node: str, slot: Slot) -> tuple[str, ...]:
    """Return the names of all servers that stand for a slot."""
    return tuple(server.name for server in _servers(config, service) if (server.node, server.slot) == (node, slot))


def newest(config: BalancerConfig, service: str, node: str, slot: Slot) -> Server | None:
    """Return the server that stands for a slot as the new release has it."""
    servers = [server for server in _servers(config, service) if (server.node, server.slot) == (node, slot)]
    return max(servers, key=lambda server: server.name.endswith(NEXT), default=None)
