"""Our templates make images that run as they should, on a real engine."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

import docker
import pytest

from provisioner.balancers.haproxy import HaproxyBalancers
from provisioner.hosts.access import AccessSettings, EngineHands, SshHosts
from provisioner.images.build import BuildSettings, EngineBuilder
from provisioner.local.build_settings import build_files, proxy_arguments
from provisioner.model.balancer import Backend, BalancerConfig, Check, Server
from provisioner.model.container import ContainerOptions, ContainerRequest, Mount, TmpfsMount
from provisioner.model.image import BuildInputs
from provisioner.model.inventory import Host
from provisioner.model.observed import ObservedContainer
from provisioner.model.spec import Bind, FromImage, ManagedFile, Route
from provisioner.ports import Completed, FileContent
from provisioner.render.balancer import balancer_text
from provisioner.render.dockerfile import balancer_inputs
from tests.balancers.stage import RealClock, wait_until
from tests.render.declared import CASES, fleet, service_inputs, shipped

pytestmark = [pytest.mark.engine, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
HARDENED = ContainerOptions(
    read_only=True,
    tmpfs=(TmpfsMount("/tmp", "size=16m,mode=1777,noexec,nosuid,nodev"),),
    cap_drop=("ALL",),
    no_new_privileges=True,
    init=True,
    pids=100,
    memory=128 << 20,
    restart="no",
)
_numbers = count(1)


@dataclass
class Bench:
    """The engine of this machine, and what a test made on it."""

    hands: EngineHands
    builder: EngineBuilder
    tags: list[str] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    volumes: list[str] = field(default_factory=list)
    connections: list[http.client.HTTPConnection] = field(default_factory=list)

    def build(self, inputs: BuildInputs | None) -> str:
        """Build an image under a tag of this test alone; return its id."""
        assert inputs is not None
        tag = f"provisioner/test-render/{inputs.service}:{os.getpid()}-{next(_numbers)}"
        self.tags.append(tag)
        return self.builder.build(replace(inputs, tag=tag), lambda *_: None).facts.image_id

    def create(self, image: str, options: ContainerOptions = HARDENED) -> str:
        """Create a container of this test alone."""
        name = f"test-render-{os.getpid()}-{next(_numbers)}"
        self.volumes += [mount.source for mount in options.mounts]
        self.made.append(self.hands.containers.create(ContainerRequest(name, image, options, "web1")))
        return self.made[-1]

    def start(self, image: str, options: ContainerOptions = HARDENED) -> str:
        """Create and start a container."""
        container = self.create(image, options)
        self.hands.containers.start(container)
        return container

    def seen(self, container: str) -> ObservedContainer:
        """Return a container that must be there."""
        found = self.hands.reader.container(container)
        assert found is not None
        return found

    def run(self, container: str, *argv: str) -> Completed:
        """Run a command inside."""
        return self.hands.shell.run(container, argv)

    def ask(self, container: str, port: int) -> Callable[[str], http.client.HTTPResponse]:
        """Return what asks a container over one connection, once it answers."""
        address = self.seen(container).addresses[0]
        wait_until(lambda: _answers(address, port))
        connection = http.client.HTTPConnection(address, port, timeout=10)
        self.connections.append(connection)

        def ask(path: str) -> http.client.HTTPResponse:
            connection.request("GET", path)
            return connection.getresponse()

        return ask

    def clear(self) -> None:
        """Remove what the test made."""
        for connection in self.connections:
            connection.close()
        for container in self.made:
            self.hands.containers.remove(container)
        for volume in self.volumes:
            self.hands.containers.remove_volume(volume)
        for tag in self.tags:
            self.hands.images.remove(tag)


def _answers(address: str, port: int) -> bool:
    connection = http.client.HTTPConnection(address, port, timeout=5)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status < 500
    except OSError:
        return False
    finally:
        connection.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Lend a bench on this machine's engine."""
    client = docker.APIClient(version="auto", timeout=600)
    files = build_files(os.environ, Path.home())
    settings = BuildSettings(ROOT / ".provisioner/cache", "", files, proxy_arguments(os.environ))
    hosts = SshHosts(AccessSettings(known_hosts=tmp_path / "known_hosts", environment=os.environ))
    hands = hosts.hands(Host("here", "127.0.0.1", connection="local"))
    made = Bench(hands, EngineBuilder(client, "here", settings))
    yield made
    made.clear()
    hosts.close()
    client.close()


def example(name: str, **variables: str) -> BuildInputs | None:
    """Return what the only service of an example is built from."""
    file = ROOT / "examples" / name / "fleet.yaml"
    spec = fleet(file, variables)
    (service,) = spec.services.values()
    return service_inputs(spec, service, file.parent)


def test_hello_greets_without_root_on_port_80(bench: Bench) -> None:
    """It says hello, keeps connections, logs one line a request and stops when asked."""
    container = bench.start(bench.build(example("hello")), replace(HARDENED, environment={"NAME": "Ada"}))
    ask = bench.ask(container, 80)
    page = ask("/").read().decode()
    assert "Hello Ada!" in page
    assert "web1" in page
    assert json.loads(ask("/whoami").read()) == {"name": "Ada", "host": "web1"}
    assert bench.run(container, "id", "-u").stdout.strip() == b"10001"
    begun = time.monotonic()
    bench.hands.containers.stop(container, 10)
    assert time.monotonic() - begun < 3
    assert bench.seen(container).exit_code == 0
    log = bench.hands.reader.logs(container, 10)
    assert [line.split('"')[1] for line in log if '"' in line] == ["GET / HTTP/1.1", "GET /whoami HTTP/1.1"]


