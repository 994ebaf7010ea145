"""`provisioner drain NODE`: out of rotation on every balancer, until a person lets it in again."""

from __future__ import annotations

from typing import Annotated

import typer

from provisioner.cli.options import Common, Without, takes_common
from provisioner.cli.screen import open_view, settings

NodeName = Annotated[str, typer.Argument(metavar="NODE", help="A node such as web3/web-1.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; `status` and `plan` show it.", metavar="TEXT")]
Force = Annotated[bool, typer.Option("--force", help="Even where nobody else of its service serves.")]


@takes_common
def drain(
    context: typer.Context,
    common: Common,
    *,
    node: NodeName,
    reason: Reason = "",
    force: Force = False,
    without: Without = None,
) -> int:
    """Take a node out of rotation; it lasts until `undrain`."""
    from provisioner.reconcile import by_hand
    from provisioner.wiring import fleet, parts

    view, chosen = open_view(context, common, run=True), settings(common)
    declared = fleet.declare(chosen)
    intent = fleet.intend(chosen, declared, without=frozenset(without or ()))
    with parts.open_world(chosen, declared, view) as world:
        return by_hand.drain(world, intent, node, reason, force=force).exit_code
