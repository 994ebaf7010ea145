"""Load balancers in memory: they judge servers by the clock they are lent, as HAProxy would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from threading import RLock
from typing import Protocol

from provisioner.balancers.drained import RECORD, decode_drained, encode_drained
from provisioner.balancers.memory_file import parse
from provisioner.balancers.memory_worker import RunningServer, Worker
from provisioner.errors import BalancerRefused
from provisioner.model.balancer import FULL_SHARE, AdminState, Drained, ServerState
from provisioner.model.observed import ObservedBalancer, ObservedContainer
from provisioner.ports import Clock, ContainerShell, FileContent, HostReader

CONFIG = "/etc/haproxy/haproxy.cfg"


class World(Protocol):
    """What surrounds a balancer in memory."""

    def answers(self, address: str, port: int, path: str | None, at: float) -> bool:
        """Tell whether a check passed at a moment: HTTP on a path, or a connection for None."""

    def fails(self, address: str, port: int, at: float) -> float:
        """Return the share of requests that is answered with 5xx at a moment."""

    def started(self, container_id: str) -> tuple[str, float] | None:
        """Return what tells this run of a container from others, and when it began; None where it does not run."""

    def effect(self, host: str, name: str) -> AbstractContextManager[int]:
        """Record that a balancer on a host is changed, around the code that does it; tell how often it does."""


class MemoryBalancers:
    """Balancers in containers of a world in memory; their file lies at `path` inside the container.

    `rate` is how many requests a second clients send to every backend.
    """

    def __init__(self, clock: Clock, world: World, path: str = CONFIG) -> None:
        self.clock = clock
        self.world = world
        self.path = path
        self.record = f"{path.rpartition('/')[0]}/{RECORD.rpartition('/')[2]}"
        self.rate = 0.0
        self._workers: dict[str, tuple[str, Worker | None]] = {}
        self._lock = RLock()

    def observe(self, reader: HostReader, container: ObservedContainer) -> ObservedBalancer:
        """Read the balancer in that container, without a change.

        As the statistics page does, this gives a server that is drained and down as ready and down.
        """
        seen = self.report(container.container_id, reader.file(container.container_id, self.path))
        drained = decode_drained(container.hostname, reader.file(container.container_id, self.record))
        return replace(seen, servers=tuple(_on_the_page(server) for server in seen.servers), drained=drained)

    @contextmanager
    def on(self, host: str, shell: ContainerShell, container_id: str) -> Iterator[MemoryBalancer]:
        """Lend the balancer in that container for one action."""
        yield MemoryBalancer(self, host, shell, container_id)

    def own_digest(self, host: str, shell: ContainerShell, container_id: str) -> str:  # noqa: ARG002 - as the port has it
        """Return the digest of the file that this container's worker runs, empty where it has none."""
        return self.report(container_id, shell.get(container_id, self.path)).running_digest

    def pool(self, reader: HostReader, container_id: str) -> dict[str, tuple[str, ...]]:
        """Return by backend the servers that get new requests now, empty where no worker runs."""
        worker = self.worker(container_id, reader.file(container_id, self.path))
        return worker.pool() if worker is not None else {}

    def occupy(self, container_id: str, server: str, sessions: int, until: float | None = None) -> None:
        """Give a server (`web/web1.1.a`) sessions, which last until a moment, or until they are cut."""
        backend, _, name = server.rpartition("/")
        _, worker = self._workers[container_id]
        found = worker.find(backend, name) if worker is not None else None
        if found is None:
            raise KeyError(server)
        found.sessions, found.sessions_end = sessions, until

    def worker(self, container_id: str, file: bytes | None) -> Worker | None:
        """Return the worker that runs in a container now; a new run reads `file`. None where none can run."""
        started = self.world.started(container_id)
        if started is None:
            return None
        run, born = started
        with self._lock:
            if self._workers.get(container_id, ("", None))[0] != run:
                self._workers[container_id] = (run, self._fresh(file, born))
            worker = self._workers[container_id][1]
            if worker is not None:
                worker.advance(self.clock.monotonic())
                worker.serve(self.clock.monotonic(), self.rate)
            return worker

    def reload(self, container_id: str, text: str) -> None:
        """Replace the worker of a container by one that knows nothing but a file."""
        run, _ = self._workers[container_id]
        self._workers[container_id] = (run, self._fresh(text.encode(), self.clock.monotonic()))

    def _fresh(self, file: bytes | None, born: float) -> Worker | None:
        if file is None:
            return None
        try:
            return Worker(parse(file.decode()), born, self.world.answers, self.world.fails)
        except ValueError:
            return None

    def report(self, container_id: str, file: bytes | None) -> ObservedBalancer:
        """Return the balancer of a container whose file holds these bytes now."""
        worker = self.worker(container_id, file)
        text = None if file is None else file.decode()
        if worker is None:
            return ObservedBalancer(container_id, text, "")
        return ObservedBalancer(container_id, text, worker.file.digest, worker.states())


