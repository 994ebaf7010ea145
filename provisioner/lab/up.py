"""Brings a lab up: makes what is missing, starts what stopped, and waits until every host answers."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import docker

from provisioner.errors import LabError
from provisioner.lab.containers import read_file, write_file
from provisioner.lab.editions import InnerEngine
from provisioner.lab.host_image import host_image
from provisioner.lab.inventory import inventory_text, known_hosts_text, user_key, write_if_changed
from provisioner.lab.layout import LOOPBACK, Lab, LabFiles, LabHost, LabOptions, PlannedHost, lab_files, plan_hosts
from provisioner.lab.machine import (
    Machine,
    Site,
    create_machine,
    find_machines,
    remove_machine,
    start_machine,
)
from provisioner.lab.network import LabNetwork, find_network, make_network
from provisioner.lab.privileges import find_privileges
from provisioner.lab.readiness import await_host
from provisioner.lab.refusals import explained

_Thing = TypeVar("_Thing")
_Result = TypeVar("_Result")

Report = Callable[[str], None]

FIRST_SSH_PORT = 22001
"""Where the search for free loopback ports starts, below the range that machines use for outgoing connections."""

_AT_ONCE = 8
_BEYOND_REPAIR = frozenset({"dead", "removing"})
_LOST_PORT = (
    "An engine that was killed while it started hosts may hold their ports for nobody:"
    " `provisioner lab down`, restart the engine, `provisioner lab up`."
)
_AUTHORIZED = "/root/.ssh/authorized_keys"
_HOST_KEY = "/etc/ssh/ssh_host_ed25519_key.pub"


@dataclass(frozen=True, slots=True)
class Workshop:
    """What making a lab takes: the local engine, the lab's files, a cache folder, a Debian archive, a listener."""

    engine: docker.APIClient
    options: LabOptions
    files: LabFiles
    cache: Path
    mirror: str
    report: Report

    def image(self, version: str) -> str:
        """Return the tag of the host image with an engine of this version, built where there is none."""
        return host_image(self.engine, version, cache=self.cache, mirror=self.mirror, report=self.report)


def up(
    engine: docker.APIClient,
    options: LabOptions,
    *,
    directory: Path,
    cache: Path,
    mirror: str = "",
    report: Report = lambda _: None,
) -> Lab:
    """Make a lab be as asked for, and write its inventory, key and known hosts below `directory`.

    What is there stays; hosts that were not asked for stay too. Raise LabError, BuildFailed or UsageError.
    """
    planned = plan_hosts(options)
    workshop = Workshop(engine, options, lab_files(directory, options.name), cache, mirror, report)
    with explained(f"lab {options.name}"):
        _refuse_another_shape(find_machines(engine, options.name), options, planned)
        made = _make_missing(workshop, planned)
        started = _start_stopped(workshop)
        hosts = _settle(workshop)
    return Lab(options.name, hosts, workshop.files.inventory, changed=made or started)


def _refuse_another_shape(existing: Iterable[Machine], options: LabOptions, planned: Iterable[PlannedHost]) -> None:
    asked = {host.name: host for host in planned}
    for machine in existing:
        host = asked.get(machine.name)
        if host is None:
            continue
        if machine.engine != (host.engine or machine.engine):
            raise _other_shape(options, f"{machine.name} runs engine {machine.engine}, not {host.engine}")
        if machine.published != host.published:
            raise _other_shape(options, f"publishes {machine.name} on port {machine.published[0][1]}")


def _other_shape(options: LabOptions, difference: str) -> LabError:
    remedy = f"`provisioner lab down --name {options.name}` first, or give the new one another --name and --port"
    return LabError(f"the lab {options.name} is there and {difference}", hint=remedy)


def _make_missing(workshop: Workshop, planned: Iterable[PlannedHost]) -> bool:
    there = _usable(workshop)
    missing = [host for host in planned if host.name not in there]
    if not missing:
        return False
    _refuse_taken_ports(missing)
    site = _prepare_site(workshop, missing)
    machines = find_machines(workshop.engine)
    addresses = site.network.free_addresses(frozenset(m.private_address for m in machines if m.lab == site.lab))
    ports = _free_ports(frozenset(machine.ssh_port for machine in machines))
    for host in missing:
        workshop.report(f"creating {host.name}")
        with explained(f"creating {host.name}"):
            create_machine(workshop.engine, site, host, next(addresses), next(ports))
    return True


