"""`provisioner rebuild`: the images of a release again, and with an inventory the whole environment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from provisioner.cli.consent import confirmed, stop_on_interrupt
from provisioner.cli.options import Common, Without, takes_common
from provisioner.cli.screen import may_ask, open_view, settings

Name = Annotated[str, typer.Argument(metavar="RELEASE", help="`r12`, `12`, `r12-9f3c…` or the beginning of a digest.")]
Bundle = Annotated[
    Path | None,
    typer.Option("--bundle", help="Read the release from this file; write it where there is none.", metavar="FILE"),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


@takes_common
def rebuild(
    context: typer.Context,
    common: Common,
    *,
    release: Name,
    bundle: Bundle = None,
    yes: Yes = False,
    without: Without = None,
) -> int:
    """Build the images of a release again; with -i INVENTORY bring it up on those hosts."""
    from provisioner.model.event import Finished
    from provisioner.reconcile.apply import Consent, apply
    from provisioner.reconcile.prepare import prepare
    from provisioner.reconcile.rebuild import rebuild as build_again
    from provisioner.wiring import rebuild as wiring

    view, chosen = open_view(context, common, run=True), settings(common)
    start = wiring.ground(chosen, release, bundle, deploys=bool(common.inventory or common.env))
    with wiring.open_rebuild(chosen, start, view) as world, stop_on_interrupt(view) as stop:
        rebuilt = build_again(world, start.release, lambda *_: None)
        if rebuilt.missing:
            view.message(f"{len(rebuilt.missing)} inputs of {start.release.name} are kept nowhere: they were fetched")
        if bundle is not None and not bundle.exists():
            wiring.write_bundle(chosen, bundle, start.release, lambda *_: None)
            view.message(f"{bundle} holds {start.release.name} and all it is made from")
        if not start.deploys:
            view.table("images", ("image", "id"), tuple(rebuilt.images.items()))
            view.emit(Finished("complete", None, 0, len(rebuilt.images), message=f"as {start.release.name} has them"))
            return 0
        intent = wiring.intend_again(chosen, start, rebuilt, frozenset(without or ()))
        prepared = prepare(world.lookout, intent, world.builder, world.builder_host)
        consent = Consent(stop=stop, approve=lambda: confirmed(yes=yes, may_ask=may_ask(common)), asked=not yes)
        return apply(world, intent, prepared, consent).exit_code
