"""`provisioner schema`: the spec language as JSON Schema, for editors."""

from __future__ import annotations

import typer

from provisioner.cli.options import Common, takes_common
from provisioner.cli.screen import open_view


@takes_common
def schema(context: typer.Context, common: Common) -> int:
    """Print the JSON Schema of the spec; editors complete from it."""
    from provisioner.spec.schema import json_schema

    open_view(context, common).document(json_schema())
    return 0
