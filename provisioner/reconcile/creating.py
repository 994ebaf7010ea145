"""Creates containers whose names are fixed: one that this run asked for, and was not told of, is still its own."""

from __future__ import annotations

from provisioner.errors import EngineRefused, PlanStale
from provisioner.model.container import ContainerRequest
from provisioner.reconcile.run import Run

CONFLICT = 409


def create(run: Run, host: str, request: ContainerRequest) -> str:
    """Create a container that this run may take back. Raise PlanStale where another one has its name by now."""
    try:
        container_id = run.hands(host).containers.create(request)
    except EngineRefused as error:
        if error.status != CONFLICT:
            raise
        container_id = _made_before(run, host, request)
        if not container_id:
            raise PlanStale(
                f"{host}: a container named {request.name} appeared after the plan was made",
                hint="run the command again: it starts from what is there now",
            ) from error
    run.created[host, request.name] = container_id
    return container_id


def _made_before(run: Run, host: str, request: ContainerRequest) -> str:
    """Return the id of a container that this run asked for, and was not told of: its labels name the run's epoch."""
    found = run.hands(host).reader.container(request.name)
    if found is None or found.state != "created" or not run.guard.epoch:
        return ""
    return found.container_id if request.labels.items() <= found.labels.items() else ""
