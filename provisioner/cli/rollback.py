"""`provisioner rollback`: a release whole again, on the hosts there are now."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from provisioner.cli.apply import Interrupt, Yes
from provisioner.cli.consent import confirmed, stop_on_interrupt
from provisioner.cli.options import Common, Without, takes_common
from provisioner.cli.screen import may_ask, open_view, settings

Name = Annotated[str, typer.Argument(metavar="RELEASE", help="`r12`, `12`, `r12-9f3c…` or the beginning of a digest.")]


@takes_common
def rollback(
    context: typer.Context,
    common: Common,
    *,
    release: Name = "",
    yes: Yes = False,
    allow_interruption: Interrupt = False,
    without: Without = None,
) -> int:
    """Restore a release whole, the one before where none is named."""
    from provisioner.reconcile.apply import Consent, apply
    from provisioner.reconcile.prepare import prepare
    from provisioner.wiring import rollback

    view, chosen = open_view(context, common, run=True), settings(common)
    start = rollback.ground(chosen, release)
    with rollback.open_rollback(chosen, start, view) as world, stop_on_interrupt(view) as stop:
        intent = rollback.intend_back(chosen, start, frozenset(without or ()))
        prepared = prepare(world.lookout, intent, world.builder, world.builder_host)
        consent = Consent(allow_interruption, stop, partial(confirmed, yes=yes, may_ask=may_ask(common)), asked=not yes)
        return apply(world, intent, prepared, consent).exit_code
