"""What a container has that no request of ours leaves there, from recorded answers of every kind of engine."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from provisioner.hosts.deviations.changes import Change, changes
from provisioner.hosts.deviations.daemon import DaemonDefaults, read_daemon
from provisioner.hosts.deviations.files import deviations, first_state, read_versions
from provisioner.hosts.deviations.networks import networks
from provisioner.hosts.deviations.settings import settings
from provisioner.model.file_state import FileState
from provisioner.model.image import ImageDefaults

CASES = Path(__file__).parent.parent / "cases" / "hosts" / "made-by-us"
MADE = sorted(CASES.iterdir())
INFO = {"CgroupVersion": "1", "DefaultRuntime": "runc", "SwapLimit": True}
PLAIN = read_daemon(INFO, "", "")


def recorded(case: Path = CASES / "docker-28.json") -> Any:
    """Return what an engine said of a container that we made."""
    return json.loads(case.read_text())


def found(inspection: Any, daemon: DaemonDefaults = PLAIN, folder: str = "/app") -> list[tuple[str, str, str]]:
    """Return kind, key and what is seen of everything that nobody asked for."""
    rows = [*settings(inspection, ImageDefaults(working_dir=folder), daemon), *networks(inspection)]
    return [(each.kind, each.key, each.observed) for each in rows]


@pytest.mark.parametrize("case", MADE, ids=lambda case: case.stem)
def test_what_we_made_ourselves_deviates_in_nothing(case: Path) -> None:
    """On every engine and image store."""
    inspection = recorded(case)
    assert found(inspection, folder=inspection["Config"]["WorkingDir"]) == []


HOST_CONFIG = {
    "seccomp": ({"SecurityOpt": ["no-new-privileges", "seccomp=unconfined"]}, ("security", "seccomp", "unconfined")),
    "apparmor": ({"SecurityOpt": ["apparmor:unconfined"]}, ("security", "apparmor", "unconfined")),
    "label": ({"SecurityOpt": ["label=disable"]}, ("security", "label", "disable")),
    "no paths hidden": ({"MaskedPaths": []}, ("hardening", "masked_paths", "none")),
    "no paths guarded": ({"ReadonlyPaths": []}, ("hardening", "readonly_paths", "none")),
    "device rules": ({"DeviceCgroupRules": ["c 1:3 rwm"]}, ("hardening", "device_cgroup_rules", "c 1:3 rwm")),
    "groups": ({"GroupAdd": ["44", "audio"]}, ("hardening", "group_add", "44 audio")),
    "ipc": ({"IpcMode": "host"}, ("hardening", "ipc", "host")),
    "pid": ({"PidMode": "host"}, ("hardening", "pid", "host")),
    "uts": ({"UTSMode": "host"}, ("hardening", "uts", "host")),
    "userns": ({"UsernsMode": "host"}, ("hardening", "userns", "host")),
    "cgroupns": ({"CgroupnsMode": "private"}, ("hardening", "cgroupns", "private")),
    "sysctls": ({"Sysctls": {"net.core.somaxconn": "9"}}, ("hardening", "sysctls", '{"net.core.somaxconn": "9"}')),
    "ulimit": ({"Ulimits": [{"Name": "nofile", "Soft": 1, "Hard": 2}]}, ("limits", "ulimit nofile", "1:2")),
    "shares": ({"CpuShares": 512}, ("limits", "cpu_shares", "512")),
    "cpus": ({"CpusetCpus": "0"}, ("limits", "cpuset_cpus", "0")),
    "reservation": ({"MemoryReservation": 1024}, ("limits", "memory_reservation", "1024")),
    "swap": ({"MemorySwap": -1}, ("limits", "memory_swap", "unlimited")),
    "swappiness": ({"MemorySwappiness": 0}, ("limits", "memory_swappiness", "0")),
    "oom": ({"OomKillDisable": True}, ("limits", "oom_kill_disable", "true")),
    "oom score": ({"OomScoreAdj": -500}, ("limits", "oom_score_adj", "-500")),
    "block weight": ({"BlkioWeight": 300}, ("limits", "blkio_weight", "300")),
    "shared memory": ({"ShmSize": 1024}, ("limits", "shm_size", "1024")),
    "cgroup": ({"CgroupParent": "/mine"}, ("limits", "cgroup_parent", "/mine")),
    "dns": ({"Dns": ["203.0.113.53"]}, ("networks", "dns", "203.0.113.53")),
    "dns options": ({"DnsOptions": ["timeout:3"]}, ("networks", "dns_options", "timeout:3")),
    "dns search": ({"DnsSearch": ["example.net"]}, ("networks", "dns_search", "example.net")),
    "extra hosts": ({"ExtraHosts": ["db:203.0.113.9"]}, ("networks", "extra_hosts", "db:203.0.113.9")),
    "links": ({"Links": ["/db:/web/db"]}, ("networks", "links", "/db:/web/db")),
    "every port": ({"PublishAllPorts": True}, ("ports", "publish_all", "true")),
    "volumes from": ({"VolumesFrom": ["db"]}, ("mounts", "volumes_from", "db")),
    "runtime": ({"Runtime": "crun"}, ("settings", "runtime", "crun")),
    "removed at its end": ({"AutoRemove": True}, ("restart", "auto_remove", "true")),
    "what nobody knows yet": ({"QuantumShare": 7}, ("settings", "QuantumShare", "7")),
}  # fmt: skip


@pytest.mark.parametrize("case", HOST_CONFIG, ids=str)
def test_every_setting_that_nobody_asked_for_is_named(case: str) -> None:
    """By kind and key, with its value; one that we have never heard of under the engine's own name."""
    change, expected = HOST_CONFIG[case]
    inspection = recorded()
    inspection["HostConfig"] |= change
    assert found(inspection) == [expected]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"Tty": True}, ("settings", "tty", "true")),
        ({"OpenStdin": True}, ("settings", "stdin_open", "true")),
        ({"Domainname": "example.net"}, ("hostname", "domain", "example.net")),
        ({"WorkingDir": "/tmp"}, ("working_dir", "", "/tmp")),
    ],
)
def test_the_programs_own_surroundings_are_compared(change: Any, expected: tuple[str, str, str]) -> None:
    """Terminal, input, domain and folder are as the image has them."""
    inspection = recorded()
    inspection["Config"] |= change
    assert found(inspection) == [expected]


