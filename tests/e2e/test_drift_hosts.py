"""Hosts of a fleet that somebody changed by hand: what `drift` says of them, invents, and leaves alone."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tests.lab_fleet import READING, WEBS, Fleet

pytestmark = pytest.mark.lab

UNITS = "/etc/systemd/system"
HOSTS = ("lb1", *WEBS)
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHVcYJvZPwsXU3qvCVJmrWYKAvkw5N7qv3gXvVtjXGJp intruder@example.com"
PACKAGE = (
    "cd /tmp && mkdir -p left-over/DEBIAN && printf 'Package: left-over\nVersion: 0.9\nArchitecture: all\n"
    "Maintainer: nobody <nobody@example.com>\nDescription: for a test\n' >left-over/DEBIAN/control"
    " && dpkg-deb --build left-over >/dev/null && dpkg -i left-over.deb >/dev/null && rm -r left-over left-over.deb"
)
LISTENER = (
    "setsid perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 1, LocalPort => 9099) or die;"
    " sleep 600' >/dev/null 2>&1 </dev/null &"
)


@dataclass(frozen=True)
class Change:
    """What somebody does by hand on one host, and where it has to show: kind and pattern of the key."""

    command: str
    shows: tuple[tuple[str, str], ...]


CHANGES = (
    Change("useradd -s /bin/bash mallory", (("user", "mallory"),)),
    Change(f"echo '{KEY}' >>/root/.ssh/authorized_keys", (("key", "root SHA256:*"),)),
    Change(
        "mkdir -p /etc/sudoers.d && echo 'ops ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/ops",
        (("sudo", "/etc/sudoers.d*"),),
    ),
    Change("echo 'PermitRootLogin yes' >>/etc/ssh/sshd_config", (("ssh", "/etc/ssh/sshd_config"),)),
    Change("mkdir -p /etc/cron.d && echo '* * * * * root true' >/etc/cron.d/report", (("cron", "/etc/cron.d*"),)),
    Change(PACKAGE, (("package", "left-over"),)),
    Change("echo 31 >/proc/sys/net/ipv4/tcp_fin_timeout", (("sysctl", "net.ipv4.tcp_fin_timeout"),)),
    Change("echo '203.0.113.7 db.example.com' >>/etc/hosts", (("dns", "/etc/hosts"),)),
    Change("echo 'options timeout:1' >>/etc/resolv.conf", (("dns", "/etc/resolv.conf"),)),
    Change("ln -sf /usr/share/zoneinfo/Asia/Seoul /etc/localtime", (("system", "time zone"),)),
    Change("echo '* hard nofile 4096' >/etc/security/limits.conf", (("limits", "/etc/security/limits.conf"),)),
    Change(
        """mkdir -p /etc/docker && echo '{"debug": true}' >/etc/docker/daemon.json""", (("engine", "/etc/docker*"),)
    ),
    Change("iptables -I DOCKER-USER -s 203.0.113.9 -j DROP", (("firewall", "iptables"),)),
    Change(f"mkdir -p {UNITS} && echo '[Service]' >{UNITS}/worker.service", (("service", f"{UNITS}*"),)),
    Change(
        "touch -r /etc/profile /tmp/then && sed -i 's/PATH/PaTH/' /etc/profile && touch -r /tmp/then /etc/profile"
        " && rm /tmp/then",
        (("file", "/etc/profile"),),
    ),
    Change("chmod 600 /etc/issue", (("file", "/etc/issue"),)),
    Change("ln -sf /etc/issue /etc/issue.net", (("file", "/etc/issue.net"),)),
    Change("echo 'echo hello' >/usr/local/bin/hello", (("application", "/usr/local/bin/hello"),)),
    Change(LISTENER, (("socket", "tcp*:9099"), ("process", "perl"))),
)
"""None hides another. The lab's hosts share kernel and clock: what only these show is tested on recorded replies."""


def told(fleet: Fleet, *arguments: str) -> tuple[int, list[dict[str, str]]]:
    """Return the exit code and the rows of one look."""
    ran = fleet.run("drift", "--json", *arguments)
    return ran.code, ran.json()["drift"]


def explains(change: Change, row: dict[str, str]) -> bool:
    """Tell whether a row is about a change."""
    return any(row["kind"] == kind and fnmatchcase(row["key"], key) for kind, key in change.shows)


