"""Real parts for this room: sshd on loopback in front of this machine's engine, and a small image with a shell."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import socket
import subprocess
import tarfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import pytest

from provisioner.hosts.access import AccessSettings, EngineHands, SshHosts
from provisioner.hosts.this_machine import local_client
from provisioner.hosts.timeouts import Timeouts
from provisioner.model.container import FLEET_LABEL, ContainerOptions, ContainerRequest, PublishedPort
from provisioner.model.inventory import Host

CASES = Path(__file__).parent.parent / "cases" / "hosts"
SSHD = "/usr/sbin/sshd"
TOOLS = ("sh", "sleep", "cat", "true", "false", "echo", "ls", "id")
QUICK = Timeouts(connect=3.0, login=5.0, channel=5.0, command=20.0, request=20.0, patient=60.0)


def free_port() -> int:
    """Return a loopback port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def make_key(path: Path, passphrase: str = "", kind: str = "ed25519") -> Path:
    """Make a key pair and return the private key's path."""
    argv = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "test", "-f", str(path)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return path


@dataclass
class Sshd:
    """One sshd of a test: where it listens, its key, and whom it lets in."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)

    def __post_init__(self) -> None:
        """Make the keys; nothing runs yet."""
        self.folder.mkdir()
        self.host_key = make_key(self.folder / "host_key")
        self.user_key = make_key(self.folder / "user_key")
        shutil.copy(self.user_key.with_suffix(".pub"), self.folder / "authorized_keys")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens."""
        Path("/run/sshd").mkdir(exist_ok=True)
        settings = {
            "Port": str(self.port),
            "ListenAddress": "127.0.0.1",
            "HostKey": str(self.host_key),
            "AuthorizedKeysFile": str(self.folder / "authorized_keys"),
            "StrictModes": "no",
            "UsePAM": "no",
            "PidFile": "none",
            "PermitRootLogin": "yes",
            "PasswordAuthentication": "no",
            **self.settings,
        }
        config = self.folder / "sshd_config"
        config.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", str(config)], stderr=log)
        until = time.monotonic() + 10
        while time.monotonic() < until:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text())

    def stop(self) -> None:
        """End it; open sessions end with their connections."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def kill(self) -> None:
        """End it with every session it serves, as a host that goes down does."""
        assert self.process is not None
        sessions = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        self.stop()
        for session in sessions:
            os.kill(int(session), signal.SIGKILL)

    def new_host_key(self) -> None:
        """Start again with another host key."""
        self.stop()
        self.host_key.unlink()
        make_key(self.host_key)
        self.start()

    def known_line(self) -> str:
        """Return the line of a known_hosts file that trusts it."""
        kind, key = self.host_key.with_suffix(".pub").read_text().split()[:2]
        return f"[127.0.0.1]:{self.port} {kind} {key}\n"

    def host(self, name: str = "web1", **changes: Any) -> Host:
        """Return it as a host of an inventory."""
        values = {"port": self.port, "user": "root", "key_file": str(self.user_key), **changes}
        return Host(name, "127.0.0.1", **values)


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[Callable[..., Sshd]]:
    """Lend a function that starts sshd with settings of its own; everything ends with the test."""
    if not Path(SSHD).exists() or os.geteuid() != 0:
        pytest.skip("needs openssh-server and root")
    started: list[Sshd] = []

    def start(**settings: str) -> Sshd:
        server = Sshd(tmp_path / f"sshd{len(started)}", settings)
        started.append(server)
        server.start()
        return server

    yield start
    for server in started:
        server.stop()


@dataclass
class Project:
    """The files and the environment of somebody who reaches hosts."""

    folder: Path
    environment: dict[str, str]

    @property
    def known_hosts(self) -> Path:
        """Return the project's known_hosts file."""
        return self.folder / "hosts.known_hosts"

    @property
    def ssh_config(self) -> Path:
        """Return the SSH configuration."""
        return self.folder / "ssh_config"

    def trust(self, *servers: Sshd) -> None:
        """Record the keys of servers."""
        with self.known_hosts.open("a") as file:
            file.writelines(server.known_line() for server in servers)

    def settings(self) -> AccessSettings:
        """Return what SshHosts is made with."""
        return AccessSettings(self.known_hosts, self.environment, self.ssh_config, QUICK)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Return a project without known hosts, keys and agent."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "ssh_config").write_text("Host *\n  UserKnownHostsFile none\n  IdentityFile none\n")
    return Project(folder, {"HOME": str(folder), "PATH": os.environ["PATH"]})


