"""How much of the machine a host may have, so that a Docker Engine can run inside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import docker
from docker.errors import APIError

from provisioner.errors import LabError
from provisioner.lab.containers import lone_container

_QUESTION = """
known=$(( (1 << ($(cat /proc/sys/kernel/cap_last_cap) + 1)) - 1 ))
allowed=$(( 0x$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/1/status) ))
capsh --decode=$(printf %016x $(( known & ~allowed )))
"""

_RECENT = frozenset({"PERFMON", "BPF", "CHECKPOINT_RESTORE"})
"""Capabilities younger than Docker Engine 20.10, which neither grants them nor accepts their names."""


@dataclass(frozen=True, slots=True)
class Privileges:
    """Everything, or everything but the capabilities that the kernel withholds from this machine's own root."""

    withheld: tuple[str, ...] = ()

    def host_config(self) -> dict[str, Any]:
        """Return the part of a container's host configuration that grants them."""
        if not self.withheld:
            return {"privileged": True}
        return {
            "cap_add": ["ALL"],
            "cap_drop": list(self.withheld),
            "security_opt": ["apparmor=unconfined", "seccomp=unconfined"],
            "device_cgroup_rules": ["a *:* rwm"],
        }


def find_privileges(engine: docker.APIClient, image: str, lab: str) -> Privileges:
    """Find out by trial the most that this engine grants; `image` is the host image. Raise LabError."""
    if _grants(engine, image, lab, Privileges()):
        return Privileges()
    withheld = _ask_withheld(engine, image, lab)
    known_to_all = Privileges(tuple(name for name in withheld.withheld if name not in _RECENT))
    for privileges in (withheld, known_to_all):
        if privileges.withheld and _grants(engine, image, lab, privileges):
            return privileges
    raise LabError(
        "the engine of this machine does not let a container run a Docker Engine",
        hint="a rootless or remote engine cannot carry a lab: use one that runs as root on this machine",
    )


def _grants(engine: docker.APIClient, image: str, lab: str, privileges: Privileges) -> bool:
    try:
        with lone_container(engine, lab, image, ["true"], **privileges.host_config()) as container:
            engine.start(container)
            return bool(engine.wait(container)["StatusCode"] == 0)
    except APIError:
        return False


def _ask_withheld(engine: docker.APIClient, image: str, lab: str) -> Privileges:
    with lone_container(engine, lab, image, ["sh", "-c", _QUESTION], pid_mode="host") as container:
        engine.start(container)
        engine.wait(container)
        return read_privileges(engine.logs(container, stderr=False).decode())


def read_privileges(answer: str) -> Privileges:
    """Read capsh's `0x0000000001000000=cap_sys_resource`."""
    names = answer.strip().partition("=")[2]
    return Privileges(tuple(name.removeprefix("cap_").upper() for name in names.split(",") if name))
