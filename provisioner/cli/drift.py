"""`provisioner drift`: every difference between what is declared and what is; changes nothing."""

from __future__ import annotations

import typer

from provisioner.cli.options import Common, takes_common
from provisioner.cli.screen import open_view, settings

INCOMPLETE, DIFFERS = 4, 2


@takes_common
def drift(context: typer.Context, common: Common) -> int:
    """Name every difference between spec and fleet. Changes nothing."""
    from provisioner.reconcile.prepare import drift as compare
    from provisioner.wiring import fleet, parts

    view, chosen = open_view(context, common), settings(common)
    declared = fleet.declare(chosen)
    with parts.open_lookout(chosen, declared.inventory) as lookout:
        found = compare(lookout, fleet.intend(chosen, declared))
    view.drift(found.fleet, found.rows, found.summary)
    if any(row.drift_class == "unknown" for row in found.rows):
        return INCOMPLETE
    return DIFFERS if found.rows else 0
