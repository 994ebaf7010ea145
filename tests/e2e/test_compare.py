"""Two web servers set up by hand, without Docker: what `compare` finds of twenty differences, and what it invents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tests.lab_fleet import BareLab

pytestmark = pytest.mark.lab

PACKAGE = (
    "cd /tmp && mkdir -p {name}/DEBIAN && printf 'Package: {name}\\nVersion: {version}\\nArchitecture: all\\n"
    "Maintainer: nobody <nobody@example.com>\\nDescription: for a test\\n' >{name}/DEBIAN/control"
    " && dpkg-deb --build {name} >/dev/null && dpkg -i {name}.deb >/dev/null && rm -r {name} {name}.deb"
)
SITE = "server {{ listen 8081; server_name $hostname; root /srv/shop; {more} }}"

SITE_FILE, UNITS, SOURCES = "/etc/nginx/sites-enabled/shop", "/etc/systemd/system", "/etc/apt/sources.list.d"

ALIKE = (
    PACKAGE.format(name="shop-tools", version="1.0"),
    f"echo '{SITE.format(more='')}' >{SITE_FILE}",
    "mkdir -p /srv/shop && echo 'let answer = 42;' >/srv/shop/app.js && echo hello >/srv/shop/index.html",
    'echo "upstream $(hostname)" >/etc/nginx/own-name && hostname >/etc/mailname',
    "echo \"# written $(date -R)\" >/etc/generated.conf && echo 'password = hunter2' >/etc/shop.conf",
    "useradd -m deploy; ln -sf /usr/share/zoneinfo/Etc/UTC /etc/localtime",
    "pgrep -x nginx || nginx; pgrep -x cron || cron",
)
"""What was done on both hosts, host names and moments included."""

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHVcYJvZPwsXU3qvCVJmrWYKAvkw5N7qv3gXvVtjXGJp intruder@example.com"


@dataclass(frozen=True)
class Seed:
    """A change somebody makes by hand on one host, and where it has to show: kind and pattern of the key."""

    command: str
    shows: tuple[tuple[str, str], ...]


SEEDS = (
    Seed(PACKAGE.format(name="shop-tools", version="1.1"), (("package", "shop-tools"),)),
    Seed(PACKAGE.format(name="left-over", version="0.9"), (("package", "left-over"),)),
    Seed(
        "sed -i 's/worker_connections .*/worker_connections 512;/' /etc/nginx/nginx.conf",
        (("file", "/etc/nginx/nginx.conf"),),
    ),
    Seed(f"echo '{SITE.format(more='gzip on;')}' >{SITE_FILE}", (("file", SITE_FILE),)),
    Seed("echo 31 >/proc/sys/net/ipv4/tcp_fin_timeout", (("sysctl", "net.ipv4.tcp_fin_timeout"),)),
    Seed("useradd -s /bin/bash mallory", (("user", "mallory"), ("user", "group mallory"))),
    Seed(f"echo '{KEY}' >>/root/.ssh/authorized_keys", (("key", "root SHA256:*"),)),
    Seed("echo 'deploy ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/deploy", (("sudo", "/etc/sudoers.d/deploy"),)),
    Seed("echo '*/5 * * * * root /bin/true' >/etc/cron.d/report", (("cron", "/etc/cron.d/report"),)),
    Seed(
        "setsid perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(Listen => 1, LocalPort => 9099) or die;"
        " sleep 600' >/dev/null 2>&1 </dev/null &",
        (("socket", "tcp*:9099"), ("process", "perl")),
    ),
    Seed("nginx -s stop; sleep 0.5; nginx -g 'worker_rlimit_nofile 2048;'", (("process", "nginx"),)),
    Seed("chmod 600 /etc/nginx/mime.types", (("file", "/etc/nginx/mime.types"),)),
    Seed("chown www-data /etc/nginx/fastcgi_params", (("file", "/etc/nginx/fastcgi_params"),)),
    Seed(
        "touch -r /srv/shop/app.js /tmp/then; echo 'let answer = 43;' >/srv/shop/app.js;"
        " touch -r /tmp/then /srv/shop/app.js; rm /tmp/then",
        (("application", "/srv/shop/app.js"),),
    ),
    Seed("echo '10.9.9.9 db.example.com' >>/etc/hosts", (("dns", "/etc/hosts"),)),
    Seed("echo 'options timeout:1' >>/etc/resolv.conf", (("dns", "/etc/resolv.conf"),)),
    Seed("ln -sf /usr/share/zoneinfo/Asia/Seoul /etc/localtime", (("system", "time zone"),)),
    Seed("echo 'DAEMON_ARGS=-q' >>/etc/default/nginx", (("service", "/etc/default/nginx"),)),
    Seed(f"echo '[Service]' >{UNITS}/worker.service", (("service", f"{UNITS}/worker.service"),)),
    Seed("echo '* hard nofile 4096' >/etc/security/limits.d/shop.conf", (("limits", "/etc/security/*/shop.conf"),)),
    Seed(f"echo 'deb file:/srv/packages ./' >{SOURCES}/own.list", (("package", f"{SOURCES}/own.list"),)),
    Seed("iptables -A INPUT -p tcp --dport 9099 -j DROP", (("firewall", "iptables"),)),
    Seed("sed -i 's/hunter2/hunter3/' /etc/shop.conf", (("file", "/etc/shop.conf"),)),
)


@pytest.fixture(scope="module")
def bare() -> Iterator[BareLab]:
    """Return three hosts without Docker on which the same was done, made from nothing and removed in the end."""
    fleet = BareLab()
    fleet.down()
    fleet.up()
    for host in ("web1", "web2", "web3"):
        for command in ALIKE:
            fleet.on(host, command)
    yield fleet
    fleet.down()


def _compared(bare: BareLab, *arguments: str) -> tuple[int, Any]:
    ran = bare.run("compare", "-i", f"inventories/{bare.name}.yaml", "--json", *arguments)
    return ran.code, ran.json()


def _explains(seed: Seed, row: Any) -> bool:
    return any(row["kind"] == kind and fnmatchcase(row["key"], key) for kind, key in seed.shows)


def test_hosts_that_were_set_up_alike_do_not_differ(bare: BareLab) -> None:
    """Names, addresses, keys, ids and moments of generation are no difference, and nothing is unknown to root."""
    code, found = _compared(bare, "web")
    assert (found["differences"], found["unknown"], code) == ([], [], 0)


def test_changes_by_hand_are_found_and_nothing_else(bare: BareLab) -> None:
    """Of every change there is a row that names it, and every row belongs to a change; no secret is told."""
    for seed in SEEDS:
        bare.on("web2", seed.command)
    code, found = _compared(bare, "web1", "web2")
    rows = found["differences"]
    missed = [seed.shows for seed in SEEDS if not any(_explains(seed, row) for row in rows)]
    invented = [(row["kind"], row["key"]) for row in rows if not any(_explains(seed, row) for seed in SEEDS)]
    assert len(SEEDS) - len(missed) >= len(SEEDS) - 1, missed
    assert len(invented) <= 1, invented
    assert code == 2
    told = str(found)
    assert "hunter" not in told
    assert "worker_connections 512" in told


def test_among_three_hosts_the_odd_one_out_is_named(bare: BareLab) -> None:
    """Two are alike, so that the third is the outlier, whichever way it was changed."""
    bare.on("web2", "echo odd >/srv/shop/odd.txt")
    code, found = _compared(bare, "web1", "web2", "web3", "--only", "application")
    assert code == 2
    assert {(row["class"], *row["outliers"]) for row in found["differences"]} == {("outlier", "web2")}


def test_what_the_login_may_not_read_is_unknown(bare: BareLab) -> None:
    """A plain user's comparison says what it lacks, exits 4, and takes nothing unread for missing."""
    key = bare.folder / "inventories" / f"{bare.name}.key"
    known = {host: bare.inventory().hosts[host].port for host in ("web1", "web3")}
    for host in known:
        bare.on(host, "mkdir -p /home/deploy/.ssh && cp /root/.ssh/authorized_keys /home/deploy/.ssh/")
        bare.on(host, "chown -R deploy /home/deploy/.ssh && usermod -p '*' deploy")
    hosts = [f"deploy@127.0.0.1:{port}" for port in known.values()]
    code, found = _compared(bare, *hosts, "--identity-file", str(key))
    assert code == 4
    assert {each["kind"] for each in found["unknown"]} >= {"user", "sudo", "socket", "key"}
    assert found["differences"] == []


