"""Plans in files: kept by `plan -o FILE`, and held against what is there when `apply FILE` is asked for."""

from __future__ import annotations

from pathlib import Path

from provisioner.errors import PlanStale, UsageError
from provisioner.local.files import write_private
from provisioner.planning.staleness import first_difference, saved_plan
from provisioner.reconcile.prepare import Prepared
from provisioner.spec.plan_file import decode_plan, encode_plan


def write(path: Path, prepared: Prepared) -> None:
    """Keep a plan, readable by its owner alone: it holds environments. Raise StorageFailed."""
    write_private(path, encode_plan(saved_plan(prepared.plan, prepared.observed)))


def refuse_stale(path: Path, prepared: Prepared) -> None:
    """Raise PlanStale where the plan is not the one in the file any more, UsageError where there is none."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}", hint="make it with `plan -o`") from error
    kept, now = decode_plan(content, str(path)), saved_plan(prepared.plan, prepared.observed)
    if difference := first_difference(kept, now):
        raise PlanStale(
            f"{path} is not the plan any more: {difference}; nothing was changed",
            hint="plan again, and look at what would be done now",
        )
