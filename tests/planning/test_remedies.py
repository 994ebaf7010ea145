"""What to paste so that a host is like its peers again."""

from __future__ import annotations

import shlex

import pytest

from provisioner.model.drift import Shell
from provisioner.model.facts import Fact, Kind, PeerValue
from provisioner.planning.remedies import remedy

SHELLS = {"web1": Shell(("ssh", "web1")), "web3": Shell(())}
KEY = "AAAAC3NzaC1lZDI1NTE5"
FETCHED = "ssh web1 'cat /etc/x'"
FILE, OTHER = "file 644 root:root", "file 600 www-data:adm"
ADA = "uid 1001 gid 1001 home /home/ada shell /bin/sh"


def on_web3(kind: Kind, key: str, wanted: str | None, found: str | None, mark: str = "") -> str:
    """Return the command for web3, which is this machine; digests say whether the values are files of one content."""
    facts = [Fact(kind, key, value, "" if value else None, mark=mark) if value else None for value in (wanted, found)]
    return remedy(PeerValue(wanted or "", ("web1",), facts[0]), facts[1], "web3", SHELLS)


@pytest.mark.parametrize(
    ("kind", "key", "wanted", "found", "command"),
    [
        ("package", "htop", None, "3.2", "apt-get purge -y htop"),
        ("package", "nginx", "1:1.22", "1:1.20", "apt-get install -y --allow-downgrades nginx=1:1.22"),
        ("package", "nginx", "1.22", None, "apt-get install -y --allow-downgrades nginx=1.22"),
        ("package", "nginx", "1.22", "1.22, held", "apt-mark unhold nginx"),
        ("package", "nginx", "1.22, half installed", "1.22", ""),
        ("user", "mallory", None, ADA, "userdel mallory"),
        ("user", "ada", ADA.replace("1001 home", "1001 (own) home"), ADA, "groupadd -g 1001 ada"),
        ("user", "ada", ADA, None, "useradd -M -N -u 1001 -g 1001 -d /home/ada -s /bin/sh ada"),
        ("user", "ada", ADA, ADA.replace("/bin/sh", "/bin/bash"), "usermod -s /bin/sh ada"),
        ("user", "ada", f"{ADA} password locked", f"{ADA} password set 12ab", "usermod -L ada"),
        ("user", "group ops", None, "gid 900", "! getent group ops >/dev/null || groupdel ops"),
        ("user", "group ops", "gid 900 members ada", "gid 900 members ada,eve", "gpasswd -M ada ops"),
        ("user", "group ops", "gid 900", None, "groupadd -g 900 ops"),
        ("sysctl", "net.core.somaxconn", "4096", "128", "sysctl -w net.core.somaxconn=4096"),
        ("sysctl", "net.ipv4.tcp_rmem", "4096 131072", "1 2", "sysctl -w 'net.ipv4.tcp_rmem=4096 131072'"),
        ("system", "kernel", "6.1", "6.2", ""),
        ("process", "perl", None, "root: perl", ""),
        ("cron", "/etc/cron.d/x", None, FILE, "rm -f -- /etc/cron.d/x"),
        ("file", "/etc/old folder", None, "folder 755 root:root", "rm -r -- '/etc/old folder'"),
        ("file", "/etc/x", FILE, OTHER, "chown root:root /etc/x && chmod 644 /etc/x"),
        ("file", "/etc/x", FILE, None,
         f"{FETCHED} | sh -c 'cat >/etc/x && chown root:root /etc/x && chmod 644 /etc/x'"),
        ("file", "/etc/x", FILE, "link to /tmp/x",
         f"{FETCHED} | sh -c 'rm -f -- /etc/x && cat >/etc/x && chown root:root /etc/x && chmod 644 /etc/x'"),
        ("file", "/etc/x", "link to ../y", FILE, "ln -sfn -- ../y /etc/x"),
        ("file", "/etc/x", "link to ../y", "folder 755 root:root", ""),
        ("file", "/etc/d", "folder 750 root:adm", None, "install -d -m 750 -o root -g adm -- /etc/d"),
        ("file", "/etc/tls/private/a.key", FILE, None, ""),
    ],
)  # fmt: skip
def test_what_differs_is_made_as_it_is_on_peers(
    kind: Kind, key: str, wanted: str | None, found: str | None, command: str
) -> None:
    """One command per case, and none where it is not obvious."""
    assert on_web3(kind, key, wanted, found) == command


def test_the_time_zone_is_set_in_both_places() -> None:
    """The link that counts, and the name beside it."""
    told = on_web3("system", "time zone", "Etc/UTC", "Asia/Seoul")
    assert told == "ln -sf /usr/share/zoneinfo/Etc/UTC /etc/localtime && echo Etc/UTC >/etc/timezone"


def test_a_key_goes_by_its_own_text_and_comes_back_as_it_was() -> None:
    """Other keys of the file stay."""
    line = f"ssh-ed25519 {KEY} eve@example.com"
    assert on_web3("key", "root SHA256:x", None, "ssh-ed25519 eve", line) == (
        f"sed -i '\\#{KEY}#d' ~root/.ssh/authorized_keys"
    )
    assert on_web3("key", "root SHA256:x", "ssh-ed25519 eve", None, line) == (
        f"echo '{line}' >>~root/.ssh/authorized_keys"
    )


def test_rules_of_a_firewall_are_taken_out_and_put_back_one_by_one() -> None:
    """In the table they were in; before the others in the chain that an engine ends with a return."""
    most = "*filter\n:INPUT ACCEPT\n-A DOCKER-USER -s 10.0.0.9/32 -j DROP\nCOMMIT"
    here = "*filter\n:INPUT ACCEPT\nCOMMIT\n*nat\n-A PREROUTING -p tcp -j ACCEPT\nCOMMIT"
    assert on_web3("firewall", "iptables", most, here) == (
        "iptables -t nat -D PREROUTING -p tcp -j ACCEPT && iptables -t filter -I DOCKER-USER -s 10.0.0.9/32 -j DROP"
    )
    assert on_web3("firewall", "iptables", None, most) == "iptables -t filter -D DOCKER-USER -s 10.0.0.9/32 -j DROP"
    assert on_web3("firewall", "nft", None, "table inet x {\n}") == ""


def test_who_is_not_root_there_asks_sudo() -> None:
    """Whatever has to be quoted twice is."""
    shells = {"web3": Shell(("ssh", "-p", "2222", "ada@10.0.0.3"), is_root=False)}
    told = remedy(PeerValue("", ("web1",)), Fact("cron", "/etc/cron.d/a b", FILE), "web3", shells)
    *way, there = shlex.split(told)
    assert way == ["ssh", "-p", "2222", "ada@10.0.0.3"]
    assert shlex.split(there) == ["sudo", "sh", "-c", "rm -f -- '/etc/cron.d/a b'"]


def test_a_command_that_would_tell_a_secret_is_not_told() -> None:
    """A key's options may hold one."""
    line = f'command="backup --password=hunter2" ssh-ed25519 {KEY} x'
    assert on_web3("key", "root SHA256:x", "ssh-ed25519 x", None, line) == ""
