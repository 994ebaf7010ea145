"""Reaching hosts over a real sshd: trust, keys, jump hosts, and every way in which it fails."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner.errors import EngineUnavailable, HostError, HostUnreachable
from provisioner.hosts.access import SshHosts
from provisioner.hosts.routes import WHY, why_none
from provisioner.model.inventory import Host

if TYPE_CHECKING:
    from tests.hosts.conftest import Project, Sshd

pytestmark = pytest.mark.engine

Start = Callable[..., "Sshd"]


def refusal(hosts: SshHosts, host: Host) -> HostError:
    """Return why a host cannot be read."""
    with pytest.raises(HostError) as raised:
        hosts.reader(host)
    assert raised.value.host == host.name
    assert raised.value.hint
    return raised.value


def test_a_known_host_is_read_through_its_engines_socket(server: Sshd, project: Project, hosts: SshHosts) -> None:
    """The usual way, named in what was observed, with the fingerprint of the key the host showed."""
    seen = hosts.reader(server.host()).observe("nobody")
    assert seen.engine.route == "streamlocal"
    assert (seen.route.name, seen.route.port, seen.route.user) == ("web1", server.port, "root")
    assert seen.route.host_key == hosts.offered_key(server.host()).fingerprint


def test_a_host_nobody_vouched_for_is_refused_until_it_is_trusted(
    sshd: Start, project: Project, hosts: SshHosts
) -> None:
    """The refusal names the command; recording the shown key in the project's file is all it takes."""
    server = sshd()
    error = refusal(hosts, server.host())
    assert isinstance(error, HostUnreachable)
    assert "is not known" in error.reason
    assert "provisioner trust web1" in error.hint
    offered = hosts.offered_key(server.host())
    assert offered.fingerprint in error.reason
    assert hosts.record(offered) == project.known_hosts
    assert project.known_hosts.read_text() == server.known_line()
    hosts.reader(server.host())


def test_a_changed_host_key_names_the_line_that_says_otherwise(server: Sshd, project: Project, hosts: SshHosts) -> None:
    """It is told apart from an unknown one, and recording the new key replaces the old one."""
    server.new_host_key()
    error = refusal(hosts, server.host())
    assert "has changed" in error.reason
    assert f"{project.known_hosts}:1" in error.reason
    hosts.record(hosts.offered_key(server.host()))
    assert project.known_hosts.read_text() == server.known_line()
    hosts.reader(server.host())


def test_the_type_of_key_that_is_recorded_is_asked_for(sshd: Start, project: Project, hosts: SshHosts) -> None:
    """A host with several keys would else show one that nobody recorded."""
    server = sshd()
    server.stop()
    rsa = server.folder / "rsa_key"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-b", "3072", "-N", "", "-f", str(rsa)], check=True)
    server.settings["HostKey"] = f"{server.host_key}\nHostKey {rsa}"
    server.start()
    kind, key = rsa.with_suffix(".pub").read_text().split()[:2]
    project.known_hosts.write_text(f"[127.0.0.1]:{server.port} {kind} {key}\n")
    hosts.reader(server.host())


def test_a_login_that_is_refused_names_the_user_and_the_keys(sshd: Start, project: Project, hosts: SshHosts) -> None:
    """The key that was tried, and what to do."""
    server, other = sshd(), sshd()
    project.trust(server)
    error = refusal(hosts, server.host(key_file=str(other.user_key)))
    assert "login of root" in error.reason
    assert str(other.user_key) in error.reason
    assert "authorized_keys" in error.hint


def test_a_key_file_that_is_not_there_is_named(server: Sshd, project: Project, hosts: SshHosts) -> None:
    """It is not passed over in silence."""
    assert "/absent/key does not exist" in refusal(hosts, server.host(key_file="/absent/key")).reason


@contextmanager
def running_agent(folder: Path, key: Path, passphrase: str) -> Iterator[str]:
    """Run an agent that holds one encrypted key; yield its socket."""
    path = folder / "agent"
    with subprocess.Popen(["ssh-agent", "-D", "-a", str(path)], stdout=subprocess.DEVNULL) as agent:
        try:
            ask = folder / "ask"
            ask.write_text(f"#!/bin/sh\necho {passphrase}\n")
            ask.chmod(0o700)
            environment = {
                "PATH": os.environ["PATH"],
                "SSH_AUTH_SOCK": str(path),
                "SSH_ASKPASS": str(ask),
                "SSH_ASKPASS_REQUIRE": "force",
            }
            subprocess.run(["ssh-add", str(key)], env=environment, check=True, capture_output=True)
            yield str(path)
        finally:
            agent.terminate()


def test_an_encrypted_key_needs_an_agent_that_holds_it(sshd: Start, project: Project, tmp_path: Path) -> None:
    """Without one the message says so; with one the host is read."""
    server = sshd()
    project.trust(server)
    argv = ["ssh-keygen", "-q", "-p", "-P", "", "-N", "secret", "-f", str(server.user_key)]
    subprocess.run(argv, check=True, capture_output=True)
    with SshHosts(project.settings()) as alone:
        error = refusal(alone, server.host())
        assert "is encrypted and no agent holds it" in error.reason
    with running_agent(tmp_path, server.user_key, "secret") as agent:
        project.environment["SSH_AUTH_SOCK"] = agent
        with SshHosts(project.settings()) as helped:
            helped.reader(server.host())
            helped.close()
            helped.reader(server.host(key_file=None))