@pytest.fixture
def changed(hello: Fleet) -> Iterator[Fleet]:
    """Return the fleet with everything changed on web3 in one go."""
    assert told(hello) == (0, [])
    for change in CHANGES:
        hello.lab.on("web3", change.command)
    yield hello
    hello.lab.on("web3", "pkill -x perl; iptables -F DOCKER-USER; true")


def test_every_change_on_a_host_is_named_and_undone(changed: Fleet) -> None:
    """Observed once: kind, key, host, class, who most are; what stands beside it undoes it, to the last."""
    code, rows = told(changed)
    assert code == 2
    missed = [change.shows for change in CHANGES if not any(explains(change, row) for row in rows)]
    invented = [(row["kind"], row["key"]) for row in rows if not any(explains(each, row) for each in CHANGES)]
    assert (missed, invented) == ([], [])
    outliers = [row for row in rows if row["class"] == "outlier"]
    assert {row["host"] for row in rows} == {"web3"}
    assert all(row["note"] for row in outliers)
    (sshd,) = (row for row in rows if row["kind"] == "ssh")
    assert "+PermitRootLogin yes" in sshd["detail"]
    assert sshd["note"] == "3 of 4 hosts have it: lb1, web1, web2"
    _leave_aside(changed, rows)
    for row in outliers:
        _paste(row)
    changed.lab.on("web3", "pkill -x perl")
    assert told(changed) == (0, [])


def _leave_aside(fleet: Fleet, rows: list[dict[str, str]]) -> None:
    """See that differences that are left aside count no more, are told with their reason, and make no release."""
    before, text = fleet.status()["release"], fleet.file.read_text()
    kinds = sorted({row["kind"] for row in rows})
    rules = "".join(f"    - {{kind: {kind}, hosts: web3, reason: all of it}}\n" for kind in kinds)
    fleet.file.write_text(f"{text}\ndrift:\n  ignore:\n{rules}")
    code, left = told(fleet)
    assert (code, {row["ignored"] for row in left}) == (0, {"all of it"})
    assert fleet.applied()["outcome"] == "unchanged"
    assert fleet.status()["release"] == before
    assert fleet.status()["uniform"] is True
    fleet.file.write_text(text)


def _paste(row: dict[str, str]) -> None:
    """Do what a person does who trusts the command beside a difference."""
    if row["remedy"]:
        done = subprocess.run(["sh", "-c", row["remedy"]], capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0, (row["remedy"], done.stderr)


def test_nothing_happens_on_a_host_that_is_looked_at(hello: Fleet) -> None:
    """The engine notes reading, and no file is newer than the moment before, but for what sshd logs of the login."""
    looked = "find /etc /usr /var /root /home /opt /tmp /srv -xdev -newer /run/before 2>/dev/null; rm /run/before"
    since = {host: hello.lab.clock(host) for host in HOSTS}
    for host in HOSTS:
        hello.lab.on(host, "touch /run/before && sleep 0.1")
    assert told(hello) == (0, [])
    newer = {host: hello.lab.on(host, looked).splitlines() for host in HOSTS}
    logs = ("/var/log/", "/var/lib/docker")
    assert {
        host: paths for host in HOSTS if (paths := [each for each in newer[host] if not each.startswith(logs)])
    } == {}
    noted = {host: hello.lab.events(host, since[host], hello.lab.clock(host)) for host in HOSTS}
    assert {each.split()[-1] for events in noted.values() for each in events} <= {"top"}, (noted, READING)


def test_nothing_is_invented(hello: Fleet, tmp_path: Path) -> None:
    """Ten looks: after an engine and a host came back, and with another fleet on some of the hosts."""
    lab = hello.lab
    other = Fleet(lab, tmp_path / "beside")
    other.rewrite("name: hello", "name: beside")
    other.rewrite("hosts: web:!web4", "hosts: web1:web2")
    other.rewrite("    port: 80 ", "    host_port: 19080\n    port: 80 ")
    other.rewrite("bind: [{port: 80}]", "bind: [{port: 18990}]")
    assert _looks(hello, 3) == [(0, [])] * 3
    try:
        other.applied()
        assert _looks(hello, 3) == [(0, [])] * 3
    finally:
        other.destroy()
    lab.restart_host("web1")
    lab.up()
    lab.on("web2", "pkill -x dockerd; sleep 1; true")
    lab.up()
    hello.applied("--allow-interruption")
    assert _looks(hello, 4) == [(0, [])] * 4


def _looks(fleet: Fleet, times: int) -> list[tuple[int, list[Any]]]:
    return [told(fleet) for _ in range(times)]
