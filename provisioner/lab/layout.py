"""What a rehearsal fleet consists of: its hosts, their groups, and where each of them answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from provisioner.errors import UsageError
from provisioner.lab.editions import InnerEngine, Store

LOOPBACK = "127.0.0.1"
BALANCER_GROUP = "lb"
TLS_OFFSET = 363
"""How far the loopback port for 443 lies above the one for 80, as 8443 does above 8080."""

_NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
_GROUP = re.compile(r"[a-z]([a-z_-]{0,29}[a-z])?")
_RESERVED = frozenset({"all", "ungrouped", "y", "n", "yes", "no", "on", "off", "true", "false", "null"})
_HIGHEST_PORT = 65535

State = Literal["running", "starting", "stopped"]


@dataclass(frozen=True, slots=True)
class LabOptions:
    """What a lab should be: its name, how many hosts each group has, the first loopback port, the hosts' engines.

    `engine` is that of hosts which `host_engines` does not name; None leaves those that are there as they are.
    """

    name: str = "lab"
    groups: tuple[tuple[str, int], ...] = ((BALANCER_GROUP, 1), ("web", 3))
    port: int = 8080
    engine: InnerEngine | None = None
    host_engines: tuple[tuple[str, InnerEngine], ...] = ()


@dataclass(frozen=True, slots=True)
class PlannedHost:
    """A host that a lab should have; `published` pairs its own ports with ports on loopback.

    `engine` is None where any will do.
    """

    name: str
    group: str
    published: tuple[tuple[int, int], ...] = ()
    engine: InnerEngine | None = None


@dataclass(frozen=True, slots=True)
class LabHost:
    """A host as it is: sshd answers on `address` and `ssh_port`, other hosts reach it by `private_address`.

    `engine` is the version of the Docker Engine inside, `none` where there is none, empty while it does not answer;
    `store` is where that keeps its images. A host is `starting` while it runs and its engine does not answer yet.
    """

    name: str
    group: str
    address: str
    ssh_port: int
    private_address: str
    engine: str
    state: State
    published: tuple[tuple[int, int], ...] = ()
    store: Store = "classic"


@dataclass(frozen=True, slots=True)
class Lab:
    """A rehearsal fleet as it is; `changed` tells whether this call had to change anything."""

    name: str
    hosts: tuple[LabHost, ...]
    inventory: Path
    changed: bool = False


@dataclass(frozen=True, slots=True)
class LabFiles:
    """Where a lab's inventory, its user's key pair and its hosts' keys lie."""

    inventory: Path
    key: Path
    public_key: Path
    known_hosts: Path

    def __iter__(self) -> Iterator[Path]:
        """Yield every file."""
        return iter((self.inventory, self.key, self.public_key, self.known_hosts))


def lab_files(directory: Path, name: str) -> LabFiles:
    """Return where the files of a lab lie below a working directory."""
    folder = directory / "inventories"
    return LabFiles(
        inventory=folder / f"{name}.yaml",
        key=folder / f"{name}.key",
        public_key=folder / f"{name}.key.pub",
        known_hosts=folder / f"{name}.known_hosts",
    )


def parse_group(text: str) -> tuple[str, int]:
    """Read `web=3`. Raise UsageError."""
    name, _, count = text.partition("=")
    if not _GROUP.fullmatch(name) or name in _RESERVED or not count.isdecimal() or int(count) < 1:
        raise UsageError(f"a group of hosts is written NAME=COUNT, not {text!r}", hint="for example: --group web=3")
    return name, int(count)


def plan_hosts(options: LabOptions) -> tuple[PlannedHost, ...]:
    """Return the hosts that a lab should have, in the order of its groups. Raise UsageError."""
    _check(options)
    engines = dict(options.host_engines)
    planned = tuple(
        PlannedHost(name, group, _published(group, number, options.port), engines.get(name, options.engine))
        for group, count in options.groups
        for number in range(1, count + 1)
        for name in (f"{group}{number}",)
    )
    _check_engines(options, planned)
    return planned


def _published(group: str, number: int, port: int) -> tuple[tuple[int, int], ...]:
    if group != BALANCER_GROUP:
        return ()
    plain = port + number - 1
    return ((80, plain), (443, plain + TLS_OFFSET))


def _check(options: LabOptions) -> None:
    if not _NAME.fullmatch(options.name):
        raise UsageError(f"{options.name!r} cannot name a lab", hint="use lower-case letters, digits and hyphens")
    groups = [parse_group(f"{group}={count}")[0] for group, count in options.groups]
    if not groups or len(set(groups)) < len(groups):
        raise UsageError(
            "a lab has at least one group of hosts, and each group once", hint="--group lb=1 --group web=3"
        )
    balancers = dict(options.groups).get(BALANCER_GROUP, 1)
    if options.port < 1 or options.port + balancers - 1 + TLS_OFFSET > _HIGHEST_PORT or balancers > TLS_OFFSET:
        raise UsageError(f"--port {options.port} leaves no room for the balancer's ports", hint="try --port 8080")


def _check_engines(options: LabOptions, planned: tuple[PlannedHost, ...]) -> None:
    named = [host for host, _ in options.host_engines]
    for host in named:
        if named.count(host) > 1:
            raise UsageError(f"--host-engine names {host} twice", hint="a host has one engine")
        if host not in {each.name for each in planned}:
            known = ", ".join(each.name for each in planned)
            raise UsageError(f"--host-engine names {host}, and the lab has no such host", hint=f"it has {known}")
