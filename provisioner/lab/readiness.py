"""Waits until a host of a lab is what it promises: an sshd and, where it has one, a Docker Engine that answer."""

from __future__ import annotations

import socket
import time

import docker

from provisioner.errors import LabError
from provisioner.lab.editions import NO_ENGINE
from provisioner.lab.layout import LOOPBACK, LabHost, State
from provisioner.lab.machine import Machine, ask_inner_engine

PATIENCE = 90.0
"""Seconds a host may take from its start until it answers."""

_PAUSE = 0.2
_LOG_LINES = 8


def observe_host(engine: docker.APIClient, machine: Machine) -> LabHost:
    """Return a host as it is at this moment."""
    running = machine.status == "running"
    inner = ask_inner_engine(engine, machine.container) if running else None
    bare = machine.engine.version == NO_ENGINE
    answers = running and (bare or inner is not None) and sshd_answers(machine.ssh_port)
    state: State = "running" if answers else "starting" if running else "stopped"
    return LabHost(
        name=machine.name,
        group=machine.group,
        address=LOOPBACK,
        ssh_port=machine.ssh_port,
        private_address=machine.private_address,
        engine=inner.version if inner else NO_ENGINE if bare else "",
        state=state,
        published=machine.published,
        store=inner.store if inner else machine.engine.store,
    )


def await_host(engine: docker.APIClient, machine: Machine, patience: float = PATIENCE) -> LabHost:
    """Wait until a started host answers. Raise LabError with its last log lines where it does not."""
    deadline = time.monotonic() + patience
    while (host := observe_host(engine, machine)).state != "running":
        stopped = not engine.inspect_container(machine.container)["State"]["Running"]
        if stopped or time.monotonic() > deadline:
            raise LabError(
                f"{machine.name} {'stopped again' if stopped else f'did not answer within {patience:.0f} s'}",
                hint=_last_lines(engine, machine),
            )
        time.sleep(_PAUSE)
    return host


def sshd_answers(port: int) -> bool:
    """Tell whether an SSH server greets on this loopback port."""
    try:
        with socket.create_connection((LOOPBACK, port), timeout=2) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


def _last_lines(engine: docker.APIClient, machine: Machine) -> str:
    log = engine.logs(machine.container, tail=_LOG_LINES).decode(errors="replace").strip()
    return f"its last lines:\n{log}" if log else "it wrote nothing"
