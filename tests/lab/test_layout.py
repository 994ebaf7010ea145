"""What a lab consists of, and what is written down about it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner.errors import BuildFailed, UsageError
from provisioner.lab.editions import EDITIONS, NO_ENGINE, InnerEngine, edition, parse_host_engine
from provisioner.lab.host_image import read_build
from provisioner.lab.inventory import inventory_text, known_hosts_text, write_if_changed
from provisioner.lab.layout import LabHost, LabOptions, PlannedHost, lab_files, parse_group, plan_hosts
from provisioner.lab.machine import read_inner_engine, read_machine
from provisioner.lab.privileges import Privileges, read_privileges

HOSTS = (
    LabHost("lb1", "lb", "127.0.0.1", 22001, "172.18.0.11", "20.10.24", "running", ((80, 8080), (443, 8443))),
    LabHost("web1", "web", "127.0.0.1", 22002, "172.18.0.12", "20.10.24", "running"),
    LabHost("web2", "web", "127.0.0.1", 22003, "172.18.0.13", "20.10.24", "running"),
)


def test_a_lab_has_one_balancer_and_three_web_servers_unless_told_otherwise() -> None:
    """The default lab answers on 8080 and 8443."""
    assert plan_hosts(LabOptions()) == (
        PlannedHost("lb1", "lb", ((80, 8080), (443, 8443))),
        PlannedHost("web1", "web"),
        PlannedHost("web2", "web"),
        PlannedHost("web3", "web"),
    )


def test_a_second_balancer_publishes_the_next_ports() -> None:
    """Every balancer of a lab is reached from this machine."""
    planned = plan_hosts(LabOptions(groups=(("lb", 2),), port=9080))
    assert [host.published for host in planned] == [((80, 9080), (443, 9443)), ((80, 9081), (443, 9444))]


@pytest.mark.parametrize(
    "options",
    [
        LabOptions(name="Lab"),
        LabOptions(name="-x"),
        LabOptions(groups=()),
        LabOptions(groups=(("web", 0),)),
        LabOptions(groups=(("web", 1), ("web", 2))),
        LabOptions(groups=(("all", 1),)),
        LabOptions(groups=(("web1", 1),)),
        LabOptions(port=0),
        LabOptions(port=65400),
    ],
)
def test_a_lab_that_cannot_be_is_refused(options: LabOptions) -> None:
    """Names, groups and ports that would clash or make no sense are wrong usage."""
    with pytest.raises(UsageError):
        plan_hosts(options)


@pytest.mark.parametrize("text", ["web", "web=", "web=x", "=3", "web=-1", "no=1", "We=1", "web=1=2"])
def test_a_group_is_a_name_and_a_count(text: str) -> None:
    """Anything else is wrong usage."""
    assert parse_group("web=3") == ("web", 3)
    with pytest.raises(UsageError):
        parse_group(text)


def test_an_engine_without_a_host_image_is_refused_by_name() -> None:
    """The message lists the versions there are."""
    with pytest.raises(UsageError) as refused:
        edition("17.03")
    assert all(version in refused.value.hint for version in EDITIONS)


def test_the_host_image_holds_the_engine_it_is_named_for() -> None:
    """A suite that moved on to another engine fails to install instead of giving a host of another version."""
    for version, kind in EDITIONS.items():
        if version != NO_ENGINE:
            assert any(package.endswith(f"={version}.*") for package in kind.packages)


def test_a_host_without_an_engine_is_a_web_server_set_up_by_hand() -> None:
    """It has an sshd and an nginx, nothing of Docker, and is asked for like any engine."""
    packages = edition(NO_ENGINE).packages
    assert {"openssh-server", "nginx-light", "sudo", "cron"} <= set(packages)
    assert not any("docker" in package for package in packages)
    assert parse_host_engine("web1=none") == ("web1", InnerEngine(NO_ENGINE))


@pytest.mark.parametrize(
    "text", ["web1", "web1=", "=26", "web1=26/", "web1=17.03", "web1=26/disk", "web1=20.10/containerd"]
)
def test_the_engine_of_a_host_is_a_version_and_a_store(text: str) -> None:
    """Anything else is wrong usage, and so is a store that the engine does not have."""
    assert parse_host_engine("web1=28") == ("web1", InnerEngine("28", "classic"))
    assert parse_host_engine("web1=26/containerd") == ("web1", InnerEngine("26", "containerd"))
    with pytest.raises(UsageError):
        parse_host_engine(text)


def test_hosts_of_a_mixed_lab_have_the_engine_that_was_asked_for() -> None:
    """A host that is named gets its own engine, every other one that of the lab."""
    options = LabOptions(engine=InnerEngine("28"), host_engines=(("web2", InnerEngine("26", "containerd")),))
    engines = {host.name: str(host.engine) for host in plan_hosts(options)}
    assert engines == {"lb1": "28/classic", "web1": "28/classic", "web2": "26/containerd", "web3": "28/classic"}


@pytest.mark.parametrize("hosts", [("web4",), ("web1", "web1")])
def test_an_engine_for_no_host_or_a_second_one_is_refused(hosts: tuple[str, ...]) -> None:
    """Who mistypes a host learns of it before anything is made."""
    with pytest.raises(UsageError):
        plan_hosts(LabOptions(host_engines=tuple((host, InnerEngine()) for host in hosts)))


@pytest.mark.parametrize(
    ("answer", "engine"),
    [
        ('20.10.24+dfsg1 [["Backing Filesystem","extfs"]]', InnerEngine("20.10.24")),
        ('28.5.2+dfsg4 [["driver-type","io.containerd.snapshotter.v1"]]', InnerEngine("28.5.2", "containerd")),
        (" null", None),
    ],
)
def test_an_engine_says_its_version_and_its_store(answer: str, engine: InnerEngine | None) -> None:
    """Without a version there is no engine that answers."""
    assert read_inner_engine(answer) == engine


def test_ansible_reads_the_inventory_as_it_is_meant(tmp_path: Path) -> None:
    """Groups, addresses, ports and variables arrive in another reader of the same language."""
    path = tmp_path / "lab.yaml"
    path.write_text(inventory_text("lab", HOSTS, "lab.key"))
    argv = [str(Path(sys.executable).parent / "ansible-inventory"), "-i", str(path), "--list"]
    environment = {"ANSIBLE_LOCALHOST_WARNING": "0", "HOME": str(tmp_path), "LC_ALL": "C.UTF-8"}
    read = json.loads(subprocess.run(argv, check=True, capture_output=True, env=environment).stdout)
    assert read["web"]["hosts"] == ["web1", "web2"]
    assert read["_meta"]["hostvars"]["lb1"] == {
        "ansible_host": "127.0.0.1",
        "ansible_port": 22001,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": "lab.key",
        "private_address": "172.18.0.11",
    }


def test_known_hosts_name_the_port() -> None:
    """OpenSSH writes a host that listens elsewhere than on 22 in brackets."""
    assert known_hosts_text([(HOSTS[0], "ssh-ed25519 AAAA")]) == "[127.0.0.1]:22001 ssh-ed25519 AAAA\n"


def test_a_file_that_says_the_same_is_not_written_again(tmp_path: Path) -> None:
    """A second `lab up` leaves no trace."""
    path = tmp_path / "inventories" / "lab.yaml"
    write_if_changed(path, "a")
    before = path.stat().st_ino
    write_if_changed(path, "a")
    assert path.stat().st_ino == before
    write_if_changed(path, "b")
    assert path.read_text() == "b"
    assert list(path.parent.iterdir()) == [path]


def test_the_files_of_two_labs_do_not_meet(tmp_path: Path) -> None:
    """Labs run side by side in one working directory."""
    assert not set(lab_files(tmp_path, "one")) & set(lab_files(tmp_path, "two"))


def test_a_machine_that_withholds_nothing_grants_everything() -> None:
    """Where root has all capabilities a host is privileged."""
    assert read_privileges("0x0000000000000000=\n") == Privileges()
    assert Privileges().host_config() == {"privileged": True}


def test_a_withheld_capability_is_not_asked_for() -> None:
    """Asking for a capability that the kernel withholds would keep the host from starting."""
    privileges = read_privileges("0x0000000001000001=cap_chown,cap_sys_resource\n")
    assert privileges == Privileges(("CHOWN", "SYS_RESOURCE"))
    assert privileges.host_config()["cap_drop"] == ["CHOWN", "SYS_RESOURCE"]
    assert "privileged" not in privileges.host_config()


def test_a_build_that_fails_names_its_instruction() -> None:
    """The instruction and the last lines of its output explain a failed host image."""
    answer = [
        {"stream": "Step 1/2 : FROM base\n"},
        {"stream": "Step 2/2 : RUN apt-get update\n"},
        {"stream": "E: no archive\n"},
        {"error": "exit code 100"},
    ]
    with pytest.raises(BuildFailed) as failed:
        read_build("provisioner/lab-host:x", answer)
    assert failed.value.instruction == "RUN apt-get update"
    assert failed.value.output[-1] == "E: no archive"
    assert failed.value.reason == "exit code 100"


def test_a_stopped_host_keeps_its_address_and_its_ports() -> None:
    """An engine describes what was asked for even where nothing runs."""
    machine = read_machine(
        {
            "Id": "abc",
            "Config": {
                "Labels": {
                    "provisioner.lab": "lab",
                    "provisioner.lab.host": "lb1",
                    "provisioner.lab.group": "lb",
                    "provisioner.lab.engine": "20.10",
                }
            },
            "HostConfig": {
                "PortBindings": {
                    "22/tcp": [{"HostIp": "127.0.0.1", "HostPort": "22001"}],
                    "443/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8443"}],
                    "80/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8080"}],
                }
            },
            "State": {"Status": "exited"},
            "NetworkSettings": {
                "Networks": {"lab-network": {"IPAMConfig": {"IPv4Address": "172.18.0.11"}, "NetworkID": "net"}}
            },
        }
    )
    assert (machine.ssh_port, machine.private_address, machine.status) == (22001, "172.18.0.11", "exited")
    assert machine.published == ((80, 8080), (443, 8443))
