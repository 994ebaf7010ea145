"""`provisioner compare`: in what hosts differ that should be the same; changes nothing."""

from __future__ import annotations

from typing import Annotated

import typer

from provisioner.cli.options import Common, takes_common
from provisioner.cli.screen import open_view, settings
from provisioner.errors import UsageError

INCOMPLETE, DIFFERS = 4, 2

Names = Annotated[
    list[str],
    typer.Argument(help="Hosts or groups of the inventory, or USER@HOST[:PORT]; two at least.", metavar="HOST HOST..."),
]
Identity = Annotated[str | None, typer.Option("--identity-file", help="The private key for USER@HOST.", metavar="FILE")]
Only = Annotated[list[str] | None, typer.Option("--only", help="Compare only this kind.", metavar="KIND")]
Ignore = Annotated[
    list[str] | None,
    typer.Option("--ignore", help="Leave out a kind, or what of it matches a pattern.", metavar="KIND[:GLOB]"),
]


@takes_common
def compare(
    context: typer.Context,
    common: Common,
    *,
    hosts: Names,
    identity_file: Identity = None,
    only: Only = None,
    ignore: Ignore = None,
) -> int:
    """Name every difference between hosts, managed or not, with Docker or without. Changes nothing."""
    from provisioner.reconcile.compare import compare as compare_hosts
    from provisioner.wiring import compare as wiring
    from provisioner.wiring.named_hosts import named_hosts

    view, chosen = open_view(context, common), settings(common)
    scope = wiring.scope(only or (), ignore or ())
    inventory = named_hosts(chosen, hosts, identity_file)
    if len(inventory.hosts) < 2:  # noqa: PLR2004 - a host is like itself
        raise UsageError("two hosts at least are compared", hint="name another one, or a group of the inventory")
    with wiring.open_facts(chosen, inventory) as read:
        found = compare_hosts(read, tuple(inventory.hosts.values()), scope, chosen.forks)
    view.peers(found)
    if found.incomplete:
        return INCOMPLETE
    return DIFFERS if found.differences else 0
