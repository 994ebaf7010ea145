"""Ways to a host that do not work, each with what is wrong and what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.lab_fleet import Fleet, Ran

pytestmark = pytest.mark.lab


class Elsewhere:
    """A copy of the lab's inventory that a test may spoil."""

    def __init__(self, hello: Fleet, folder: Path) -> None:
        self.source = Path(hello.inventory)
        self.path = folder / "other.yaml"
        self.known_hosts = folder / "other.known_hosts"
        key = f"{hello.lab.name}.key"
        self.text = self.source.read_text().replace(key, str(self.source.with_name(key)))
        self.path.write_text(self.text)
        self.known_hosts.write_text(self.source.with_name(f"{hello.lab.name}.known_hosts").read_text())
        self.hello = hello

    def status(self) -> Ran:
        """Look at the fleet through it."""
        return self.hello.lab.run("status", "-f", str(self.hello.file), "-i", str(self.path))


@pytest.fixture
def elsewhere(hello: Fleet, tmp_path: Path) -> Elsewhere:
    """Return a copy of the lab's inventory."""
    return Elsewhere(hello, tmp_path)


def test_an_unknown_host_key_is_refused_until_it_is_trusted(elsewhere: Elsewhere) -> None:
    """Without a recorded key the exit is 4 with the command that records it; after that everything is reached."""
    elsewhere.known_hosts.unlink()
    ran = elsewhere.status()
    assert ran.code == 4
    assert "provisioner trust" in ran.out + ran.err
    hosts = ("lb1", "web1", "web2", "web3")
    told = elsewhere.hello.lab.run("trust", "-y", "-i", str(elsewhere.path), *hosts)
    assert told.code == 0
    assert "SHA256:" in told.out
    assert elsewhere.status().code == 0


def test_a_changed_host_key_is_never_accepted(elsewhere: Elsewhere) -> None:
    """A host that shows another key than the recorded one is not talked to."""
    lines = elsewhere.known_hosts.read_text().splitlines()
    keys = [line.split() for line in lines]
    swapped = [" ".join([entry[0], *keys[(number + 1) % len(keys)][1:]]) for number, entry in enumerate(keys)]
    elsewhere.known_hosts.write_text("\n".join(swapped) + "\n")
    ran = elsewhere.status()
    assert ran.code == 4
    assert "changed" in (ran.out + ran.err).lower()


def test_a_key_that_opens_nothing_is_named(elsewhere: Elsewhere, tmp_path: Path) -> None:
    """A login that is refused names the user and the host."""
    other = tmp_path / "other.key"
    other.write_text(elsewhere.source.with_name(f"{elsewhere.hello.lab.name}.key").read_text())
    elsewhere.path.write_text(elsewhere.text.replace("ansible_user: root", "ansible_user: nobody"))
    ran = elsewhere.status()
    assert ran.code == 4
    assert "nobody" in ran.out + ran.err


def test_a_closed_port_is_named(elsewhere: Elsewhere) -> None:
    """A host where nobody listens is unreachable with its address, and the others are shown."""
    elsewhere.path.write_text(elsewhere.text.replace("ansible_host: 127.0.0.1", "ansible_host: 127.0.0.2", 1))
    ran = elsewhere.status()
    assert ran.code == 4
    assert "web3" in ran.out


def test_a_host_without_a_running_engine_is_named(elsewhere: Elsewhere) -> None:
    """A host whose engine does not answer is told apart from one that cannot be reached."""
    spoiled = elsewhere.text.replace(
        "private_address:", "docker_socket: /run/nothing.sock\n          private_address:", 1
    )
    elsewhere.path.write_text(spoiled)
    ran = elsewhere.status()
    assert ran.code == 4
    assert "/run/nothing.sock" in ran.out + ran.err


def test_an_address_no_interface_has_is_an_error_that_names_the_real_ones(elsewhere: Elsewhere) -> None:
    """A private_address that is not the host's is refused with those that are."""
    elsewhere.path.write_text(re.sub(r"private_address: \d+", "private_address: 10", elsewhere.text))
    ran = elsewhere.hello.lab.run("plan", "-f", str(elsewhere.hello.file), "-i", str(elsewhere.path))
    assert ran.code == 1
    assert "is on no interface" in ran.err
    assert elsewhere.hello.lab.inventory().hosts["web1"].private_address in ran.err


def test_a_hardened_sshd_is_reached_another_way(hello: Fleet) -> None:
    """Where sshd forwards nothing the engine is reached through `docker system dial-stdio`, and doctor says so."""
    hello.lab.on("web1", "echo 'AllowTcpForwarding no' > /etc/ssh/sshd_config.d/hard.conf && pkill -HUP -o sshd")
    try:
        ran = hello.run("doctor", "--json")
        assert "dial-stdio" in ran.out
        assert hello.run("status", "--json").json()["uniform"] is True
        assert hello.applied()["outcome"] == "unchanged"
    finally:
        hello.lab.on("web1", "rm /etc/ssh/sshd_config.d/hard.conf && pkill -HUP -o sshd")
