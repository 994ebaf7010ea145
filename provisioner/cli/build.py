"""`provisioner build`: make every image that is not there yet."""

from __future__ import annotations

import typer

from provisioner.cli.options import Common, takes_common
from provisioner.cli.screen import open_view, settings


@takes_common
def build(context: typer.Context, common: Common) -> int:
    """Build the images of the spec on this machine's engine."""
    from provisioner.reconcile.make_images import make_images
    from provisioner.wiring import fleet, parts

    view, chosen = open_view(context, common), settings(common)
    declared = fleet.declare(chosen)
    with parts.open_world(chosen, declared, view) as world:
        images = make_images(world, fleet.intend(chosen, declared))
    view.table("images", ("image", "id"), tuple(images.items()))
    return 0
