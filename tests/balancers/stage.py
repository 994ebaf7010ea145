"""A web server with two slots behind a real HAProxy, all of it processes on loopback."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from provisioner.balancers.haproxy import HaproxyBalancer, HaproxyBalancers
from provisioner.errors import EngineRefused
from provisioner.model.balancer import Backend, BalancerConfig, Check, Server, ServerState
from provisioner.model.container import ContainerOptions
from provisioner.model.file_state import FileState
from provisioner.model.observed import ObservedBalancer, ObservedContainer, ObservedHost
from provisioner.model.spec import Bind, Route
from provisioner.ports import Completed, FileContent, Stream
from provisioner.render.balancer import balancer_text
from tests.render.declared import shipped

A, B = ("web1.1.a",), ("web1.1.b",)
CHECK = Check("/healthz", 0.2, 0.5, 2)
CONTAINER = ObservedContainer("lb", "hello-load-balancer-1-a", "sha256:0", ContainerOptions(), "running")
PATIENCE = 10.0


class RealClock:
    """The machine's own time."""

    def monotonic(self) -> float:
        """Return seconds."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def now(self) -> str:
        """Return no time of day."""
        return ""


class _Page(BaseHTTPRequestHandler):
    """Answers everything, `/slow` after a while, `/fail` with 500."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        if self.path == "/slow":
            time.sleep(1.5)
        body = str(self.connection.getsockname()[1]).encode()
        self.send_response(500 if self.path == "/fail" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Keep quiet."""


class _Web(ThreadingHTTPServer):
    """One slot's container."""

    daemon_threads = True
    allow_reuse_address = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Keep quiet about checks that hang up early."""


@dataclass
class ProcessStream:
    """The standard input and output of a process."""

    process: subprocess.Popen[bytes]

    def send(self, data: bytes) -> None:
        """Write."""
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def receive(self, limit: int) -> bytes:
        """Read what there is."""
        assert self.process.stdout is not None
        return os.read(self.process.stdout.fileno(), limit)

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(BrokenPipeError):
            self.process.communicate(timeout=PATIENCE)


@dataclass
class Stage:
    """The container's folders below `folder`, its shell and its host's reader, and the two slots.

    What the file calls /run/haproxy and its ports lies elsewhere here: it is translated on the way in and out.
    """

    folder: Path
    ports: tuple[int, ...] = field(default_factory=lambda: free_ports(4))
    check: Check = CHECK
    opened: int = 0
    slots: dict[str, _Web] = field(default_factory=dict)
    master: subprocess.Popen[bytes] | None = None
    lent: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)

    # --- the scene

    @property
    def public(self) -> int:
        """Return the port clients are answered on."""
        return self.ports[0]

    def config(self, *more: Server, drain_timeout: float = 5.0, check: Check | None = None) -> BalancerConfig:
        """Return the configuration of both slots, and of further servers."""
        servers = tuple(self.server(slot, check or self.check) for slot in "ab") + more
        backend = Backend("web", servers)
        return BalancerConfig("hello", (Bind(self.public),), "roundrobin", (Route("web"),), (backend,), drain_timeout)

    def server(self, slot: str, check: Check, suffix: str = "") -> Server:
        """Return a slot as the balancer lists it."""
        port = self.ports[2] if slot == "a" else self.ports[3]
        assert slot in {"a", "b"}
        return Server(f"web1.1.{slot}{suffix}", "web1/web-1", "a" if slot == "a" else "b", "127.0.0.1", port, check)

    def text(self, config: BalancerConfig) -> tuple[str, str]:
        """Return the file of a configuration and its digest."""
        return balancer_text(config, shipped())

    def serve(self, slot: str) -> None:
        """Start what answers in a slot."""
        web = _Web(("127.0.0.1", self.server(slot, self.check).port), _Page)
        self.slots[slot] = web
        threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def fall_silent(self, slot: str) -> None:
        """End what answers in a slot."""
        web = self.slots.pop(slot)
        web.shutdown()
        web.server_close()

    def start(self, config: BalancerConfig) -> str:
        """Start HAProxy with the file of a configuration, see it run, and return the file's digest."""
        text, digest = self.text(config)
        for folder in ("etc", "run"):
            (self.folder / folder).mkdir(exist_ok=True)
        self.put("lb", "/etc/haproxy", (FileContent("haproxy.cfg", text.encode()),))
        socket_path = f"{self.folder}/run/master.sock,mode,600"
        argv = ["haproxy", "-W", "-db", "-S", socket_path, "-f", f"{self.folder}/etc/haproxy.cfg"]
        with (self.folder / "log").open("ab") as log:
            self.master = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: self.observed().running_digest == digest)
        return digest

    def stop(self) -> None:
        """End HAProxy and the slots."""
        self.lent.close()
        if self.master is not None:
            self.master.terminate()
            self.master.wait(PATIENCE)
        for slot in list(self.slots):
            self.fall_silent(slot)

    def ask(self, times: int, path: str = "/") -> None:
        """Send requests, one after the other."""
        for _ in range(times):
            self.get_page(path)

    def get_page(self, path: str = "/") -> str:
        """Ask the balancer as a client does; a refusal is an empty answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.public, timeout=PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.read().decode() if answer.status == 200 else ""
        except ConnectionError:
            return ""
        finally:
            connection.close()

    # --- what is under test

    def observed(self) -> ObservedBalancer:
        """Return the balancer as observing sees it."""
        return HaproxyBalancers(RealClock()).observe(self, CONTAINER)

    def balancer(self) -> HaproxyBalancer:
        """Lend the balancer until the end of the test."""
        return self.lent.enter_context(HaproxyBalancers(RealClock()).on("lb1", self, "lb"))

    def own_digest(self) -> str:
        """Return what the worker of this very container runs."""
        return HaproxyBalancers(RealClock()).own_digest("lb1", self, "lb")

    def wait_until(self, fact: Callable[[], bool]) -> None:
        """Wait until a fact holds."""
        wait_until(fact)

    # --- the shell

    def put(self, container_id: str, folder: str, files: tuple[FileContent, ...]) -> None:
        """Write files."""
        for file in files:
            Path(self._inside(f"{folder}/{file.name}")).write_text(self._inside(file.content.decode()))

    def get(self, container_id: str, path: str) -> bytes | None:
        """Read a file."""
        found = Path(self._inside(path))
        return self._outside(found.read_text()).encode() if found.exists() else None

    def run(self, container_id: str, argv: tuple[str, ...]) -> Completed:
        """Run a command."""
        done = subprocess.run([self._inside(word) for word in argv], capture_output=True, check=False)
        return Completed(done.returncode, done.stdout, done.stderr)

    def open(self, container_id: str, argv: tuple[str, ...]) -> Stream:
        """Run a command and lend its input and output."""
        self.opened += 1
        words = [self._inside(word) for word in argv]
        devnull = subprocess.DEVNULL
        return ProcessStream(
            subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=devnull, bufsize=0)
        )

    def signal(self, container_id: str, name: str) -> None:
        """Send a signal to the master."""
        assert self.master is not None
        self.master.send_signal(signal.Signals[name])

    # --- the reader

    def observe(self, fleet: str) -> ObservedHost:
        """Observe nothing."""
        raise NotImplementedError

    def container(self, name_or_id: str) -> ObservedContainer | None:
        """Know no container."""
        return None

    def logs(self, container_id: str, lines: int) -> tuple[str, ...]:
        """Return the last lines HAProxy wrote."""
        return tuple((self.folder / "log").read_text().splitlines()[-lines:])

    def file(self, container_id: str, path: str) -> bytes | None:
        """Read a file."""
        return self.get(container_id, path)

    def state(self, container_id: str, path: str) -> FileState | None:
        """Read a file, which has no date: an archive of ours gave it none."""
        content = self.get(container_id, path)
        return None if content is None else FileState(content, 0o444, 0, 0)

    def page(self, container_id: str, port: int, path: str) -> bytes:
        """Read a page from the port that stands for one of the container."""
        assert port == 8404
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[1], timeout=PATIENCE)
        try:
            connection.request("GET", path)
            return connection.getresponse().read()
        except OSError as error:
            raise EngineRefused("lb1", str(error)) from error
        finally:
            connection.close()

    def _translations(self) -> Mapping[str, str]:
        return {
            "/etc/haproxy": f"{self.folder}/etc",
            "/run/haproxy": f"{self.folder}/run",
            "bind :8404": f"bind 127.0.0.1:{self.ports[1]}",
            f"bind :{self.public}": f"bind 127.0.0.1:{self.public}",
        }

    def _inside(self, text: str) -> str:
        for outside, inside in self._translations().items():
            text = text.replace(outside, inside)
        return text

    def _outside(self, text: str) -> str:
        for outside, inside in self._translations().items():
            text = text.replace(inside, outside)
        return text


def server_of(balancer: ObservedBalancer, name: str, backend: str = "web") -> ServerState:
    """Return a server that must be listed."""
    (found,) = [each for each in balancer.servers if (each.backend, each.name) == (backend, name)]
    return found


def free_ports(count: int) -> tuple[int, ...]:
    """Return ports nobody listens on now."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return tuple(each.getsockname()[1] for each in sockets)


def wait_until(fact: Callable[[], bool], seconds: float = PATIENCE) -> None:
    """Wait until a fact holds, and fail where it does not come to hold."""
    deadline = time.monotonic() + seconds
    while not fact():
        assert time.monotonic() < deadline, "it did not come to hold"
        time.sleep(0.02)


@contextlib.contextmanager
def hammered(stage: Stage) -> Iterator[list[str]]:
    """Send requests that are never repeated, one after the other; gather the answers, empty where one failed."""
    answers: list[str] = []
    enough = threading.Event()

    def hammer() -> None:
        while not enough.is_set():
            answers.append(stage.get_page())

    client = threading.Thread(target=hammer)
    client.start()
    yield answers
    enough.set()
    client.join(PATIENCE)
