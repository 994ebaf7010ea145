"""`provisioner lock`: pins what every moving name of the fleet stands for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from provisioner.cli.options import Common, takes_common
from provisioner.cli.screen import open_view, settings
from provisioner.errors import UsageError

if TYPE_CHECKING:
    from provisioner.views.view import View
    from provisioner.wiring.fleet import Settings

DIFFERS = 2

Check = Annotated[bool, typer.Option("--check", help="Change nothing; exit 2 when the file lacks or holds too much.")]
Upgrade = Annotated[bool, typer.Option("--upgrade", help="Resolve these names again; all where none is given.")]
Names = Annotated[
    list[str] | None, typer.Argument(metavar="[NAME...]", help="With --upgrade: a suite, base, image or service.")
]


@takes_common
def lock(
    context: typer.Context, common: Common, *, names: Names = None, check: Check = False, upgrade: Upgrade = False
) -> int:
    """Pin what every moving name stands for, in fleet.lock."""
    view, chosen = open_view(context, common), settings(common)
    if (names and not upgrade) or (check and upgrade):
        raise UsageError("names are for --upgrade, and --check changes nothing", hint="lock --upgrade [NAME...]")
    return _check(view, chosen) if check else _lock(view, chosen, tuple(names or ()), upgrade=upgrade)


def _check(view: View, chosen: Settings) -> int:
    from provisioner.wiring.lock import differences

    rows = differences(chosen)
    headers = ("kind", "section", "name", "platform")
    view.table("differences", headers, tuple((row.kind, row.section, row.name, row.platform) for row in rows))
    return DIFFERS if rows else 0


def _lock(view: View, chosen: Settings, names: tuple[str, ...], *, upgrade: bool) -> int:
    from provisioner.wiring.lock import lock as write
    from provisioner.wiring.lock import lock_file

    changes = write(chosen, names, lambda text, _done, _all: view.message(text), upgrade=upgrade)
    rows = [(each.kind, each.section, each.name, each.platform, "; ".join(each.details)) for each in changes]
    view.table("changes", ("change", "section", "name", "platform", "versions"), rows)
    view.message(f"{lock_file(chosen)} is written" if rows else f"{lock_file(chosen)} is as it was")
    return 0
