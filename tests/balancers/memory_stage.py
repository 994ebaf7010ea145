"""The stage of the real HAProxy once more, in memory: two slots, one balancer, a clock that passes when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from provisioner.balancers.memory import CONFIG, MemoryBalancer, MemoryBalancers
from provisioner.model.balancer import Backend, BalancerConfig, Check, Server
from provisioner.model.file_state import FileState
from provisioner.model.observed import ObservedBalancer, ObservedContainer, ObservedHost
from provisioner.model.spec import Bind, Route
from provisioner.ports import Completed, FileContent, Stream
from provisioner.render.balancer import balancer_text
from tests.balancers.stage import CHECK, CONTAINER
from tests.render.declared import shipped

PORTS = {"a": 18000, "b": 18001}


@dataclass
class MemoryStage:
    """The world, the clock, the shell and the reader of one balancer in memory."""

    time: float = 0.0
    serving: set[str] = field(default_factory=set)
    files: dict[str, bytes] = field(default_factory=dict)
    lent: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        """Set up the balancers."""
        self.balancers = MemoryBalancers(self, self)

    # --- the scene, as the real one has it

    def config(self, *more: Server, drain_timeout: float = 5.0, check: Check | None = None) -> BalancerConfig:
        """Return the configuration of both slots, and of further servers."""
        servers = tuple(self.server(slot, check or CHECK) for slot in "ab") + more
        backend = Backend("web", servers)
        return BalancerConfig("hello", (Bind(80),), "roundrobin", (Route("web"),), (backend,), drain_timeout)

    def server(self, slot: str, check: Check, suffix: str = "") -> Server:
        """Return a slot as the balancer lists it."""
        name = f"web1.1.{slot}{suffix}"
        return Server(name, "web1/web-1", "a" if slot == "a" else "b", "127.0.0.1", PORTS[slot], check)

    def text(self, config: BalancerConfig) -> tuple[str, str]:
        """Return the file of a configuration and its digest."""
        return balancer_text(config, shipped())

    def serve(self, slot: str) -> None:
        """Let a slot answer."""
        self.serving.add(slot)

    def ask(self, times: int, path: str = "/") -> None:
        """Send requests as clients do; those for `/fail` are answered with 500."""
        worker = self.balancers.worker("lb", self.files[CONFIG])
        assert worker is not None
        worker.request("web", times, self.time, 1.0 if path == "/fail" else 0.0)

    def fall_silent(self, slot: str) -> None:
        """Let a slot answer no more."""
        self.serving.remove(slot)

    def start(self, config: BalancerConfig) -> str:
        """Start the balancer with the file of a configuration and return the file's digest."""
        text, digest = self.text(config)
        self.files[CONFIG] = text.encode()
        self.balancers.worker("lb", self.files[CONFIG])
        return digest

    def stop(self) -> None:
        """End it."""
        self.lent.close()

    def observed(self) -> ObservedBalancer:
        """Return the balancer as observing sees it."""
        return self.balancers.observe(self, CONTAINER)

    def balancer(self) -> MemoryBalancer:
        """Lend the balancer until the end of the test."""
        return self.lent.enter_context(self.balancers.on("lb1", self, "lb"))

    def own_digest(self) -> str:
        """Return what the worker of this very container runs."""
        return self.balancers.own_digest("lb1", self, "lb")

    def wait_until(self, fact: Callable[[], bool]) -> None:
        """Let time pass until a fact holds."""
        deadline = self.time + 10.0
        while not fact():
            assert self.time < deadline, "it did not come to hold"
            self.time += 0.02

    # --- the world and the clock

    def answers(self, address: str, port: int, path: str | None, at: float) -> bool:
        """Tell whether a slot answers."""
        return any(PORTS[slot] == port for slot in self.serving)

    def fails(self, address: str, port: int, at: float) -> float:
        """Fail no request but those that ask for it."""
        return 0.0

    def started(self, container_id: str) -> tuple[str, float] | None:
        """Return the only run of the container."""
        return ("first", 0.0)

    @contextmanager
    def effect(self, host: str, name: str) -> Iterator[int]:
        """Let it happen."""
        yield 1

    def monotonic(self) -> float:
        """Return the time."""
        return self.time

    def sleep(self, seconds: float) -> None:
        """Pass time."""
        self.time += seconds

    def now(self) -> str:
        """Return no time of day."""
        return ""

    # --- the shell and the reader

    def put(self, container_id: str, folder: str, files: tuple[FileContent, ...]) -> None:
        """Write files."""
        self.files.update({f"{folder}/{file.name}": file.content for file in files})

    def get(self, container_id: str, path: str) -> bytes | None:
        """Read a file."""
        return self.files.get(path)

    def file(self, container_id: str, path: str) -> bytes | None:
        """Read a file."""
        return self.files.get(path)

    def state(self, container_id: str, path: str) -> FileState | None:
        """Read a file."""
        return FileState(self.files[path], 0o444, 0, 0) if path in self.files else None

    def run(self, container_id: str, argv: tuple[str, ...]) -> Completed:
        """Run nothing."""
        raise NotImplementedError

    def open(self, container_id: str, argv: tuple[str, ...]) -> Stream:
        """Open nothing."""
        raise NotImplementedError

    def signal(self, container_id: str, name: str) -> None:
        """Signal nothing."""

    def observe(self, fleet: str) -> ObservedHost:
        """Observe nothing."""
        raise NotImplementedError

    def container(self, name_or_id: str) -> ObservedContainer | None:
        """Know no container."""
        return None

    def logs(self, container_id: str, lines: int) -> tuple[str, ...]:
        """Have no logs."""
        return ()

    def page(self, container_id: str, port: int, path: str) -> bytes:
        """Serve nothing."""
        raise NotImplementedError
