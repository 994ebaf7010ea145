"""HAProxy in a container: observed by the page it serves, changed through its admin socket and its file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from provisioner.balancers.drained import RECORD, decode_drained, encode_drained
from provisioner.balancers.reload import CONFIG, FileChange, own_digest, running_digest
from provisioner.balancers.session import AdminSession
from provisioner.balancers.stats import servers_from_csv, tracked_servers, with_admin_states
from provisioner.errors import BalancerRefused, EngineRefused
from provisioner.model.balancer import FULL_SHARE, AdminState, Drained, ServerState
from provisioner.model.observed import ObservedBalancer, ObservedContainer
from provisioner.ports import Clock, ContainerShell, HostReader

PAGE_PORT = 8404
STATISTICS = "/stats;csv"
DIGEST = "/cfg"


class HaproxyBalancers:
    """Knows HAProxy, as the template of its image and of its file set it up."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def observe(self, reader: HostReader, container: ObservedContainer) -> ObservedBalancer:
        """Read the balancer in that container, without an exec and without a change.

        Its page does not tell a drained server that fails its checks from one that only fails them: such a
        server is given as ready and down. `Balancer.report` knows.
        """
        file = reader.state(container.container_id, CONFIG)
        text = None if file is None or file.content is None else file.content.decode(errors="replace")
        # A file of ours has no date: whoever else writes it leaves one.
        touched = file is not None and file.changed != 0
        drained = decode_drained(container.hostname, reader.file(container.container_id, RECORD))
        mute = ObservedBalancer(container.container_id, text, "", (), drained, touched=touched)
        if not container.running:
            return mute
        try:
            digest = reader.page(container.container_id, PAGE_PORT, DIGEST).decode(errors="replace").strip()
            statistics = reader.page(container.container_id, PAGE_PORT, STATISTICS).decode(errors="replace")
        except EngineRefused:  # nobody listens there: no worker of ours runs, which is what the empty digest says
            return mute
        return replace(mute, running_digest=digest, servers=servers_from_csv(statistics))

    @contextmanager
    def on(self, host: str, shell: ContainerShell, container_id: str) -> Iterator[HaproxyBalancer]:
        """Lend the balancer in that container for one action."""
        balancer = HaproxyBalancer(host, shell, container_id, self._clock)
        try:
            yield balancer
        finally:
            balancer.close()

    def own_digest(self, host: str, shell: ContainerShell, container_id: str) -> str:  # noqa: ARG002 - as the port has it
        """Return the digest of the file that this container's own worker runs, empty where it has none yet."""
        return own_digest(shell, container_id)


class HaproxyBalancer:
    """One running HAProxy, lent for one action."""

    def __init__(self, host: str, shell: ContainerShell, container_id: str, clock: Clock) -> None:
        self._host = host
        self._shell = shell
        self._container = container_id
        self._clock = clock
        self._session = AdminSession(host, shell, container_id)

    def report(self) -> ObservedBalancer:
        """Return the digest of the file its running worker parsed, and every server as that worker sees it."""
        try:
            file = self._shell.get(self._container, CONFIG)
            record = self._shell.get(self._container, RECORD)
        except EngineRefused as error:
            raise BalancerRefused(self._host, f"its file cannot be read: {error.reason}") from error
        text = None if file is None else file.decode(errors="replace")
        drained = decode_drained(self._host, record)
        return ObservedBalancer(self._container, text, running_digest(self._session), self._servers(), drained)

    def configure(self, text: str, digest: str, drained: tuple[Drained, ...] | None = None) -> None:
        """Give it another file without losing a request, and wait until only workers of that file serve.

        `drained` takes the place of the record of drained nodes, before the file that goes with it; None leaves it.
        """
        change = FileChange(self._host, self._shell, self._container, self._clock, self._session)
        if drained is not None:
            change.replace(RECORD, encode_drained(drained))
        change.carry_out(text, digest)

    def set_state(self, backend: str, servers: tuple[str, ...], state: AdminState, share: int = FULL_SHARE) -> None:
        """Set the administrative state of servers and their share of requests, and see the state set.

        A share is a percentage of the weight their file gives them: of a weight of 1 it is all or nothing.
        """
        for server in servers:
            self._session.order(f"set server {backend}/{server} weight {share}%")
            self._session.order(f"set server {backend}/{server} state {state}")
        for seen in self._listed(backend, servers):
            if seen.admin != state:
                raise BalancerRefused(self._host, f"{backend}/{seen.name} was set to {state} and is in {seen.admin}")

    def distrust(self, backend: str, servers: tuple[str, ...]) -> None:
        """Take servers for down until their next own check, whatever the last one said.

        HAProxy ignores this in maintenance, where no check runs: that is refused.
        """
        tracked = tracked_servers(self._statistics())
        for seen in self._listed(backend, servers):
            if seen.admin == "maint":
                raise BalancerRefused(self._host, f"{backend}/{seen.name} is in maintenance: nothing checks it there")
            judge, name = tracked.get((backend, seen.name), (backend, seen.name))
            self._session.order(f"set server {judge}/{name} health down")

    def cut_sessions(self, backend: str, servers: tuple[str, ...]) -> None:
        """Close every session of servers."""
        for server in servers:
            self._session.order(f"shutdown sessions server {backend}/{server}")

    def close(self) -> None:
        """Give back the channel it used."""
        self._session.close()

    def _servers(self) -> tuple[ServerState, ...]:
        return with_admin_states(servers_from_csv(self._statistics()), self._session.ask("show servers state"))

    def _statistics(self) -> str:
        return self._session.ask("show stat -1 4 -1")

    def _listed(self, backend: str, servers: tuple[str, ...]) -> tuple[ServerState, ...]:
        found = {seen.name: seen for seen in self._servers() if seen.backend == backend}
        missing = [name for name in servers if name not in found]
        if missing:
            raise BalancerRefused(self._host, f"the running balancer lists no server {backend}/{missing[0]}")
        return tuple(found[name] for name in servers)