def _usable(workshop: Workshop) -> frozenset[str]:
    """Return the names of the hosts that can be started; those that lost their network or died are removed."""
    network = find_network(workshop.engine, workshop.options.name)
    usable = set()
    for machine in find_machines(workshop.engine, workshop.options.name):
        if _is_usable(machine, network):
            usable.add(machine.name)
        else:
            workshop.report(f"removing {machine.name}, which cannot be started again")
            remove_machine(workshop.engine, machine.container)
    return frozenset(usable)


def _is_usable(machine: Machine, network: LabNetwork | None) -> bool:
    if network is None or not machine.private_address or machine.status in _BEYOND_REPAIR:
        return False
    return machine.network_id in {network.network_id, ""}  # empty: created and never started


def _prepare_site(workshop: Workshop, hosts: Iterable[PlannedHost]) -> Site:
    versions = dict.fromkeys((host.engine or InnerEngine()).version for host in hosts)
    images = {version: workshop.image(version) for version in versions}
    return Site(
        lab=workshop.options.name,
        images=images,
        network=make_network(workshop.engine, workshop.options.name),
        privileges=find_privileges(workshop.engine, next(iter(images.values())), workshop.options.name),
    )


def _start_stopped(workshop: Workshop) -> bool:
    machines = find_machines(workshop.engine, workshop.options.name)
    stopped = [machine for machine in machines if machine.status != "running"]

    def start(machine: Machine) -> None:
        workshop.report(f"starting {machine.name}")
        with explained(f"starting {machine.name}", hint=_LOST_PORT):
            start_machine(workshop.engine, machine)

    _all_at_once(start, stopped)
    return bool(stopped)


def _settle(workshop: Workshop) -> tuple[LabHost, ...]:
    machines = find_machines(workshop.engine, workshop.options.name)
    versions = [machine.engine.version for machine in machines] or [InnerEngine().version]
    public_key = user_key(workshop.engine, workshop.options.name, workshop.files, lambda: workshop.image(versions[0]))

    def settle(machine: Machine) -> tuple[LabHost, str]:
        _authorise(workshop.engine, machine, public_key)
        host = await_host(workshop.engine, machine)
        return host, _host_key(workshop.engine, machine)

    settled = _all_at_once(settle, machines)
    hosts = tuple(host for host, _ in settled)
    files = workshop.files
    write_if_changed(files.known_hosts, known_hosts_text(settled))
    write_if_changed(files.inventory, inventory_text(workshop.options.name, hosts, files.key.name))
    return hosts


def _authorise(engine: docker.APIClient, machine: Machine, public_key: str) -> None:
    if read_file(engine, machine.container, _AUTHORIZED) != public_key.encode():
        write_file(engine, machine.container, _AUTHORIZED, public_key.encode())


def _host_key(engine: docker.APIClient, machine: Machine) -> str:
    kind, key, *_ = read_file(engine, machine.container, _HOST_KEY).decode().split()
    return f"{kind} {key}"


def _all_at_once(work: Callable[[_Thing], _Result], things: Iterable[_Thing]) -> list[_Result]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(work, things))


def _free_ports(taken: frozenset[int]) -> Iterator[int]:
    for port in range(FIRST_SSH_PORT, 32768):
        if port not in taken and _is_free(port):
            yield port


def _refuse_taken_ports(hosts: Iterable[PlannedHost]) -> None:
    for host in hosts:
        for _, port in host.published:
            if not _is_free(port):
                raise LabError(
                    f"{host.name} cannot publish {LOOPBACK}:{port}: something else listens there",
                    hint=f"choose another --port. {_LOST_PORT}",
                )


def _is_free(port: int) -> bool:
    with socket.socket() as candidate:
        candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            candidate.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