def test_hosts_are_named_by_address_from_an_empty_folder(bare: BareLab, tmp_path: Path) -> None:
    """Their keys are trusted first, by address too; neither a spec nor an inventory is needed."""
    key = bare.folder / "inventories" / f"{bare.name}.key"
    hosts = [f"root@127.0.0.1:{bare.inventory().hosts[name].port}" for name in ("web1", "web3")]
    asked = ("compare", *hosts, "--identity-file", str(key), "--only", "system")
    refused = bare.run(*asked, cwd=tmp_path, variables={"HOME": str(tmp_path)})
    assert refused.code == 4
    assert f"provisioner trust {hosts[0]}" in " ".join(refused.out.split())
    assert bare.run("trust", "-y", *hosts, cwd=tmp_path).code == 0
    assert bare.run(*asked, cwd=tmp_path).code == 0


def test_nothing_is_written_on_a_host_that_is_compared(bare: BareLab) -> None:
    """No file of the host is newer than the moment before, but for what sshd and the kernel keep."""
    bare.on("web3", "touch /tmp/before && sleep 0.1")
    _compared(bare, "web2", "web3")
    newer = bare.on("web3", "find / -xdev -newer /tmp/before -type f 2>/dev/null; rm /tmp/before").splitlines()
    assert [path for path in newer if not path.startswith(("/var/log/", "/proc/", "/sys/"))] == []
