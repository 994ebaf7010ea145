"""`provisioner undrain NODE`: into rotation again, as its checks allow."""

from __future__ import annotations

from typing import Annotated

import typer

from provisioner.cli.options import Common, Without, takes_common
from provisioner.cli.screen import open_view, settings

NodeName = Annotated[str, typer.Argument(metavar="NODE", help="A node that was drained, such as web3/web-1.")]


@takes_common
def undrain(context: typer.Context, common: Common, *, node: NodeName, without: Without = None) -> int:
    """Let a node that was drained into rotation again."""
    from provisioner.reconcile import by_hand
    from provisioner.wiring import fleet, parts

    view, chosen = open_view(context, common, run=True), settings(common)
    declared = fleet.declare(chosen)
    intent = fleet.intend(chosen, declared, without=frozenset(without or ()))
    with parts.open_world(chosen, declared, view) as world:
        return by_hand.undrain(world, intent, node).exit_code
