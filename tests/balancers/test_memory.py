"""The balancer in memory has HAProxy's habits, its traps included."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from provisioner.balancers.memory import MemoryBalancer, MemoryBalancers
from provisioner.balancers.memory_file import CheckRule, parse
from provisioner.errors import BalancerRefused
from provisioner.model.balancer import Backend, BalancerConfig, Check, Server, ServerState
from provisioner.model.container import ContainerOptions
from provisioner.model.file_state import FileState
from provisioner.model.observed import ObservedContainer, ObservedHost
from provisioner.model.spec import Bind, Route
from provisioner.ports import Balancers, Completed, FileContent, Stream
from provisioner.render.balancer import balancer_text
from provisioner.render.templates import TemplateSource

CONFIG = """
global
  description cfg=d1
defaults
  mode http
  option redispatch 1
backend web
  balance roundrobin
  option httpchk
  http-check send meth GET uri /healthz
  default-server check inter 1s fall 2 rise 1
  server web1.1.a 10.0.0.1:18000
  server web1.1.b 10.0.0.1:18001
"""
A, B = ("web1.1.a",), ("web1.1.b",)


@dataclass
class Stage:
    """A world of one balancer container: a clock, the ports that answer, its file, and what was done to it."""

    time: float = 0.0
    alive: set[int] = field(default_factory=lambda: {18000})
    files: dict[str, bytes] = field(default_factory=lambda: {"/etc/haproxy/haproxy.cfg": CONFIG.encode()})
    run_name: str | None = "first"
    born: float = 0.0
    effects: list[str] = field(default_factory=list)

    def monotonic(self) -> float:
        """Return the time."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Pass time."""
        self.time += seconds

    def now(self) -> str:
        """Return the time as text."""
        return str(self.time)

    def answers(self, address: str, port: int, path: str | None, at: float) -> bool:
        """Tell whether a port answers."""
        assert (address, path) == ("10.0.0.1", "/healthz")
        return port in self.alive

    def fails(self, address: str, port: int, at: float) -> float:
        """Fail no request."""
        return 0.0

    def started(self, container_id: str) -> tuple[str, float] | None:
        """Return the run of the container."""
        return None if self.run_name is None else (self.run_name, self.born)

    @contextmanager
    def effect(self, host: str, name: str) -> Iterator[int]:
        """Note an effect."""
        self.effects.append(name)
        yield 1


@dataclass
class Files:
    """The shell of the container: its files."""

    stage: Stage

    def put(self, container_id: str, folder: str, files: tuple[FileContent, ...]) -> None:
        """Write files."""
        self.stage.files.update({f"{folder}/{file.name}": file.content for file in files})

    def get(self, container_id: str, path: str) -> bytes | None:
        """Read a file."""
        return self.stage.files.get(path)

    def run(self, container_id: str, argv: tuple[str, ...]) -> Completed:
        """Run nothing."""
        raise NotImplementedError

    def open(self, container_id: str, argv: tuple[str, ...]) -> Stream:
        """Open nothing."""
        raise NotImplementedError

    def signal(self, container_id: str, name: str) -> None:
        """Signal nothing."""


@dataclass
class Reader:
    """The reader of the container's host: its files."""

    stage: Stage

    def observe(self, fleet: str) -> ObservedHost:
        """Observe nothing."""
        raise NotImplementedError

    def container(self, name_or_id: str) -> ObservedContainer | None:
        """Know no container."""
        return None

    def logs(self, container_id: str, lines: int) -> tuple[str, ...]:
        """Have no logs."""
        return ()

    def file(self, container_id: str, path: str) -> bytes | None:
        """Read a file."""
        return self.stage.files.get(path)

    def state(self, container_id: str, path: str) -> FileState | None:
        """Read a file."""
        content = self.file(container_id, path)
        return None if content is None else FileState(content, 0o444, 0, 0)

    def page(self, container_id: str, port: int, path: str) -> bytes:
        """Serve nothing."""
        raise NotImplementedError


def lend(stage: Stage) -> MemoryBalancer:
    """Lend the balancer of a stage."""
    balancers: Balancers = MemoryBalancers(stage, stage)
    with balancers.on("lb1", Files(stage), "lb") as balancer:
        assert isinstance(balancer, MemoryBalancer)
        balancer.report()
        return balancer


def state(balancer: MemoryBalancer, name: str) -> ServerState:
    """Return one server as the balancer reports it now."""
    return next(server for server in balancer.report().servers if server.name == name)


