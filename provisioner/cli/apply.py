"""`provisioner apply`: bring the fleet to what the spec says."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from provisioner.cli.consent import confirmed, stop_on_interrupt
from provisioner.cli.options import Common, Locked, Without, takes_common
from provisioner.cli.screen import may_ask, open_view, settings

Kept = Annotated[Path | None, typer.Argument(metavar="FILE", help="A plan that `plan -o FILE` kept.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Interrupt = Annotated[bool, typer.Option("--allow-interruption", help="Allow steps that clients would notice.")]
Forget = Annotated[
    list[str] | None, typer.Option("--forget", help="A host that left the fleet and will never answer.", metavar="HOST")
]


@takes_common
def apply(
    context: typer.Context,
    common: Common,
    *,
    kept: Kept = None,
    yes: Yes = False,
    allow_interruption: Interrupt = False,
    forget: Forget = None,
    without: Without = None,
    locked: Locked = False,
) -> int:
    """Bring the fleet to what the spec says, and prove it.

    With FILE by exactly the plan that `plan -o FILE` kept, or not at all.
    """
    from provisioner.reconcile.apply import Consent
    from provisioner.reconcile.apply import apply as carry_out
    from provisioner.reconcile.prepare import prepare
    from provisioner.wiring import fleet, parts, plan_file

    view, chosen = open_view(context, common, run=True), settings(common, locked=locked)
    declared = fleet.declare(chosen)
    intent = fleet.intend(chosen, declared, forget=frozenset(forget or ()), without=frozenset(without or ()))
    with parts.open_world(chosen, declared, view) as world, stop_on_interrupt(view) as stop:
        prepared = prepare(world.lookout, intent, world.builder, world.builder_host)
        if kept is not None:
            plan_file.refuse_stale(kept, prepared)
        agreed = partial(confirmed, yes=yes, may_ask=may_ask(common))
        consent = Consent(allow_interruption, stop, agreed, asked=not yes or kept is not None)
        return carry_out(world, intent, prepared, consent).exit_code
