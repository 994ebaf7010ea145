"""The host half of `doctor`: reaches every host and says how, and what limits it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from provisioner.model.finding import Finding
from provisioner.model.inventory import Host
from provisioner.model.observed import ObservedHost, Unreachable
from provisioner.reconcile.observe import observe
from provisioner.reconcile.world import Lookout

DIRECT = "streamlocal"


def diagnose(lookout: Lookout, fleet: str, hosts: Mapping[str, Host]) -> tuple[Finding, ...]:
    """Return what was found on every host, in the order of the inventory."""
    seen = observe(lookout, fleet, hosts.values())
    reached = {host.name: host for host in seen.hosts}
    lost = {host.name: host for host in seen.unreachable}
    found: list[Finding] = []
    for name in hosts:
        found += _reached(reached[name], hosts[name]) if name in reached else [_lost(lost[name])]
    return tuple(found)


def _lost(host: Unreachable) -> Finding:
    return Finding(host.name, "connection", "failure", host.reason, host.hint)


def _reached(host: ObservedHost, declared: Host) -> Iterator[Finding]:
    engine = host.engine
    yield Finding(host.name, "engine", "ok", f"Docker {engine.version}, {engine.store} store, {engine.platform}")
    if engine.route == DIRECT:
        yield Finding(host.name, "route", "ok", "the engine's socket, through the SSH connection")
    else:
        fix = "allow AllowStreamLocalForwarding and AllowTcpForwarding in sshd_config for a faster way"
        yield Finding(host.name, "route", "warning", f"the engine is reached by {engine.route}", fix)
    if engine.unenforceable:
        limits = ", ".join(engine.unenforceable)
        fix = "enable these controllers in the host's kernel, or leave the limits out"
        yield Finding(host.name, "limits", "warning", f"cannot enforce {limits}; compared as absent", fix)
    yield from _address(host, declared.private_address)


def _address(host: ObservedHost, private: str) -> Iterator[Finding]:
    if not host.addresses or private in host.addresses:
        return
    fix = f"set private_address to one of {', '.join(host.addresses)}"
    yield Finding(host.name, "address", "failure", f"{private} is on no interface of this host", fix)