def test_a_fresh_worker_believes_every_server_up_until_its_first_check() -> None:
    """Both slots are up and unchecked; within one interval the dead one is found out."""
    stage = Stage()
    balancer = lend(stage)
    assert {(server.health, server.check) for server in balancer.report().servers} == {("unchecked", "INI")}
    stage.sleep(1.0)
    assert (state(balancer, *A).health, state(balancer, *A).check) == ("up", "L7OK")
    assert (state(balancer, *B).health, state(balancer, *B).check) == ("down", "L4CON")


def test_a_server_goes_down_after_as_many_failures_as_the_file_says() -> None:
    """One failed check of a proven server is forgiven, the second is not (fall 2)."""
    stage = Stage()
    balancer = lend(stage)
    stage.sleep(2.0)
    proven = state(balancer, *A).health
    stage.alive.clear()
    stage.sleep(1.0)
    once = state(balancer, *A).health
    stage.sleep(1.0)
    assert (proven, once, state(balancer, *A).health) == ("up", "up", "down")


def test_leaving_maintenance_shows_the_health_of_whoever_was_there_before() -> None:
    """The trap: a dead container is up on the strength of its predecessor's last check."""
    stage = Stage()
    balancer = lend(stage)
    stage.sleep(2.0)
    balancer.set_state("web", A, "maint")
    stage.alive.clear()
    stage.sleep(10.0)
    balancer.set_state("web", A, "drain")
    trapped = state(balancer, *A)
    assert (trapped.admin, trapped.health, trapped.check) == ("drain", "up", "L7OK")


def test_distrust_makes_the_next_check_count() -> None:
    """Refused in maintenance; after it, down until a check passes."""
    stage = Stage()
    balancer = lend(stage)
    stage.sleep(2.0)
    balancer.set_state("web", A, "maint")
    with pytest.raises(BalancerRefused, match="maintenance"):
        balancer.distrust("web", A)
    balancer.set_state("web", A, "drain")
    balancer.distrust("web", A)
    down = state(balancer, *A)
    stage.sleep(1.0)
    assert (down.health, down.check, state(balancer, *A).health) == ("down", "L7OK", "up")


def test_a_page_cannot_tell_drained_and_down_from_down() -> None:
    """Whoever only observes sees such a server as ready and down; who holds the socket sees both."""
    stage = Stage()
    balancers = MemoryBalancers(stage, stage)
    with balancers.on("lb1", Files(stage), "lb") as balancer:
        balancer.report()
        stage.sleep(1.0)
        balancer.set_state("web", B, "drain")
        told = state(balancer, *B)
    page = balancers.observe(Reader(stage), ObservedContainer("lb", "lb", "", ContainerOptions(), "running"))
    seen = next(server for server in page.servers if server.name == "web1.1.b")
    assert [(each.admin, each.health) for each in (told, seen)] == [("drain", "down"), ("ready", "down")]


def test_nothing_is_checked_in_maintenance() -> None:
    """A server that comes alive in maintenance is not noticed there."""
    stage = Stage()
    balancer = lend(stage)
    stage.sleep(2.0)
    balancer.set_state("web", B, "maint")
    stage.alive.add(18001)
    stage.sleep(5.0)
    assert state(balancer, *B).check == "L4CON"


def test_a_reload_forgets_every_state_and_shows_the_new_digest() -> None:
    """The new worker knows its file and nothing else, and the file stays for the next start."""
    stage = Stage()
    balancer = lend(stage)
    balancer.set_state("web", A, "drain")
    balancer.configure(CONFIG.replace("cfg=d1", "cfg=d2"), "d2")
    report = balancer.report()
    assert (report.running_digest, {server.admin for server in report.servers}) == ("d2", {"ready"})
    assert b"cfg=d2" in stage.files["/etc/haproxy/haproxy.cfg"]


@pytest.mark.parametrize("text", [CONFIG, "backend web\n  server broken\n"])
def test_a_file_that_is_not_what_it_should_be_is_refused_and_the_worker_goes_on(text: str) -> None:
    """Another digest than announced, or a broken file: nothing is written."""
    stage = Stage()
    balancer = lend(stage)
    with pytest.raises(BalancerRefused):
        balancer.configure(text, "d9")
    assert (balancer.report().running_digest, stage.effects) == ("d1", [])


