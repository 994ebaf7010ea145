"""`provisioner repair`: what was changed behind our back, put right."""

from __future__ import annotations

from functools import partial

import typer

from provisioner.cli.apply import Interrupt, Yes
from provisioner.cli.consent import confirmed, stop_on_interrupt
from provisioner.cli.options import Common, Without, takes_common
from provisioner.cli.screen import may_ask, open_view, settings


@takes_common
def repair(
    context: typer.Context,
    common: Common,
    *,
    yes: Yes = False,
    allow_interruption: Interrupt = False,
    without: Without = None,
) -> int:
    """Put right what was changed behind our back, and nothing else.

    What the spec wants newly stays pending.
    """
    from provisioner.reconcile.apply import Consent, apply
    from provisioner.reconcile.prepare import prepare
    from provisioner.wiring import repair as parts
    from provisioner.wiring.rollback import open_rollback

    view, chosen = open_view(context, common, run=True), settings(common)
    start = parts.ground(chosen)
    with open_rollback(chosen, start, view) as world, stop_on_interrupt(view) as stop:
        intent = parts.intend_repair(chosen, start, frozenset(without or ()))
        prepared = prepare(world.lookout, intent, world.builder, world.builder_host)
        consent = Consent(allow_interruption, stop, partial(confirmed, yes=yes, may_ask=may_ask(common)), asked=not yes)
        return apply(world, intent, prepared, consent).exit_code
