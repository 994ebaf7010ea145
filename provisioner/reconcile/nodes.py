"""Starts, judges, stops and removes containers."""

from __future__ import annotations

from provisioner.errors import GateReport, NodeUnhealthy, PlanStale
from provisioner.model.balancer import ServerState
from provisioner.model.balancer_actions import StartBalancer
from provisioner.model.container import ContainerRequest
from provisioner.model.observed import ObservedContainer
from provisioner.model.plan import (
    AwaitHealthy,
    AwaitRunning,
    RemoveContainer,
    RemoveVolume,
    ReviveContainer,
    StartNode,
    StopContainer,
)
from provisioner.model.spec import LOAD_BALANCER
from provisioner.ports import FileContent
from provisioner.reconcile.creating import create
from provisioner.reconcile.run import Run, known_id, states
from provisioner.reconcile.secret_delivery import with_secrets

POLL = 0.25
LOG_LINES = 12
BALANCER_START = 20.0


def start_node(action: StartNode, run: Run) -> str:
    """Create and start the container of a slot."""
    request = ContainerRequest(
        name=action.name,
        image_id=known_id(action.image),
        options=action.options,
        hostname=action.host,
        ports=action.ports,
        labels=run.labels(action.node, action.service, action.slot),
    )
    container_id = create(run, action.host, with_secrets(request, action, run) if action.secrets else request)
    run.hands(action.host).containers.start(container_id)
    return f"slot {action.slot}"


def start_balancer(action: StartBalancer, run: Run) -> str:
    """Create the balancer with its file in place, start it, and wait until a worker shows the file's digest."""
    request = ContainerRequest(
        name=action.name,
        image_id=known_id(action.image),
        options=action.options,
        hostname=action.host,
        ports=action.ports,
        labels=run.labels(action.node, LOAD_BALANCER, "a"),
    )
    hands = run.hands(action.host)
    container_id = create(run, action.host, request)
    _refuse_forgetting(action, run, container_id)
    hands.shell.put(container_id, "/etc/haproxy", (FileContent("haproxy.cfg", action.text.encode()),))
    hands.containers.start(container_id)
    _await_file(action, run, container_id)
    return ""


def _refuse_forgetting(action: StartBalancer, run: Run, container_id: str) -> None:
    """Stop where the volume's record drains nodes that the file lets in: without a container nobody could read it."""
    reader = run.hands(action.host).reader
    container = reader.container(container_id)
    known = run.world.balancers.observe(reader, container).drained if container else ()
    if forgotten := [each.node for each in known if each not in action.drained]:
        told = f"{', '.join(forgotten)} was drained by hand, which only the balancer's volume still knew"
        raise PlanStale(f"{action.host}: {told}", hint="run the command again: it starts from what is known now")


def _await_file(action: StartBalancer, run: Run, container_id: str) -> None:
    reader, clock = run.hands(action.host).reader, run.world.clock
    deadline = clock.monotonic() + BALANCER_START
    while clock.monotonic() < deadline:
        container = reader.container(container_id)
        if container is None or container.state in {"exited", "dead"}:
            break
        if container.running and run.world.balancers.observe(reader, container).running_digest == action.digest:
            return
        clock.sleep(POLL)
    log = reader.logs(container_id, LOG_LINES)
    raise NodeUnhealthy(action.host, "the balancer did not come up with its file", node=action.node, log=log)


def revive_container(action: ReviveContainer, run: Run) -> str:
    """Start or unpause a container that is as it should be, with the restart policy it had."""
    run.hands(action.host).containers.start(action.container_id, action.restart)
    return ""


def await_healthy(action: AwaitHealthy, run: Run) -> str:
    """Wait until the balancer's checks of a slot have passed long enough; one that was held gets no traffic yet."""
    with run.balancer(action.host) as balancer:
        (server,) = states(balancer, action.host, action.backend, (action.server,))
        if server.admin != "ready":
            balancer.set_state(action.backend, (action.server,), "drain")
            balancer.distrust(action.backend, (action.server,))
        watch = _Watch(run, action)
        while True:
            (server,) = states(balancer, action.host, action.backend, (action.server,))
            if watch.satisfied(server):
                return f"healthy after {watch.waited():.1f} s"
            run.wait(POLL)


