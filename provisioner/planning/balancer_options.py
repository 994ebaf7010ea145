"""The options of the balancer's container, behind a bridge of the engine or on its host's own network."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from provisioner.model.container import ContainerOptions, Mount, TmpfsMount
from provisioner.model.spec import LOAD_BALANCER, Resources
from provisioner.planning.hardening import LOG_OPTIONS

_CONFIG = "/etc/haproxy/haproxy.cfg"
_ADMIN_SOCKET = "/run/haproxy/admin.sock"
_OWN = "/run/master"
_MASTER = ("haproxy", "-W", "-db", "-S", f"{_OWN}/master.sock,mode,600")
_CAPABILITIES = ("DAC_OVERRIDE", "KILL", "NET_BIND_SERVICE", "SETGID", "SETUID")


def balancer_options(fleet: str, network: Literal["bridge", "host"], limits: Resources) -> ContainerOptions:
    """Return the options of a fleet's balancer.

    On its host's network HAProxy begins as root, to bind ports below 1024 there, and its workers serve without any
    right. Every start asks the admin socket, which both slots share, for the listening sockets of whoever serves;
    where nobody does it binds its own. Its master's socket is no other container's (docs/adr/0010). Sockets of one
    user cannot be replaced by another, so those of each network lie in a volume of their own.
    """
    sockets = "run" if network == "bridge" else "run-host"
    volumes = (
        Mount("volume", f"{fleet}_{LOAD_BALANCER}-etc", "/etc/haproxy"),
        Mount("volume", f"{fleet}_{LOAD_BALANCER}-{sockets}", "/run/haproxy"),
    )
    options = ContainerOptions(
        mounts=volumes,
        nano_cpus=round((limits.cpus or 0) * 1_000_000_000),
        memory=limits.memory or 0,
        pids=limits.pids or 0,
        read_only=True,
        cap_drop=("ALL",),
        no_new_privileges=True,
        stop_timeout=10,
        log_options=LOG_OPTIONS,
    )
    if network == "bridge":
        return options
    return replace(
        options,
        network="host",
        user="0:0",
        cap_add=_CAPABILITIES,
        entrypoint=(*_MASTER, "-x", _ADMIN_SOCKET),
        command=("-f", _CONFIG),
        tmpfs=(TmpfsMount(_OWN, "mode=0700,nodev,noexec,nosuid,size=1m"),),
    )
