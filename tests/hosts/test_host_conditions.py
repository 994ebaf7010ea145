"""What a machine says of its clock, its room and its engine, on recorded parts of answers."""

from __future__ import annotations

import pytest

from provisioner.hosts.engine_settings import read_settings
from provisioner.hosts.facts.clock import read_clock
from provisioner.hosts.facts.files import kind_of
from provisioner.hosts.facts.firewall import read_firewall
from provisioner.hosts.facts.rooms import read_rooms
from provisioner.model.facts import ClockSight, Room
from provisioner.model.observed import EngineFacts
from provisioner.planning.engine_facts import engine_facts

DF = """\
Filesystem     1024-blocks     Used Available Capacity Mounted on
/dev/vda1        263174212 30883044 232000000      13% /
/dev/vda1        263174212 30883044 232000000      13% /
tmpfs              4096000        0   4096000       0% /var/log
/dev/vdb           1048576  1000000     48576      96% /srv/with blanks
"""
DF_FILES = """\
Filesystem       Inodes  IUsed   IFree IUse% Mounted on
/dev/vda1      16777216 100000 16677216    1% /
/dev/vdb              0      0       0     - /srv/with blanks
"""
INFO = {
    "Driver": "overlay2",
    "DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]],
    "CgroupDriver": "systemd",
    "CgroupVersion": "2",
    "LoggingDriver": "json-file",
    "LiveRestoreEnabled": True,
    "Debug": False,
    "SecurityOptions": ["name=seccomp,profile=default", "name=apparmor"],
    "Swarm": {"LocalNodeState": "inactive"},
    "Runtimes": {"runc": {}, "io.containerd.runc.v2": {}},
    "RegistryConfig": {
        "InsecureRegistryCIDRs": ["127.0.0.0/8"],
        "IndexConfigs": {"registry.example.com:5000": {"Secure": False}},
        "Mirrors": [],
    },
    "ContainersRunning": 3,
    "SystemTime": "2026-11-28T05:00:00Z",
}
VERSIONS = {"Components": [{"Name": "Engine", "Version": "20.10.24"}, {"Name": "containerd", "Version": "1.6.20"}]}


@pytest.mark.parametrize(
    ("first", "last", "sent", "received", "sight"),
    [
        ("100.5", "102.5", 100.0, 103.0, ClockSight(0.0, 0.5)),
        ("107.25", "109.25", 100.0, 102.5, ClockSight(7.0, 0.25)),
        ("90.0", "92.0", 100.0, 102.0, ClockSight(-10.0, 0.0)),
        ("100", "102", 100.0, 103.0, ClockSight(0.0, 0.5)),
    ],
)
def test_a_clock_is_bounded_by_the_way_there_and_back(
    first: str, last: str, sent: float, received: float, sight: ClockSight
) -> None:
    """What the script took in between does not blur it; a clock of whole seconds is taken for its middle."""
    assert read_clock({"clock": f"{first}\n", "clock-again": f"{last}\n"}, sent, received) == sight


def test_a_host_that_tells_no_time_has_no_clock() -> None:
    """A `date` that is missing, or that does not know the format."""
    assert read_clock({"clock": "\n"}, 1.0, 2.0) is None
    assert read_clock({}, 1.0, 2.0) is None


def test_each_file_system_is_told_once_with_its_bytes_and_files() -> None:
    """One that counts no files tells none."""
    assert read_rooms({"rooms": DF, "rooms-files": DF_FILES}) == (
        Room("/", "bytes", 263174212 * 1024, 232000000 * 1024),
        Room("/var/log", "bytes", 4096000 * 1024, 4096000 * 1024),
        Room("/srv/with blanks", "bytes", 1048576 * 1024, 48576 * 1024),
        Room("/", "files", 16777216, 16677216),
    )


def test_an_engine_tells_how_it_is_set_up_and_not_what_it_does() -> None:
    """Counts and times are no setting; what is off is left out."""
    settings = dict(read_settings(INFO, VERSIONS))
    assert settings == {
        "storage driver": "overlay2",
        "backing file system": "extfs",
        "cgroup driver": "systemd",
        "cgroup version": "2",
        "logging driver": "json-file",
        "live restore": "on",
        "security options": "name=apparmor name=seccomp,profile=default",
        "runtimes": "io.containerd.runc.v2 runc",
        "insecure registries": "127.0.0.0/8 registry.example.com:5000",
        "containerd": "1.6.20",
    }
    assert read_settings({}, {}) == ()


def test_an_engine_s_facts_are_its_version_its_store_and_its_settings() -> None:
    """All of one kind, beside its configuration file."""
    engine = EngineFacts("20.10.24", "1.41", "classic", "linux/amd64", "streamlocal", (), (("live restore", "on"),))
    assert [(fact.kind, fact.key, fact.value) for fact in engine_facts(engine)] == [
        ("engine", "version", "20.10.24"),
        ("engine", "image store", "classic"),
        ("engine", "live restore", "on"),
    ]


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/etc/docker/daemon.json", "engine"), ("/etc/ssh/sshd_config", "ssh"), ("/etc/sshd-like", "file")],
)
def test_files_of_engine_and_sshd_have_kinds_of_their_own(path: str, kind: str) -> None:
    """So that a person can ask for them, or leave them aside."""
    assert kind_of(path) == kind


def test_what_an_engine_does_for_published_ports_is_no_rule_of_anybody() -> None:
    """The way of a container to itself, tables in which nothing is decided, an engine's own nftables."""
    saved = (
        "*raw\n:PREROUTING ACCEPT [0:0]\nCOMMIT\n"
        "*nat\n:POSTROUTING ACCEPT [0:0]\n:DOCKER - [0:0]\n"
        "-A POSTROUTING -s 172.18.0.2/32 -d 172.18.0.2/32 -p tcp -m tcp --dport 80 -j MASQUERADE\nCOMMIT\n"
        "*filter\n:FORWARD ACCEPT [0:0]\n:DOCKER-USER - [0:0]\n-A FORWARD -j DOCKER-USER\n"
        "-A DOCKER-USER -s 203.0.113.9/32 -j DROP\n-A DOCKER-USER -j RETURN\nCOMMIT\n"
    )
    nft = "table ip docker-bridges {\n\tchain x {\n\t\taccept\n\t}\n}\n"
    reply = {"firewall": f"iptables-save\0{saved}\0nft\0{nft}\0"}
    (rules,) = read_firewall(reply)
    assert rules.value.splitlines() == [
        "*filter",
        ":FORWARD ACCEPT",
        ":DOCKER-USER -",
        "-A FORWARD -j DOCKER-USER",
        "-A DOCKER-USER -s 203.0.113.9/32 -j DROP",
        "COMMIT",
    ]
