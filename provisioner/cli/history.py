"""`provisioner history`: the releases of a fleet, one of them, or the difference between two."""

from __future__ import annotations

from typing import Annotated

import typer

from provisioner.cli.options import Common, takes_common
from provisioner.cli.screen import open_view, settings
from provisioner.errors import UsageError

INCOMPLETE, PAIR = 4, 2

Releases = Annotated[
    list[str] | None,
    typer.Argument(metavar="[RELEASE [RELEASE]]", help="`r12`, `12`, `r12-9f3c…` or the beginning of a digest."),
]


@takes_common
def history(context: typer.Context, common: Common, *, releases: Releases = None) -> int:
    """List the releases, show one, or what two differ in."""
    from provisioner.reconcile import chronicle
    from provisioner.wiring import fleet, parts

    view, chosen = open_view(context, common), settings(common)
    wanted = releases or []
    if len(wanted) > PAIR:
        raise UsageError("history compares two releases at most", hint="name one, two or none")
    inventory, name = fleet.read_fleet_inventory(chosen), fleet.fleet_name(chosen)
    with parts.open_lookout(chosen, inventory) as lookout:
        archive = chronicle.open_archive(lookout, inventory.hosts, name)
        if len(wanted) == PAIR:
            view.comparison(chronicle.comparison(archive, wanted[0], wanted[1]))
            return 0
        if wanted:
            view.release(archive.find(wanted[0]))
            return 0
        found = chronicle.history(archive)
    view.history(found)
    return INCOMPLETE if found.unreachable else 0
