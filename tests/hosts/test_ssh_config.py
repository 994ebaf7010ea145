"""Finding out how a host is to be reached."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from provisioner.errors import HostUnreachable
from provisioner.hosts.ssh_blocks import USUAL_BINARY, speaks_of_hosts
from provisioner.hosts.ssh_config import Jump, SshConfig, merged, parse_jumps, parse_settings
from provisioner.model.inventory import Host

CONFIG = """\
Host 10.0.0.5
  User fromaddress
Host web1
  User fromalias
  Port 2200
  HostName 10.9.9.9
  IdentityFile /keys/web
  IdentitiesOnly yes
  ProxyJump ops@bastion:2222
Host short
  HostName long.example.com
  HostKeyAlias pinned
"""


def config(folder: Path, text: str = CONFIG, *, with_ssh: bool = True) -> SshConfig:
    """Return a configuration file's answers, asked of ssh or of paramiko."""
    file = folder / "config"
    file.write_text(text)
    environment = {"HOME": "/home/me", "SSH_AUTH_SOCK": "/agent"}
    return SshConfig({**environment, "PATH": os.environ["PATH"] if with_ssh else ""}, file)


def test_what_ssh_prints_is_read_keyword_by_keyword() -> None:
    """Keywords that may stand on several lines keep every value."""
    text = "user deploy\nhostname 10.0.0.5\nport 22\nidentityfile ~/.ssh/a\nidentityfile ~/.ssh/b\nIdentitiesOnly no\n"
    settings = parse_settings(text)
    assert settings["identityfile"] == ("~/.ssh/a", "~/.ssh/b")
    assert (settings["user"], settings["identitiesonly"]) == (("deploy",), ("no",))


@pytest.mark.parametrize(
    ("text", "jumps"),
    [
        ("none", ()),
        ("", ()),
        ("bastion", (Jump("bastion"),)),
        ("ops@bastion:2222", (Jump("bastion", 2222, "ops"),)),
        ("a,ssh://me@b:22/", (Jump("a"), Jump("b", 22, "me"))),
        ("[fd00::1]:2222", (Jump("fd00::1", 2222),)),
    ],
)
def test_jump_hosts_are_read(text: str, jumps: tuple[Jump, ...]) -> None:
    """One, several, as a URL, with an IPv6 address, none."""
    assert parse_jumps(text) == jumps


def test_the_address_speaks_before_the_alias() -> None:
    """What is only a default for the address is taken from what is said of the inventory name."""
    address = {"user": ("a",), "port": ("22",), "hostname": ("10.0.0.5",)}
    alias = {"user": ("b",), "port": ("2200",), "hostname": ("10.0.0.5",), "proxyjump": ("bastion",)}
    defaults = {"user": ("root",), "port": ("22",), "hostname": ("provisioner.invalid",)}
    found = merged(address, alias, defaults)
    assert dict(found) == {"user": ("a",), "port": ("2200",), "hostname": ("10.0.0.5",), "proxyjump": ("bastion",)}


@pytest.mark.parametrize("with_ssh", [True, False], ids=["ssh -G", "paramiko"])
def test_address_and_alias_are_both_looked_up(tmp_path: Path, with_ssh: bool) -> None:  # noqa: FBT001 - a parameter
    """A user may have written either into the configuration; the inventory's address is where it goes."""
    target = config(tmp_path, with_ssh=with_ssh).resolve(Host("web1", "10.0.0.5"))
    assert (target.address, target.user, target.port) == ("10.0.0.5", "fromaddress", 2200)
    assert "/keys/web" in target.identity_files
    assert target.identities_only
    assert (target.jumps, target.agent) == ((Jump("bastion", 2222, "ops"),), "/agent")


@pytest.mark.parametrize("with_ssh", [True, False], ids=["ssh -G", "paramiko"])
def test_the_inventory_wins(tmp_path: Path, with_ssh: bool) -> None:  # noqa: FBT001 - a parameter
    """User, port and key file of the inventory are used whatever the configuration says."""
    host = Host("web1", "web1", port=23, user="inventory", key_file="~/key")
    target = config(tmp_path, with_ssh=with_ssh).resolve(host)
    assert (target.user, target.port, target.key_file) == ("inventory", 23, "/home/me/key")
    assert target.address == "10.9.9.9"