def test_a_restart_reads_the_file_again() -> None:
    """A new run of the container is a new worker; one that does not run has none."""
    stage = Stage()
    balancer = lend(stage)
    balancer.set_state("web", A, "maint")
    stage.run_name, stage.born = "second", stage.time
    again = state(balancer, *A).admin
    stage.run_name = None
    assert (again, balancer.report().running_digest) == ("ready", "")
    with pytest.raises(BalancerRefused):
        balancer.set_state("web", A, "ready")


def test_sessions_last_until_their_time_or_until_they_are_cut() -> None:
    """A drained server keeps its sessions; cutting ends them."""
    stage = Stage()
    balancers = MemoryBalancers(stage, stage)
    with balancers.on("lb1", Files(stage), "lb") as balancer:
        balancer.report()
        balancers.occupy("lb", "web/web1.1.a", 3, until=4.0)
        balancers.occupy("lb", "web/web1.1.b", 2)
        stage.sleep(5.0)
        assert [server.sessions for server in balancer.report().servers] == [0, 2]
        balancer.cut_sessions("web", B)
        assert [server.sessions for server in balancer.report().servers] == [0, 0]


def test_requests_go_to_servers_that_are_ready_and_believed_up() -> None:
    """The pool is what a client can meet."""
    stage = Stage()
    balancers = MemoryBalancers(stage, stage)
    with balancers.on("lb1", Files(stage), "lb") as balancer:
        fresh = balancers.worker("lb", CONFIG.encode())
        assert fresh is not None
        assert fresh.pool() == {"web": ("web1.1.a", "web1.1.b")}
        stage.sleep(1.0)
        balancer.report()
        assert fresh.pool() == {"web": ("web1.1.a",)}


def test_a_server_that_is_not_there_is_refused() -> None:
    """Every command names servers of the file that runs."""
    with pytest.raises(BalancerRefused, match=r"no such server: web/web9\.1\.a"):
        lend(Stage()).set_state("web", ("web9.1.a",), "drain")


def test_a_server_that_tracks_another_is_judged_by_its_checks() -> None:
    """A transitional file checks in backends of their own; the trap does not arise there."""
    text = """
global
  description "cfg=t1"
backend check-web
  option httpchk GET /healthz
  server one 10.0.0.1:18000 check inter 500ms fall 2 rise 1
backend web
  server web1.1.a 10.0.0.1:18000 track check-web/one
"""
    stage = Stage(files={"/etc/haproxy/haproxy.cfg": text.encode()})
    balancer = lend(stage)
    stage.sleep(1.0)
    up = state(balancer, *A).health
    balancer.distrust("web", A)
    assert (up, state(balancer, *A).health, balancer.report().running_digest) == ("up", "down", "t1")


def test_a_server_line_is_read_with_its_defaults() -> None:
    """Times have units, defaults are inherited, the path may be named before or after."""
    first, _ = parse(CONFIG).servers
    assert first.rule is not None
    assert (first.address, first.port, first.rule.path) == ("10.0.0.1", 18000, "/healthz")
    assert (first.rule.interval, first.rule.fall, first.rule.rise) == (1.0, 2, 1)


def test_our_own_template_is_understood() -> None:
    """What the renderer writes, tracked checks of a transition included, is what the double reads."""
    slow = Check("/healthz", 2.0, 1.0, 3)
    servers = (
        Server("web1.1.a", "web1/web-1", "a", "10.0.0.1", 18000, slow),
        Server("web1.1.b.next", "web1/web-1", "b", "10.0.0.1", 19001, replace(slow, path="/ready")),
    )
    config = BalancerConfig("shop", (Bind(80),), "roundrobin", (Route("web"),), (Backend("web", servers),))
    text, digest = balancer_text(config, load)
    file = parse(text)
    found = {(line.backend, line.name): line for line in file.servers}
    assert file.digest == digest
    tracked = found[found["web", "web1.1.b.next"].track or ("", "")]
    assert tracked.rule == CheckRule("/ready", interval=2.0, fast=1.0, down=1.0, rise=1, fall=3)
    assert {name for backend, name in found if backend == "web"} == {"web1.1.a", "web1.1.b.next"}


def load(name: str) -> TemplateSource | None:
    """Find one of our templates."""
    path = Path(__file__).parents[2] / "templates" / name
    return TemplateSource(str(path), path.read_text(encoding="utf-8")) if path.exists() else None