def await_running(action: AwaitRunning, run: Run) -> str:
    """Wait until a container that no balancer judges has run, or been healthy, long enough."""
    watch = _Watch(run, action)
    while not watch.satisfied(None):
        run.wait(POLL)
    run.vigil.begin(run, action.host, action.node, None)
    return f"steady after {watch.waited():.1f} s"


class _Watch:
    """Judges one container while it warms up; any bad moment starts the count of good ones again."""

    def __init__(self, run: Run, action: AwaitHealthy | AwaitRunning) -> None:
        self._run = run
        self._action = action
        self._host = action.node_host if isinstance(action, AwaitHealthy) else action.host
        self._since = run.world.clock.monotonic()
        self._good_since: float | None = None
        self._first: ObservedContainer | None = None
        self._failed_checks: int | None = None
        self._server: ServerState | None = None

    def waited(self) -> float:
        """Return the seconds since the watch began."""
        return self._run.world.clock.monotonic() - self._since

    def satisfied(self, server: ServerState | None) -> bool:
        """Take one look; raise NodeUnhealthy when the container died or the deadline passed."""
        now = self._run.world.clock.monotonic()
        self._server = server
        reason = self._objection(server)
        self._good_since = None if reason else (self._good_since if self._good_since is not None else now)
        if self._good_since is not None and now - self._good_since >= self._action.min_healthy_time:
            return True
        if now - self._since > self._action.healthy_deadline:
            waited = f"within {self._action.healthy_deadline:g} s"
            raise self._failure(
                f"{self._action.node} did not become healthy {waited}: {reason or 'not for long enough'}"
            )
        self._run.progress(self._action)(reason or "healthy, staying under watch", 0, 0)
        return False

    def _objection(self, server: ServerState | None) -> str:
        container = self._run.hands(self._host).reader.container(self._action.name)
        if container is None:
            raise self._failure(f"the container of {self._action.node} is gone")
        self._refuse_dead(container)
        if self._action.engine_test and container.health != "healthy":
            return f"its health test says {container.health}"
        return self._checked(server) if server is not None else ""

    def _checked(self, server: ServerState) -> str:
        """Return what the balancer has against it; a check that failed since the last look counts, others or not."""
        before, self._failed_checks = self._failed_checks, server.failed_checks
        if server.health != "up":
            return f"the balancer's check says {server.answer or server.check or 'nothing yet'}"
        return (
            "the balancer's checks pass and fail by turns"
            if before is not None and server.failed_checks > before
            else ""
        )

    def _refuse_dead(self, container: ObservedContainer) -> None:
        first = self._first = self._first or container
        if container.state in {"exited", "dead", "restarting"} or container.started_at != first.started_at:
            raise self._failure(f"the container of {self._action.node} ended ({_cause(container)})")

    def _failure(self, message: str) -> NodeUnhealthy:
        log = self._run.hands(self._host).reader.logs(self._action.name, LOG_LINES)
        hint = "its last log lines say why; the old container still serves"
        return NodeUnhealthy(self._host, message, node=self._action.node, log=log, hint=hint, watched=self._watched())

    def _watched(self) -> GateReport:
        now, server = self._run.world.clock.monotonic(), self._server
        good = now - self._good_since if self._good_since is not None else 0.0
        return GateReport(now - self._since, good, server.check if server else "", server.answer if server else "")


def _cause(container: ObservedContainer) -> str:
    if container.out_of_memory:
        return "out of memory"
    return "and was started again" if container.running else f"exit code {container.exit_code}"


def stop_container(action: StopContainer, run: Run) -> str:
    """Stop a container for good."""
    run.hands(action.host).containers.stop(action.container_id, action.stop_timeout)
    return ""


def remove_container(action: RemoveContainer, run: Run) -> str:
    """Remove a container that the plan saw, or that this run made, and the volume with its secrets."""
    container_id = action.container_id or run.created.get((action.host, action.name), "")
    if container_id:
        run.hands(action.host).containers.remove(container_id)
    if action.volume:
        run.hands(action.host).containers.remove_volume(action.volume)
    return "" if container_id else "it was never made"


def remove_volume(action: RemoveVolume, run: Run) -> str:
    """Remove a volume of ours."""
    run.hands(action.host).containers.remove_volume(action.volume)
    return ""
