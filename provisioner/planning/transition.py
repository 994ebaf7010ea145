"""The balancer's file for the time between two releases: every slot once per address, port and check of both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from provisioner.model.balancer import Backend, BalancerConfig, Server
from provisioner.model.placement import Slot

NEXT = ".next"
"""Ends the name of a server that stands for a slot at its new address, port or check."""


def transitional(old: BalancerConfig | None, new: BalancerConfig) -> BalancerConfig:
    """Return the file that serves both what runs and what will run.

    Routes, binds and algorithm stay as they are until the end, so that a new service gets no request before
    its nodes are there.
    """
    if old is None:
        return new
    services = dict.fromkeys([backend.service for backend in (*old.backends, *new.backends)])
    backends = tuple(Backend(service, _union(_servers(old, service), _servers(new, service))) for service in services)
    return replace(old, backends=backends, drain_timeout=max(old.drain_timeout, new.drain_timeout))


def _servers(config: BalancerConfig, service: str) -> tuple[Server, ...]:
    return next((backend.servers for backend in config.backends if backend.service == service), ())


def _union(old: Iterable[Server], new: Iterable[Server]) -> tuple[Server, ...]:
    servers = {server.name: server for server in old}
    for server in new:
        before = servers.get(server.name)
        if before is None or before == server:
            servers[server.name] = server
        else:
            servers[server.name + NEXT] = replace(server, name=server.name + NEXT)
    return tuple(servers[name] for name in sorted(servers))


def variants(config: BalancerConfig, service: str, node: str, slot: Slot) -> tuple[str, ...]:
    """Return the names of all servers that stand for a slot."""
    return tuple(server.name for server in _servers(config, service) if (server.node, server.slot) == (node, slot))


def newest(config: BalancerConfig, service: str, node: str, slot: Slot) -> Server | None:
    """Return the server that stands for a slot as the new release has it."""
    servers = [server for server in _servers(config, service) if (server.node, server.slot) == (node, slot)]
    return max(servers, key=lambda server: server.name.endswith(NEXT), default=None)
