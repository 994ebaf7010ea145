"""Runs a release command: once, in a container of the new image that leaves nothing behind."""

from __future__ import annotations

from provisioner.errors import ReleaseCommandFailed
from provisioner.model.container import ContainerRequest
from provisioner.model.observed import ObservedContainer
from provisioner.model.plan import RunReleaseCommand
from provisioner.model.secret import secrets_volume
from provisioner.reconcile.creating import create
from provisioner.reconcile.run import Run, known_id
from provisioner.reconcile.secret_delivery import with_secrets

POLL = 0.25
LOG_LINES = 12


def run_release_command(action: RunReleaseCommand, run: Run) -> str:
    """Run it to its end; what an earlier run left under its name goes first. Raise ReleaseCommandFailed."""
    hands = run.hands(action.host)
    left = hands.reader.container(action.name)
    if left is not None and left.fleet == run.fleet:
        hands.containers.remove(left.container_id)
    request = ContainerRequest(
        name=action.name,
        image_id=known_id(action.image),
        options=action.options,
        hostname=action.host,
        labels=run.labels("", action.service, ""),
    )
    container_id = create(run, action.host, with_secrets(request, action, run) if action.secrets else request)
    try:
        hands.containers.start(container_id)
        ended = _ended(action, run, container_id)
        if ended.exit_code:
            raise _failure(action, run, container_id, f"ended with exit code {ended.exit_code}")
    finally:
        hands.containers.remove(container_id)
        if action.secrets:
            hands.containers.remove_volume(secrets_volume(action.name))
    return "ended well"


def _ended(action: RunReleaseCommand, run: Run, container_id: str) -> ObservedContainer:
    clock, reader = run.world.clock, run.hands(action.host).reader
    deadline = clock.monotonic() + action.deadline
    while clock.monotonic() <= deadline:
        found = reader.container(container_id)
        if found is not None and found.state in {"exited", "dead"}:
            return found
        run.progress(action)("it runs", 0, 0)
        run.pause(POLL)
    raise _failure(action, run, container_id, f"did not end within {action.deadline:g} s")


def _failure(action: RunReleaseCommand, run: Run, container_id: str, what: str) -> ReleaseCommandFailed:
    words = (*(action.options.entrypoint or ()), *(action.options.command or ()))
    return ReleaseCommandFailed(
        f"the release command of {action.service} ({' '.join(words)}) on {action.host} {what}",
        log=run.hands(action.host).reader.logs(container_id, LOG_LINES),
        hint="its last log lines say why; no node was touched",
    )