@pytest.mark.parametrize("with_ssh", [True, False], ids=["ssh -G", "paramiko"])
def test_a_host_key_alias_is_what_keys_are_looked_up_by(tmp_path: Path, with_ssh: bool) -> None:  # noqa: FBT001 - a parameter
    """Otherwise it is the address that is connected to."""
    known = config(tmp_path, with_ssh=with_ssh)
    assert known.resolve(Host("short", "short")).key_name == "pinned"
    assert known.resolve(Host("web1", "web1")).key_name == "10.9.9.9"


def test_a_proxy_command_is_refused_by_name(tmp_path: Path) -> None:
    """It is not followed, and not passed over either."""
    with pytest.raises(HostUnreachable, match="ProxyCommand") as refusal:
        config(tmp_path, "Host *\n  ProxyCommand nc %h %p\n").resolve(Host("web1", "web1"))
    assert "ProxyJump" in refusal.value.hint


def test_a_configuration_in_error_is_explained(tmp_path: Path) -> None:
    """The words of ssh name the file and the line."""
    with pytest.raises(HostUnreachable, match="line 1"):
        config(tmp_path, "Nonsense yes\n").resolve(Host("web1", "web1"))


def test_an_agent_may_be_named_or_forbidden(tmp_path: Path) -> None:
    """`IdentityAgent` names a socket, or none."""
    assert config(tmp_path, "IdentityAgent none\n").resolve(Host("a", "a")).agent == ""
    assert config(tmp_path, "IdentityAgent /run/agent\n").resolve(Host("a", "a")).agent == "/run/agent"


@pytest.mark.parametrize(
    ("text", "speaks"),
    [
        ("", False),
        ("Host *\n  SendEnv LANG\n  HashKnownHosts yes\n", False),
        ("  host=*\nUser deploy\nHostKeyAlgorithms ssh-ed25519\n", False),
        ("#   UserKnownHostsFile ~/.ssh/known_hosts.d/%k\n# Host web1\n", False),
        ("Host web1\n  User deploy\n", True),
        ("Host * !web1\n", True),
        ("Match exec true\n  User x\n", True),
        ("IdentityFile ~/.ssh/%h\n", True),
        ("CanonicalizeHostname yes\n", True),
        ("Include more\n", True),
    ],
)
def test_what_holds_for_every_host_alike_is_told_from_what_does_not(tmp_path: Path, text: str, speaks: bool) -> None:  # noqa: FBT001 - a parameter
    """Blocks, conditions and names of the host's own make answers differ; settings for all do not."""
    file = tmp_path / "config"
    file.write_text(text)
    assert speaks_of_hosts(USUAL_BINARY, {}, file) is speaks


def test_what_is_included_counts(tmp_path: Path) -> None:
    """A file that is included by its absolute name is read; another program than the usual one is asked each time."""
    more, file = tmp_path / "more.conf", tmp_path / "config"
    file.write_text(f"Include {tmp_path}/*.conf\nHost *\n")
    assert not speaks_of_hosts(USUAL_BINARY, {}, file)
    more.write_text("Host web1\n")
    assert speaks_of_hosts(USUAL_BINARY, {}, file)
    assert speaks_of_hosts("/opt/ssh", {}, tmp_path / "none")
    assert speaks_of_hosts(None, {}, tmp_path / "none")


def test_where_no_host_is_spoken_of_ssh_is_asked_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Any number of hosts take one question, and get the answer they would get each on its own."""
    asked: list[str] = []
    whole = SshConfig._ask

    def counted(self: SshConfig, host: Host, name: str) -> object:
        asked.append(name)
        return whole(self, host, name)

    monkeypatch.setattr(SshConfig, "_ask", counted)
    plain = config(tmp_path, "Host *\n  User deploy\n  Port 2200\n")
    if plain._binary != USUAL_BINARY:
        pytest.skip("no usual ssh here")
    found = [plain.resolve(Host(f"web{number}", f"10.0.0.{number}")) for number in range(5)]
    assert [(each.address, each.user, each.port) for each in found] == [
        (f"10.0.0.{number}", "deploy", 2200) for number in range(5)
    ]
    assert len(asked) == 1
    assert plain.resolve(Host("db", "10.0.0.9", 22, "root")).user == "root"
