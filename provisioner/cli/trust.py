"""`provisioner trust`: shows a host's key, and records it."""

from __future__ import annotations

from typing import Annotated

import typer

from provisioner.cli.options import Common, takes_common
from provisioner.cli.screen import may_ask, open_view, settings
from provisioner.errors import UsageError

Names = Annotated[list[str], typer.Argument(help="Hosts of the inventory, or USER@HOST[:PORT].", metavar="HOST...")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Record what is shown without asking.")]


@takes_common
def trust(context: typer.Context, common: Common, *, hosts: Names, yes: Yes = False) -> int:
    """Show a host's key, and record it for this inventory."""
    from provisioner.wiring import parts

    view, chosen = open_view(context, common), settings(common)
    offered = parts.offered_keys(chosen, tuple(hosts))
    view.table("keys", ("host", "key", "fingerprint"), tuple((key.host, key.kind, key.fingerprint) for key in offered))
    if not yes and not may_ask(common):
        raise UsageError("there is nobody to compare these fingerprints", hint="run it again with --yes")
    if yes or typer.confirm("Record these keys?", err=True):
        view.message(f"recorded in {parts.record_keys(chosen, tuple(hosts), offered)}")
    return 0
