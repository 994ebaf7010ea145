"""A real lab: containers with an sshd and a Docker Engine each, on the engine of this machine."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import docker
import pytest

from provisioner.errors import LabError
from provisioner.lab.down import Removed, down
from provisioner.lab.layout import Lab, LabOptions, lab_files
from provisioner.lab.machine import find_machines
from provisioner.lab.status import status
from provisioner.lab.up import up

pytestmark = pytest.mark.lab

CACHE = Path(__file__).parents[2] / ".provisioner" / "cache"
OPTIONS = LabOptions(name="tlab", groups=(("lb", 1), ("web", 2)), port=28080)


@dataclass(frozen=True)
class Rehearsal:
    """A lab of these tests and where its files lie."""

    engine: docker.APIClient
    directory: Path
    options: LabOptions = OPTIONS

    def up(self, **changes: Any) -> Lab:
        """Bring it up."""
        options = replace(self.options, **changes)
        return up(self.engine, options, directory=self.directory, cache=CACHE)

    def status(self) -> Lab:
        """Look at it."""
        return status(self.engine, self.options.name, directory=self.directory)

    def down(self) -> Removed:
        """Take it down and keep the images for the next test."""
        return down(self.engine, self.options.name, directory=self.directory, keep_images=True)

    def container(self, host: str) -> str:
        """Return the name of a host's container."""
        return f"{self.options.name}-{host}"

    def ssh(self, host: str, command: str) -> str:
        """Run a command on a host as any SSH client would: with the lab's key, trusting only its known hosts."""
        files = lab_files(self.directory, self.options.name)
        port = next(each.ssh_port for each in self.status().hosts if each.name == host)
        options = [f"UserKnownHostsFile={files.known_hosts}", "StrictHostKeyChecking=yes", "BatchMode=yes"]
        argv = ["ssh", "-F", "none", "-i", str(files.key), "-p", str(port)]
        argv += [word for option in options for word in ("-o", option)]
        done = subprocess.run([*argv, "root@127.0.0.1", command], check=True, capture_output=True, text=True)
        return done.stdout.strip()


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.APIClient]:
    """Connect to the engine of this machine."""
    client = docker.APIClient()
    yield client
    client.close()


@pytest.fixture(scope="module")
def lab(engine: docker.APIClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rehearsal]:
    """Bring a lab up for all tests of this module, and down at the end."""
    rehearsal = Rehearsal(engine, tmp_path_factory.mktemp("lab"))
    rehearsal.down()
    rehearsal.up()
    yield rehearsal
    rehearsal.down()


def test_every_host_has_an_engine_an_address_and_a_port_of_its_own(lab: Rehearsal) -> None:
    """All hosts run Docker Engine 20.10 and differ in what they are reached by."""
    hosts = lab.status().hosts
    assert [(host.name, host.group, host.state) for host in hosts] == [
        ("lb1", "lb", "running"),
        ("web1", "web", "running"),
        ("web2", "web", "running"),
    ]
    assert all(host.engine.startswith("20.10.") for host in hosts)
    assert len({host.private_address for host in hosts}) == len({host.ssh_port for host in hosts}) == 3


def test_a_strict_ssh_client_gets_in_with_the_files_of_the_lab(lab: Rehearsal) -> None:
    """Key and known hosts are enough; nothing has to be confirmed."""
    assert lab.ssh("web2", "hostname") == "web2"
    assert lab_files(lab.directory, "tlab").key.stat().st_mode & 0o777 == 0o600


def test_hosts_have_different_host_keys(lab: Rehearsal) -> None:
    """A host cannot pass for another one."""
    lines = lab_files(lab.directory, "tlab").known_hosts.read_text().splitlines()
    assert len({line.split()[2] for line in lines}) == len(lines) == 3


def test_hosts_reach_each_other_by_private_address(lab: Rehearsal) -> None:
    """The address in the inventory is the one that answers from another host."""
    address = next(host.private_address for host in lab.status().hosts if host.name == "web1")
    assert lab.ssh("lb1", f"exec 3<>/dev/tcp/{address}/22; head -c 4 <&3").startswith("SSH-")


def test_a_second_up_changes_nothing(lab: Rehearsal) -> None:
    """Nothing is started, created or written where all is well."""
    files = _written(lab)
    containers = [machine.container for machine in find_machines(lab.engine, "tlab")]
    assert not lab.up().changed
    assert _written(lab) == files
    assert [machine.container for machine in find_machines(lab.engine, "tlab")] == containers


