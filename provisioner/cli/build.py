"""`provisioner build`: make the images that are not there yet, explain them, or check that they come out equal."""

from __future__ import annotations

from typing import Annotated

import typer

from provisioner.cli.options import Common, Locked, takes_common
from provisioner.cli.screen import open_view, settings
from provisioner.errors import UsageError

DIFFERS = 2

Check = Annotated[
    bool, typer.Option("--check", help="Build each image twice, name the paths that differ, keep neither.")
]
Explain = Annotated[bool, typer.Option("--explain", help="Say what each image is made of and what was left out.")]


@takes_common
def build(
    context: typer.Context,
    common: Common,
    *,
    check: Check = False,
    explain: Explain = False,
    locked: Locked = False,
) -> int:
    """Build the images of the spec on this machine's engine."""
    from provisioner.reconcile.check_images import check_images
    from provisioner.reconcile.make_images import explained, make_images
    from provisioner.wiring import fleet, parts

    if check and explain:
        raise UsageError("--check keeps no image that --explain could be about", hint="give one of the two")
    view, chosen = open_view(context, common), settings(common, locked=locked)
    declared = fleet.declare(chosen)
    with parts.open_world(chosen, declared, view) as world:
        intent = fleet.intend(chosen, declared)
        if check:
            found = check_images(world, intent)
            view.differences(found)
            return DIFFERS if any(found.values()) else 0
        images = make_images(world, intent)
        made = explained(world, intent)
    if explain:
        view.images(made)
    else:
        view.table("images", ("image", "id"), tuple(images.items()))
    return 0
