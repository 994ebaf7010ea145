"""Lets a second container of the balancer take over from the one that serves, which goes on until it is stopped."""

from __future__ import annotations

from contextlib import suppress

from provisioner.errors import EngineRefused, HostError, NodeUnhealthy
from provisioner.model.balancer_actions import HandOverBalancer
from provisioner.model.container import ContainerRequest
from provisioner.model.observed import ObservedContainer
from provisioner.model.spec import LOAD_BALANCER
from provisioner.ports import FileContent
from provisioner.reconcile.creating import create
from provisioner.reconcile.nodes import BALANCER_START, LOG_LINES, POLL
from provisioner.reconcile.run import Run, known_id

FOLDER, FILE = "/etc/haproxy", "haproxy.cfg"
STEADY = 1.0
"""Seconds for which the new one has to serve before the old one may go; meanwhile both do."""


def hand_over_balancer(action: HandOverBalancer, run: Run) -> str:
    """Start the second container and wait until its own worker serves; where it does not, put the file back.

    Both hold the same listening sockets from then on, so that no connection is lost whoever accepts it.
    """
    if action.container_id:
        _await_worker(action, run, action.container_id)
        return f"{action.name} serves"
    previous = run.hands(action.host).reader.file(action.predecessor, f"{FOLDER}/{FILE}")
    container_id = create(run, action.host, _request(action, run))
    try:
        _put(action, run, container_id, action.text.encode())
        run.hands(action.host).containers.start(container_id)
        _await_worker(action, run, container_id)
    except HostError:
        if previous is not None:
            _put(action, run, container_id, previous)
        raise
    return f"{action.name} serves beside {action.predecessor}"


def _request(action: HandOverBalancer, run: Run) -> ContainerRequest:
    return ContainerRequest(
        name=action.name,
        image_id=known_id(action.image),
        options=action.options,
        hostname=action.host,
        labels=run.labels(action.node, LOAD_BALANCER, action.name.rpartition(".")[2]),
    )


def _put(action: HandOverBalancer, run: Run, container_id: str, text: bytes) -> None:
    """Write the file into the volume that both containers share; nobody reads it before a start."""
    run.hands(action.host).shell.put(container_id, FOLDER, (FileContent(FILE, text),))


def _await_worker(action: HandOverBalancer, run: Run, container_id: str) -> None:
    hands, clock = run.hands(action.host), run.world.clock
    deadline = clock.monotonic() + BALANCER_START
    good_since: float | None = None
    while (now := clock.monotonic()) < deadline:
        container = hands.reader.container(container_id)
        if container is None or container.state in {"exited", "dead", "restarting"} or container.restarts:
            break
        good_since = (good_since if good_since is not None else now) if _serves(action, run, container) else None
        if good_since is not None and now - good_since >= STEADY:
            return
        clock.sleep(POLL)
    log = hands.reader.logs(container_id, LOG_LINES)
    hint = "its last log lines say why; the one before it goes on serving"
    raise NodeUnhealthy(action.host, "the new balancer did not take over", node=action.node, log=log, hint=hint)


def _serves(action: HandOverBalancer, run: Run, container: ObservedContainer) -> bool:
    """Tell whether this very container's worker runs, with the file it was given where one was given to it."""
    hands = run.hands(action.host)
    with suppress(EngineRefused):
        shown = run.world.balancers.own_digest(action.host, hands.shell, container.container_id)
        return shown == action.digest if action.digest else bool(shown)
    return False