def test_networks_names_and_addresses_there_are_named() -> None:
    """Another network, another name in it and an address that was asked for."""
    inspection = recorded()
    mine = inspection["NetworkSettings"]["Networks"]
    mine["extra"] = {"Aliases": ["db", inspection["Id"][:12]], "IPAMConfig": {"IPv4Address": "172.30.0.9"}}
    assert found(inspection) == [
        ("networks", "extra", "present"),
        ("networks", "extra aliases", "db"),
        ("networks", "extra address", "172.30.0.9"),
    ]
    del mine["extra"], mine["bridge"]
    assert found(inspection) == [("networks", "bridge", "absent")]


def test_ports_are_compared_as_they_are_really_bound() -> None:
    """A port that was promised on one address and is bound on all of them, or not at all."""
    inspection = recorded()
    inspection["NetworkSettings"]["Ports"]["80/tcp"] = [{"HostIp": "0.0.0.0", "HostPort": "10080"}]
    assert found(inspection) == [("ports", "bound", "*:10080->80/tcp")]
    inspection["NetworkSettings"]["Ports"] = {}
    assert found(inspection) == [("ports", "bound", "absent")]


def test_mounts_that_spread_or_come_from_elsewhere_are_named() -> None:
    """Propagation of a host path, and the driver of a volume."""
    inspection = recorded()
    inspection["Mounts"] = [
        {"Type": "bind", "Destination": "/srv", "Propagation": "rshared"},
        {"Type": "volume", "Destination": "/data", "Driver": "nfs", "Propagation": ""},
    ]
    assert found(inspection) == [
        ("mounts", "/srv propagation", "rshared"),
        ("mounts", "/data driver", "nfs"),
    ]


def test_what_the_engine_gives_every_container_is_nobodys_change() -> None:
    """Its settings file and its arguments say so, and a kernel that cannot limit swap is not asked."""
    text = json.dumps(
        {
            "default-ulimits": {"nofile": {"Name": "nofile", "Soft": 1024, "Hard": 4096}},
            "default-shm-size": "128M",
            "default-ipc-mode": "shareable",
        }
    )
    daemon = read_daemon(INFO | {"SwapLimit": False}, text, "dockerd\n--default-cgroupns-mode\nprivate\n-H\nfd://\n")
    inspection = recorded()
    inspection["HostConfig"] |= {
        "Ulimits": [{"Name": "nofile", "Soft": 1024, "Hard": 4096}],
        "ShmSize": 128 * 1024 * 1024,
        "IpcMode": "shareable",
        "CgroupnsMode": "private",
        "MemorySwap": -1,
    }
    assert found(inspection, daemon) == []
    assert {key for _, key, _ in found(copy.deepcopy(inspection))} >= {"ulimit nofile", "shm_size", "ipc"}