class MemoryBalancer:
    """One running balancer in memory, lent for one action."""

    def __init__(self, balancers: MemoryBalancers, host: str, shell: ContainerShell, container_id: str) -> None:
        self._balancers = balancers
        self._host = host
        self._shell = shell
        self._container = container_id

    def report(self) -> ObservedBalancer:
        """Return the digest of the file its worker parsed, and every server as that worker sees it."""
        drained = decode_drained(self._host, self._shell.get(self._container, self._balancers.record))
        return replace(self._balancers.report(self._container, self._file()), drained=drained)

    def configure(self, text: str, digest: str, drained: tuple[Drained, ...] | None = None) -> None:
        """Check a file, write it, and replace the worker: every state set at runtime is gone with the old one.

        `drained` takes the place of the record of drained nodes first.
        """
        self._worker()
        if drained is not None:
            folder, _, name = self._balancers.record.rpartition("/")
            self._shell.put(self._container, folder, (FileContent(name, encode_drained(drained)),))
        try:
            file = parse(text)
        except ValueError as fault:
            raise BalancerRefused(self._host, f"the file is not valid: {fault}") from fault
        if file.digest != digest:
            raise BalancerRefused(self._host, f"the file says it is {file.digest}, not {digest}")
        with self._balancers.world.effect(self._host, f"configure {digest}") as times:
            folder, _, name = self._balancers.path.rpartition("/")
            for _ in range(times):
                self._shell.put(self._container, folder, (FileContent(name, text.encode()),))
                self._balancers.reload(self._container, text)

    def set_state(self, backend: str, servers: tuple[str, ...], state: AdminState, share: int = FULL_SHARE) -> None:
        """Set the administrative state of servers, and their share of requests."""
        part = "" if share == FULL_SHARE else f" {share}%"
        name = f"set_state {backend} {state}{part}"
        self._each(name, backend, servers, lambda worker, each: worker.set_state(each, state, share))

    def distrust(self, backend: str, servers: tuple[str, ...]) -> None:
        """Take servers for down until their next own check; refused in maintenance, where none runs."""
        worker = self._worker()
        for server in servers:
            found = worker.find(backend, server)
            if found is not None and found.admin == "maint":
                raise BalancerRefused(self._host, f"{backend}/{server} is in maintenance: nothing checks it there")
        self._each(f"distrust {backend}", backend, servers, lambda worker, each: worker.distrust(each))

    def cut_sessions(self, backend: str, servers: tuple[str, ...]) -> None:
        """Close every session of servers."""
        self._each(f"cut_sessions {backend}", backend, servers, _cut)

    def _each(
        self, name: str, backend: str, servers: tuple[str, ...], command: Callable[[Worker, RunningServer], None]
    ) -> None:
        worker = self._worker()
        for server in servers:
            found = worker.find(backend, server)
            if found is None:
                raise BalancerRefused(self._host, f"no such server: {backend}/{server}")
            with self._balancers.world.effect(self._host, f"{name} {server}") as times:
                for _ in range(times):
                    command(worker, found)

    def _worker(self) -> Worker:
        worker = self._balancers.worker(self._container, self._file())
        if worker is None:
            raise BalancerRefused(self._host, "no worker of the balancer answers")
        return worker

    def _file(self) -> bytes | None:
        return self._shell.get(self._container, self._balancers.path)


def _cut(_: Worker, server: RunningServer) -> None:
    server.sessions, server.sessions_end = 0, None


def _on_the_page(server: ServerState) -> ServerState:
    drained_and_down = server.admin == "drain" and server.health == "down"
    return replace(server, admin="ready") if drained_and_down else server
