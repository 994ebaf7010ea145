"""`provisioner lease`: who may change the fleet now."""

from __future__ import annotations

from typing import Annotated

import typer

from provisioner.cli.options import Common, takes_common
from provisioner.cli.screen import open_view, settings
from provisioner.errors import UsageError

INCOMPLETE = 4

app = typer.Typer(no_args_is_help=True, help="Who may change the fleet now.")

RunId = Annotated[str, typer.Option("--run", help="The run, as `lease show` names it.", metavar="ID")]


@app.command("show")
@takes_common
def show(context: typer.Context, common: Common) -> int:
    """Show who holds the lease, since when, and what that run did last."""
    from provisioner.reconcile.lease_report import leases_seen
    from provisioner.wiring import controller, fleet

    view, chosen = open_view(context, common), settings(common)
    inventory, name = fleet.read_fleet_inventory(chosen), fleet.named_fleet(chosen)
    with controller.open_leases(chosen, inventory) as lend:
        seen = leases_seen(lend, name, inventory.hosts.values(), chosen.forks)
    view.leases(seen)
    return INCOMPLETE if seen.unreachable else 0


@app.command("break")
@takes_common
def break_(context: typer.Context, common: Common, *, run: RunId = "") -> int:
    """End the lease of a run; if that is alive, it stops before its next effect."""
    from provisioner.reconcile.lease_report import break_lease
    from provisioner.wiring import fleet, parts

    view, chosen = open_view(context, common), settings(common)
    if not run:
        raise UsageError("say which run", hint="lease break --run ID, as `provisioner lease show` names it")
    declared = fleet.declare(chosen)
    with parts.open_world(chosen, declared, view) as world:
        hosts = break_lease(world, declared.spec.name, declared.inventory.hosts, run)
    view.table("broken", ("host", "run"), [(host, run) for host in hosts])
    return 0
