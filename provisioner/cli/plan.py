"""`provisioner plan`: what would happen, host by host, and why."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from provisioner.cli.options import Common, Locked, takes_common
from provisioner.cli.screen import open_view, settings

INCOMPLETE, CHANGES = 4, 2

Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Keep the plan in a file, for `apply FILE`.", metavar="FILE")
]
Detailed = Annotated[bool, typer.Option("--detailed-exitcode", help="Exit 2 when there is something to do.")]


@takes_common
def plan(
    context: typer.Context,
    common: Common,
    *,
    output: Output = None,
    detailed_exitcode: Detailed = False,
    locked: Locked = False,
) -> int:
    """Show what apply would do, host by host, and why."""
    from provisioner.reconcile.prepare import prepare
    from provisioner.wiring import fleet, parts, plan_file

    view, chosen = open_view(context, common), settings(common, locked=locked)
    declared = fleet.declare(chosen)
    intent = fleet.intend(chosen, declared)
    with parts.open_world(chosen, declared, view) as world:
        prepared = prepare(world.lookout, intent, world.builder, world.builder_host)
    if output is not None:
        plan_file.write(output, prepared)
    view.plan(prepared.plan, prepared.observed.unreachable)
    if prepared.observed.unreachable:
        return INCOMPLETE
    return CHANGES if detailed_exitcode and prepared.plan.steps else 0
