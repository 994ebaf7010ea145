"""`provisioner destroy`: everything of one fleet off its hosts."""

from __future__ import annotations

from typing import Annotated

import typer

from provisioner.cli.options import Common, Without, takes_common
from provisioner.cli.screen import open_view, settings
from provisioner.errors import UsageError

Confirm = Annotated[str, typer.Option("--confirm", help="The fleet's name, to be sure.", metavar="NAME")]
Volumes = Annotated[bool, typer.Option("--volumes", help="Remove data volumes too.")]


@takes_common
def destroy(
    context: typer.Context, common: Common, *, confirm: Confirm = "", volumes: Volumes = False, without: Without = None
) -> int:
    """Remove the fleet; data volumes stay unless asked for."""
    from provisioner.reconcile.destroy import destroy as demolish
    from provisioner.reconcile.destroy import survey
    from provisioner.wiring import fleet, parts

    view, chosen = open_view(context, common, run=True), settings(common)
    declared = fleet.declare(chosen)
    name = declared.spec.name
    if confirm != name:
        raise UsageError(f"this removes the fleet {name} from its hosts", hint=f"say --confirm {name}")
    intent = fleet.intend(chosen, declared, without=frozenset(without or ()))
    with parts.open_world(chosen, declared, view) as world:
        return demolish(world, intent, survey(world.lookout, intent, data=volumes), data=volumes).exit_code