def test_the_ssh_configuration_is_followed(sshd: Start, project: Project, hosts: SshHosts) -> None:
    """Host name, port, user, key and known_hosts file come from it where the inventory is silent."""
    server = sshd()
    theirs = project.folder / "theirs"
    theirs.write_text(server.known_line())
    project.ssh_config.write_text(
        f"Host web1\n HostName 127.0.0.1\n Port {server.port}\n User root\n IdentityFile {server.user_key}\n"
        f" UserKnownHostsFile {theirs}\n"
    )
    assert hosts.reader(Host("web1", "web1")).observe("nobody").route.port == server.port
    assert not project.known_hosts.exists()


def jump_config(project: Project, jump: Sshd, address: str = "127.0.0.1") -> None:
    """Write a configuration in which every host but the jump host lies behind it."""
    project.ssh_config.write_text(
        f"Host bastion\n HostName {address}\n Port {jump.port}\n User root\n IdentityFile {jump.user_key}\n"
        " UserKnownHostsFile none\nHost 127.0.0.1 web*\n ProxyJump bastion\n UserKnownHostsFile none\n"
    )


def test_a_host_behind_a_jump_host_is_read_and_both_keys_are_checked(
    sshd: Start, project: Project, hosts: SshHosts
) -> None:
    """Trusting goes hop by hop, under the name of the host that was asked for."""
    jump, server = sshd(), sshd()
    jump_config(project, jump)
    first = refusal(hosts, server.host())
    assert "its jump host 127.0.0.1: the host key" in first.reason
    assert "provisioner trust web1" in first.hint
    offered = hosts.offered_key(server.host())
    assert offered.host == "web1 (its jump host 127.0.0.1)"
    hosts.record(offered)
    assert "is not known" in refusal(hosts, server.host()).reason
    offered = hosts.offered_key(server.host())
    assert offered.host == "web1"
    hosts.record(offered)
    assert hosts.reader(server.host()).observe("nobody").engine.route == "streamlocal"
    assert project.known_hosts.read_text() == jump.known_line() + server.known_line()


def test_hosts_behind_one_jump_host_share_its_connection(sshd: Start, project: Project, hosts: SshHosts) -> None:
    """It is logged in to once."""
    jump, one, two = sshd(), sshd(), sshd()
    jump_config(project, jump)
    project.trust(jump, one, two)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(hosts.reader, (one.host("web1"), two.host("web2"))))
    assert (jump.folder / "log").read_text().count("Accepted publickey") == 1


def test_a_jump_host_that_does_not_forward_is_named(sshd: Start, project: Project, hosts: SshHosts) -> None:
    """And so is one that gets no connection."""
    strict, server = sshd(AllowTcpForwarding="no"), sshd()
    jump_config(project, strict)
    project.trust(strict, server)
    error = refusal(hosts, server.host())
    assert "refuses to forward" in error.reason
    assert "AllowTcpForwarding" in error.hint
    open_jump = sshd()
    jump_config(project, open_jump)
    project.trust(open_jump)
    server.stop()
    with SshHosts(project.settings()) as others:
        assert "gets no connection" in refusal(others, server.host()).reason


def test_jump_hosts_that_lead_in_a_circle_are_refused(project: Project, hosts: SshHosts) -> None:
    """Instead of connecting for ever."""
    project.ssh_config.write_text("Host web1\n ProxyJump a\nHost a\n ProxyJump b\nHost b\n ProxyJump a\n")
    assert "circle" in refusal(hosts, Host("web1", "web1")).reason


def test_a_port_where_nobody_listens_refuses(sshd: Start, hosts: SshHosts) -> None:
    """Refused is told apart from silent."""
    server = sshd()
    server.stop()
    assert "refused the connection" in refusal(hosts, server.host()).reason


@pytest.mark.parametrize(
    ("greeting", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n" * 200, "does not speak SSH"),
        (b"", "closed the connection before it said anything"),
        (None, "says nothing"),
    ],
    ids=["a web server", "hung up", "silent"],
)
def test_what_does_not_greet_as_sshd_is_told_apart(hosts: SshHosts, greeting: bytes | None, reason: str) -> None:
    """Another service, a server that hangs up, and one that says nothing."""
    done = threading.Event()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection, suppress(OSError):
            if greeting is None:
                done.wait(20)
            else:
                connection.sendall(greeting)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(1024):
                    pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        error = refusal(hosts, Host("web1", "127.0.0.1", listener.getsockname()[1], "root"))
        done.set()
        thread.join(20)
    assert reason in error.reason


def test_a_name_that_does_not_resolve_is_said(hosts: SshHosts) -> None:
    """The name is in the message."""
    assert "nowhere.invalid does not resolve" in refusal(hosts, Host("web1", "nowhere.invalid")).reason


