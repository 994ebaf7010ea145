"""`provisioner prune`: off every host goes what no release that is kept needs."""

from __future__ import annotations

from typing import Annotated

import typer

from provisioner.cli.options import Common, Without, takes_common
from provisioner.cli.screen import open_view, settings

INCOMPLETE = 4

DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be removed.")]


@takes_common
def prune(context: typer.Context, common: Common, *, dry_run: DryRun = False, without: Without = None) -> int:
    """Remove images of older releases; `rollout.retain` says how many releases stay."""
    from provisioner.reconcile import prune as housekeeping
    from provisioner.reconcile.chronicle import open_archive
    from provisioner.wiring import fleet, parts

    view, chosen = open_view(context, common, run=not dry_run), settings(common)
    declared = fleet.declare(chosen)
    with parts.open_world(chosen, declared, view) as world:
        archive = open_archive(world.lookout, declared.placement.hosts, declared.spec.name)
        found = housekeeping.clearance(archive, declared.spec.rollout.retain)
        if not dry_run:
            return housekeeping.prune(world, found, frozenset(without or ())).exit_code
    rows = [(change.host, image) for change in found.plan.changes for image in change.reasons]
    view.table("images", ("host", "image"), rows)
    return INCOMPLETE if found.observed.unreachable else 0