@pytest.fixture
def hosts(project: Project) -> Iterator[SshHosts]:
    """Lend the hosts as the project sees them."""
    with SshHosts(project.settings()) as lent:
        yield lent


@pytest.fixture(scope="session")
def engine_client() -> Iterator[docker.APIClient]:
    """Lend a client of this machine's engine."""
    client = local_client(os.environ)
    assert client is not None, "no Docker Engine answers on this machine"
    yield client
    client.close()


def _libraries(binary: str) -> set[str]:
    told = subprocess.run(["ldd", binary], capture_output=True, text=True, check=True).stdout
    return set(re.findall(r"(/\S+) \(0x", told))


def shell_archive() -> bytes:
    """Return a root file system with a shell and a few commands of this machine."""
    binaries = {f"/bin/{name}": os.path.realpath(shutil.which(name) or "") for name in TOOLS}
    paths = {**binaries, **{path: path for binary in binaries.values() for path in _libraries(binary)}}
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for folder, mode in (("tmp", 0o1777), ("data", 0o755), ("etc", 0o755)):
            member = tarfile.TarInfo(folder)
            member.type, member.mode = tarfile.DIRTYPE, mode
            archive.addfile(member)
        for inside, path in sorted(paths.items()):
            archive.add(os.path.realpath(path), inside.lstrip("/"))
    return target.getvalue()


@pytest.fixture(scope="session")
def shell_image(engine_client: docker.APIClient) -> Iterator[str]:
    """Return the id of a small image with a shell."""
    tag = f"provisioner-test-hosts:{uuid.uuid4().hex[:12]}"
    name, _, version = tag.partition(":")
    changes = ["ENV FROM_IMAGE=yes", "VOLUME /scratch", "LABEL provisioner.test=hosts"]
    engine_client.import_image_from_data(shell_archive(), repository=name, tag=version, changes=changes)
    yield str(engine_client.inspect_image(tag)["Id"])  # type: ignore[no-untyped-call]  # its stub has no types
    engine_client.remove_image(tag, force=True)


@dataclass
class Workbench:
    """Hands on a real engine, and what has to be cleared away afterwards."""

    hands: EngineHands
    image: str
    fleet: str = field(default_factory=lambda: f"hosts-test-{uuid.uuid4().hex[:8]}")

    def request(self, suffix: str = "a", ports: tuple[PublishedPort, ...] = (), **options: Any) -> ContainerRequest:
        """Ask for a container that sleeps."""
        options.setdefault("command", ("sleep", "600"))
        name = f"{self.fleet}-{suffix}"
        return ContainerRequest(
            name, self.image, ContainerOptions(**options), "bench", ports, {FLEET_LABEL: self.fleet}
        )

    def running(self, suffix: str = "a", **options: Any) -> str:
        """Create and start a container."""
        container_id = self.hands.containers.create(self.request(suffix, **options))
        self.hands.containers.start(container_id)
        return container_id

    def clear(self) -> None:
        """Remove every container and volume of this bench's fleet."""
        seen = self.hands.reader.observe(self.fleet)
        for container in seen.containers:
            if container.fleet == self.fleet:
                self.hands.containers.remove(container.container_id)
        for volume in seen.volumes:
            self.hands.containers.remove_volume(volume)


@pytest.fixture
def server(sshd: Callable[..., Sshd], project: Project) -> Sshd:
    """Return an sshd that runs and is trusted."""
    started = sshd()
    project.trust(started)
    return started


@pytest.fixture
def bench(server: Sshd, hosts: SshHosts, shell_image: str) -> Iterator[Workbench]:
    """Lend hands on this machine's engine, reached over SSH."""
    made = Workbench(hosts.hands(server.host()), shell_image)
    yield made
    made.clear()
