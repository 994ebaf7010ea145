"""How much of the machine a host may have, so that a Docker Engine can run inside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import docker

from provisioner.lab.containers import lone_container

_QUESTION = """
known=$(( (1 << ($(cat /proc/sys/kernel/cap_last_cap) + 1)) - 1 ))
allowed=$(( 0x$(sed -n 's/^CapBnd:[[:space:]]*//p' /proc/1/status) ))
capsh --decode=$(printf %016x $(( known & ~allowed )))
"""


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


def ask_privileges(engine: docker.APIClient, image: str, lab: str) -> Privileges:
    """Ask the machine under the engine which capabilities its root has; `image` is the host image."""
    with lone_container(engine, lab, image, ["sh", "-c", _QUESTION], pid_mode="host") as container:
        engine.start(container)
        engine.wait(container)
        return read_privileges(engine.logs(container, stderr=False).decode())


def read_privileges(answer: str) -> Privileges:
    """Read capsh's `0x0000000001000000=cap_sys_resource`."""
    names = answer.strip().partition("=")[2]
    return Privileges(tuple(name.removeprefix("cap_").upper() for name in names.split(",") if name))
