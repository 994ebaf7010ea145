"""Machines read over a real sshd: one connection, whoever asks how often, and no engine needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from provisioner.errors import HostUnreachable
from provisioner.hosts.facts.machines import SshMachines

if TYPE_CHECKING:
    from tests.hosts.conftest import Project, Sshd

pytestmark = pytest.mark.engine


def test_a_machine_answers_everything_over_one_connection(server: Sshd, project: Project) -> None:
    """Facts, contents and containers: sshd lets somebody in once."""
    with SshMachines(project.settings()) as machines:
        host = server.host()
        found = machines.reader(host).facts()
        told = machines.reader(host).texts(("/etc/hosts", "/etc/no-such-file"))
    assert {fact.kind for fact in found.facts} >= {
        "system",
        "package",
        "file",
        "user",
        "process",
        "sysctl",
        "container",
    }
    assert [gap for gap in found.gaps if gap.kind == "container"] == []
    assert list(told) == ["/etc/hosts"]
    assert (server.folder / "log").read_text().count("Accepted publickey") == 1


def test_a_machine_nobody_vouched_for_is_not_asked(server: Sshd, project: Project) -> None:
    """Its key is not known: nothing is sent there."""
    project.known_hosts.unlink()
    with SshMachines(project.settings()) as machines, pytest.raises(HostUnreachable) as refused:
        machines.reader(server.host()).facts()
    assert "provisioner trust" in refused.value.hint