def test_a_restarted_host_is_the_same_host(lab: Rehearsal) -> None:
    """Address, port and host key survive, and so does a container that should always run."""
    before = lab.status().hosts
    lab.ssh("web1", "tar -C / -c bin lib lib64 usr/bin usr/lib/x86_64-linux-gnu/libc.so.6 | docker import - tool")
    lab.ssh("web1", "docker run -d --name kept --restart always --memory 64m --init tool sleep 1000")
    lab.engine.restart(lab.container("web1"))
    assert not lab.up().changed
    assert lab.status().hosts == before
    assert lab.ssh("web1", "hostname; docker ps --format '{{.Names}}'").split() == ["web1", "kept"]
    lab.ssh("web1", "docker rm -f kept")


def test_a_killed_host_is_started_again(lab: Rehearsal) -> None:
    """What a host left behind when it was killed does not keep it from starting."""
    lab.engine.kill(lab.container("web2"))
    assert {host.name: host.state for host in lab.status().hosts}["web2"] == "stopped"
    assert lab.up().changed
    assert lab.ssh("web2", "docker ps -q") == ""


def test_a_missing_host_is_made_again_and_trusted_again(lab: Rehearsal) -> None:
    """A host that somebody removed comes back with a new key, which known_hosts learns."""
    before = lab_files(lab.directory, "tlab").known_hosts.read_text()
    lab.engine.remove_container(lab.container("web2"), force=True, v=True)
    assert lab.up().changed
    assert lab_files(lab.directory, "tlab").known_hosts.read_text() != before
    assert lab.ssh("web2", "hostname") == "web2"


def test_a_lost_key_is_replaced(lab: Rehearsal) -> None:
    """Whoever lost the user's key gets a new one that every host accepts."""
    lab_files(lab.directory, "tlab").key.unlink()
    lab.up()
    assert lab.ssh("lb1", "hostname") == "lb1"


def test_another_shape_under_the_same_name_is_refused(lab: Rehearsal) -> None:
    """A lab that is there does not silently move to another port."""
    with pytest.raises(LabError) as refused:
        lab.up(port=28180)
    assert "lab down" in refused.value.hint


def test_a_taken_port_is_named(lab: Rehearsal, tmp_path: Path) -> None:
    """Two labs cannot answer on one port, and the second says so before it makes anything."""
    second = Rehearsal(lab.engine, tmp_path, LabOptions("tlab-second", (("lb", 1),), OPTIONS.port))
    with pytest.raises(LabError, match=str(OPTIONS.port)):
        second.up()
    assert second.down() == Removed()


def test_two_labs_run_side_by_side(lab: Rehearsal, tmp_path: Path) -> None:
    """Taking one down leaves the other as it is."""
    second = Rehearsal(lab.engine, tmp_path, LabOptions("tlab-second", (("lb", 1),), 28280))
    before = lab.status()
    try:
        second.up()
        assert second.ssh("lb1", "hostname") == "lb1"
    finally:
        second.down()
    assert second.status().hosts == ()
    assert lab.status() == before


def test_down_removes_what_up_made_and_works_on_remains(lab: Rehearsal, tmp_path: Path) -> None:
    """Containers, volumes, network and files go, even where some of them went before."""
    third = Rehearsal(lab.engine, tmp_path, LabOptions("tlab-third", (("lb", 1), ("web", 1)), 28380))
    third.up()
    assert len(_volumes(lab.engine, "tlab-third")) == 2
    lab.engine.remove_container(third.container("web1"), force=True)
    lab_files(tmp_path, "tlab-third").key.unlink()
    third.down()
    assert not _volumes(lab.engine, "tlab-third")
    assert not lab.engine.networks(names=["tlab-third-network"])
    assert list((tmp_path / "inventories").iterdir()) == []
    assert third.down() == Removed()


def _written(lab: Rehearsal) -> list[tuple[int, int]]:
    stats = [path.stat() for path in lab_files(lab.directory, lab.options.name)]
    return [(stat.st_ino, stat.st_mtime_ns) for stat in stats]


def _volumes(engine: docker.APIClient, lab: str) -> set[str]:
    found = engine.volumes(filters={"label": f"provisioner.lab={lab}"})["Volumes"] or ()
    return {volume["Name"] for volume in found}