@pytest.mark.parametrize("setting", ["AllowTcpForwarding", "AllowStreamLocalForwarding", "DisableForwarding"])
def test_where_forwarding_is_refused_the_docker_command_is_used(
    sshd: Start, project: Project, hosts: SshHosts, setting: str
) -> None:
    """Everything works the same way, and the route says so."""
    server = sshd(**{setting: "yes" if setting == "DisableForwarding" else "no"})
    project.trust(server)
    hands = hosts.hands(server.host())
    seen = hands.reader.observe("nobody")
    assert seen.engine.route == "dial-stdio"
    assert seen.images
    assert hands.images.chains()


def test_sudo_is_the_last_way(sshd: Start, project: Project, hosts: SshHosts, tmp_path: Path) -> None:
    """Where the docker command alone is refused, `sudo -n` is tried."""
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "docker").write_text(f'#!/bin/sh\n[ "$BY_SUDO" ] || exit 1\nexec {shutil.which("docker")} "$@"\n')
    (tools / "sudo").write_text('#!/bin/sh\n[ "$1" = -n ] && shift && BY_SUDO=1 exec "$@"\n')
    for tool in tools.iterdir():
        tool.chmod(0o755)
    server = sshd(AllowStreamLocalForwarding="no", SetEnv=f"PATH={tools}:/usr/bin:/bin")
    project.trust(server)
    assert hosts.reader(server.host()).observe("nobody").engine.route == "sudo dial-stdio"


def test_a_host_without_docker_says_so(sshd: Start, project: Project, hosts: SshHosts, tmp_path: Path) -> None:
    """No command, no daemon, no socket."""
    server = sshd(SetEnv=f"PATH={_only_sh(tmp_path)}")
    project.trust(server)
    error = refusal(hosts, server.host(variables={"docker_socket": str(tmp_path / "absent.sock")}))
    assert isinstance(error, EngineUnavailable)
    assert "Docker is not installed" in error.reason


def test_a_host_whose_engine_is_not_running_says_so(
    sshd: Start, project: Project, hosts: SshHosts, tmp_path: Path
) -> None:
    """Docker is there, its socket is not."""
    server = sshd()
    project.trust(server)
    error = refusal(hosts, server.host(variables={"docker_socket": str(tmp_path / "absent.sock")}))
    assert "not running" in error.reason
    assert "absent.sock" in error.reason


def test_a_host_that_neither_forwards_nor_has_the_command_says_so(
    sshd: Start, project: Project, hosts: SshHosts, tmp_path: Path
) -> None:
    """The hint names the setting of sshd."""
    server = sshd(AllowTcpForwarding="no", SetEnv=f"PATH={_only_sh(tmp_path)}")
    project.trust(server)
    error = refusal(hosts, server.host())
    assert "sshd does not forward" in error.reason
    assert "AllowTcpForwarding" in error.hint


def _only_sh(folder: Path) -> Path:
    tools = folder / "only-sh"
    tools.mkdir()
    (tools / "sh").symlink_to("/bin/sh")
    return tools


def test_somebody_who_may_not_use_the_socket_is_told(tmp_path: Path) -> None:
    """The question is asked as a user without rights; the answer is permission, not absence."""
    if shutil.which("setpriv") is None or os.geteuid() != 0:
        pytest.skip("needs setpriv and root")
    path = tmp_path / "guarded.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        path.chmod(0o660)
        for folder in (tmp_path, *list(tmp_path.parents)[:2]):
            folder.chmod(0o755)
        argv = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-s", "--", str(path)]
        told = subprocess.run(argv, input=WHY.encode(), capture_output=True, check=True).stdout.decode().split()
    assert "permission denied" in why_none("web1", "deploy", str(path), frozenset(told)).reason


def test_a_lost_connection_is_an_error_once_and_then_made_again(
    server: Sshd, project: Project, hosts: SshHosts
) -> None:
    """The server is killed with its sessions in the middle of the work, and started again."""
    reader = hosts.reader(server.host())
    reader.observe("nobody")
    server.kill()
    with pytest.raises(HostError):
        reader.observe("nobody")
    server.start()
    assert reader.observe("nobody").engine.route == "streamlocal"


def test_many_threads_share_one_connection(server: Sshd, project: Project, hosts: SshHosts) -> None:
    """Eight at once, one login."""
    with ThreadPoolExecutor(8) as pool:
        seen = list(pool.map(lambda _: hosts.reader(server.host()).observe("nobody").engine, range(16)))
    assert len(set(seen)) == 1
    assert (server.folder / "log").read_text().count("Accepted publickey") == 1


def test_a_local_host_needs_no_ssh(project: Project) -> None:
    """`ansible_connection: local` speaks to this machine's own socket."""
    host = Host("here", "localhost", connection="local")
    with SshHosts(project.settings()) as hosts:
        seen = hosts.reader(host).observe("nobody")
        assert (seen.engine.route, seen.route.port) == ("socket", 0)
        assert seen.addresses
    settings = replace(project.settings(), environment={"DOCKER_HOST": "unix:///absent.sock"})
    with SshHosts(settings) as hosts:
        assert "no engine answers at unix:///absent.sock" in refusal(hosts, host).reason
