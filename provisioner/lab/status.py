"""Tells what a lab is at this moment."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import docker

from provisioner.lab.layout import Lab, LabHost, lab_files
from provisioner.lab.machine import Machine, find_machines
from provisioner.lab.readiness import observe_host
from provisioner.lab.refusals import explained


def status(engine: docker.APIClient, name: str, *, directory: Path) -> Lab:
    """Return a lab as it is; one without hosts is no lab. Raise LabError."""
    with explained(f"lab {name}"):
        machines = find_machines(engine, name)

        def observe(machine: Machine) -> LabHost:
            return observe_host(engine, machine)

        with ThreadPoolExecutor(max(1, len(machines))) as pool:
            hosts = tuple(pool.map(observe, machines))
    return Lab(name, hosts, lab_files(directory, name).inventory)
