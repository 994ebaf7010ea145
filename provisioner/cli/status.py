"""`provisioner status`: what runs where, and whether it is the same everywhere."""

from __future__ import annotations

import typer

from provisioner.cli.options import Common, takes_common
from provisioner.cli.screen import open_view, settings

INCOMPLETE, DIFFERS = 4, 2


@takes_common
def status(context: typer.Context, common: Common) -> int:
    """Show every node, what it runs, and whether all are equal."""
    from provisioner.reconcile.survey import survey
    from provisioner.wiring import fleet, parts

    view, chosen = open_view(context, common), settings(common)
    declared = fleet.declare(chosen)
    with parts.open_lookout(chosen, declared.inventory) as lookout:
        found = survey(lookout, fleet.intend(chosen, declared))
    view.status(found)
    if any(not host.reachable for host in found.hosts):
        return INCOMPLETE
    return 0 if found.uniform else DIFFERS
