"""`provisioner validate`: whether the spec is right, every template renders and the inventory fits."""

from __future__ import annotations

import typer

from provisioner.cli.options import Common, takes_common
from provisioner.cli.screen import open_view, settings


@takes_common
def validate(context: typer.Context, common: Common) -> int:
    """Check spec, inventory and templates, offline."""
    from provisioner.wiring import fleet

    view, chosen = open_view(context, common), settings(common)
    declared = fleet.declare(chosen)
    intent = fleet.intend(chosen, declared)
    desired = intent.desire({})
    facts = {"fleet": declared.spec.name, "nodes": len(desired.nodes), "hosts": len(desired.hosts)}
    if common.json:
        view.document({"schema": 1, "valid": True, **facts})
    else:
        view.message("{fleet} is valid: {nodes} nodes on {hosts} hosts".format(**facts))
    return 0