TOLD = [
    {"Path": "/usr", "Kind": 0},
    {"Path": "/usr/sbin", "Kind": 0},
    {"Path": "/usr/sbin/docker-init", "Kind": 1},
    {"Path": "/app", "Kind": 0},
    {"Path": "/app/app.py", "Kind": 0},
    {"Path": "/etc", "Kind": 0},
    {"Path": "/etc/motd", "Kind": 2},
    {"Path": "/opt-x", "Kind": 0},
    {"Path": "/opt", "Kind": 1},
    {"Path": "/opt/a", "Kind": 1},
    {"Path": "/run", "Kind": 0},
    {"Path": "/run/secrets", "Kind": 1},
    {"Path": "/tmp", "Kind": 0},
    {"Path": "/tmp/x", "Kind": 1},
]


def test_what_the_engine_makes_itself_and_what_is_mounted_is_no_change() -> None:
    """A folder that only leads to a change is none; one that was added stands for all that is in it."""
    inspection = recorded()
    inspection["Mounts"] = [{"Destination": "/run/secrets"}]
    assert changes(inspection, TOLD) == (
        Change("/app/app.py", "changed"),
        Change("/etc/motd", "deleted"),
        Change("/opt", "added", 1),
        Change("/opt-x", "changed"),
    )
    assert changes(inspection, TOLD, "/app /opt /opt-x /etc/motd") == ()


def test_who_may_write_everywhere_writes_where_programs_do() -> None:
    """A writable root has scratch folders, and whatever its program sets up when it starts."""
    inspection = recorded()
    inspection["HostConfig"] |= {"ReadonlyRootfs": False, "Tmpfs": None}
    told = [{"Path": "/run/app.pid", "Kind": 1}, {"Path": "/srv/x", "Kind": 1}, {"Path": "/etc/app", "Kind": 0}]
    kept = changes(inspection, told)
    assert [each.path for each in kept] == ["/etc/app", "/srv/x"]
    inspection["Created"] = inspection["State"]["StartedAt"] = "1970-01-01T00:16:40.123456789Z"
    early, late = FileState(b"x\n", 0o644, 0, 0, changed=1001.0), FileState(b"x\n", 0o644, 0, 0, changed=1100.0)
    rows = list(deviations(kept, {"/etc/app": early, "/srv/x": late}, {}, inspection))
    assert [(each.key, each.observed) for each in rows] == [("/srv/x", "added, 0644 0:0")]


def test_a_changed_text_is_shown_as_a_diff() -> None:
    """Against what the image's layers have there; what nobody could read is only named."""
    inspection = recorded()
    kept = (Change("/app/app.py", "changed"), Change("/bin/x", "changed"))
    states = {"/app/app.py": FileState(b"one\nthree\n", 0o600, 1, 2), "/bin/x": FileState(b"\0\1", 0o755, 0, 0)}
    text, binary = deviations(kept, states, {"/app/app.py": "one\ntwo\n"}, inspection)
    assert "-two" in text.detail
    assert "+three" in text.detail
    assert (text.observed, binary.observed, binary.detail) == ("changed, 0600 1:2", "changed, 0755 0:0", "")


def test_both_versions_of_a_file_are_read_as_they_are_printed() -> None:
    """What is there now with its rights, what the image has as text, by the number of their path."""
    now, before = read_versions("+0 600 1 2 1000\nb25lCg==\n@0\ndHdvCg==\n+1 755 0 0 7\n@2\nAAE=\n", ("/a", "/b", "/c"))
    assert now == {
        "/a": FileState(b"one\n", 0o600, 1, 2, changed=1000.0),
        "/b": FileState(None, 0o755, 0, 0, changed=7.0),
    }
    assert before == {"/a": "two\n"}


def test_an_archive_that_cannot_be_read_is_no_file() -> None:
    """An engine that ends in the middle of a header gives nothing to compare."""
    assert first_state(b"") is None
    assert first_state(b"x" * 700) is None