def test_a_static_site_is_served_without_root_on_a_read_only_file_system(bench: Bench) -> None:
    """Files, folders, a health page, and nothing a browser could take for a date of the content."""
    container = bench.start(bench.build(example("static-site")))
    ask = bench.ask(container, 8080)
    answer = ask("/")
    assert b"The same everywhere" in answer.read()
    assert not {"ETag", "Last-Modified", "Server-Tokens"} & set(answer.headers)
    assert ask("/healthz").read() == b"ok\n"
    about = ask("/about")
    assert about.read() is not None
    assert (about.status, about.headers["Location"]) == (301, "/about/")
    missing = ask("/provisioner-build/Dockerfile")
    assert missing.read() is not None
    assert missing.status == 404
    assert bench.run(container, "id", "-u").stdout.strip() == b"10001"
    begun = time.monotonic()
    bench.hands.containers.stop(container, 10)
    assert time.monotonic() - begun < 3


@pytest.mark.parametrize("requirements", ["itsdangerous==2.2.0\n", "# none yet\n"])
def test_dependencies_are_installed_and_nothing_of_this_machine_stays(
    bench: Bench, tmp_path: Path, requirements: str
) -> None:
    """The app imports what requirements.txt names; certificates, settings and tools of the build are gone."""
    (tmp_path / "app").mkdir()
    (tmp_path / "app/requirements.txt").write_text(requirements)
    (tmp_path / "app/app.py").write_text("import time\ntime.sleep(600)\n")
    (tmp_path / "fleet.yaml").write_text((CASES / "build/python-with-requirements/fleet.yaml").read_text())
    spec = fleet(tmp_path / "fleet.yaml")
    container = bench.start(bench.build(service_inputs(spec, spec.services["web"], tmp_path)))
    found = bench.run(container, "python3", "-c", "import sys; print(sys.prefix); import itsdangerous")
    assert found.stdout.startswith(b"/opt/venv")
    assert (found.status == 0) == ("itsdangerous" in requirements)
    left = bench.run(container, "find", "/app", "/opt", "/run", "-name", "provisioner-*", "-o", "-name", "pip*")
    assert left.stdout == b""


def test_managed_files_lie_on_top_of_an_image(bench: Bench, tmp_path: Path) -> None:
    """Content and mode are as declared; folders that were there keep their mode."""
    base = bench.build(example("hello"))
    (tmp_path / "x.j2").write_text("name = {{ fleet | json }}\n")
    spec = fleet(ROOT / "examples/hello/fleet.yaml")
    files = (
        ManagedFile("/etc/app/x.toml", str(tmp_path / "x.j2"), 0o640),
        ManagedFile("/tmp/y", str(tmp_path / "x.j2")),
    )
    service = replace(spec.services["web"], source=FromImage(bench.tags[0]), files=files)
    assert base
    container = bench.start(bench.build(service_inputs(spec, service, tmp_path)), ContainerOptions(restart="no"))
    assert bench.hands.reader.file(container, "/etc/app/x.toml") == b'name = "hello"\n'
    shown = bench.run(container, "stat", "-c", "%a %u %n", "/etc/app/x.toml", "/tmp", "/tmp/y").stdout.decode()
    assert shown.splitlines() == ["640 0 /etc/app/x.toml", "1777 0 /tmp", "644 0 /tmp/y"]


def test_the_balancer_s_image_runs_hardened_and_takes_another_file(bench: Bench) -> None:
    """Without root or a capability, on a read-only file system, its file in a volume."""
    web = bench.start(bench.build(example("hello")))
    address = bench.seen(web).addresses[0]
    servers = (
        Server("web1.1.a", "web1/web-1", "a", address, 80, Check("/healthz", 0.2, 0.5, 2)),
        Server("web1.1.b", "web1/web-1", "b", address, 81, Check("/healthz", 0.2, 0.5, 2)),
    )
    config = BalancerConfig("hello", (Bind(80),), "roundrobin", (Route("web"),), (Backend("web", servers),), 2.0)
    volumes = tuple(Mount("volume", f"test-render-{os.getpid()}-{part}", f"/{part}/haproxy") for part in ("etc", "run"))
    options = replace(HARDENED, init=False, tmpfs=(), mounts=volumes)
    inputs = balancer_inputs(fleet(ROOT / "examples/hello/fleet.yaml"), (), shipped())
    container = bench.create(bench.build(inputs), options)
    text, digest = balancer_text(config, shipped())
    bench.hands.shell.put(container, "/etc/haproxy", (FileContent("haproxy.cfg", text.encode()),))
    bench.hands.containers.start(container)

    balancers = HaproxyBalancers(RealClock())
    wait_until(lambda: balancers.observe(bench.hands.reader, bench.seen(container)).running_digest == digest)
    wait_until(lambda: _health(balancers, bench, container) == ["up", "down"])
    assert b"Hello world!" in bench.ask(container, 80)("/").read()

    other, other_digest = balancer_text(replace(config, drain_timeout=3.0), shipped())
    with balancers.on("here", bench.hands.shell, container) as balancer:
        balancer.configure(other, other_digest)
        assert balancer.report().text == other
        balancer.set_state("web", ("web1.1.a",), "drain")
    seen = balancers.observe(bench.hands.reader, bench.seen(container))
    assert (seen.text, seen.running_digest, seen.servers[0].admin) == (other, other_digest, "drain")
    refused = [line for line in bench.hands.reader.logs(container, 50) if "cannot" in line.lower()]
    assert refused == []
    begun = time.monotonic()
    bench.hands.containers.stop(container, 10)
    assert time.monotonic() - begun < 5


def _health(balancers: HaproxyBalancers, bench: Bench, container: str) -> list[str]:
    return [each.health for each in balancers.observe(bench.hands.reader, bench.seen(container)).servers]
