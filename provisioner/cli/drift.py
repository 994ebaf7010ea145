"""`provisioner drift`: every difference between what is declared and what is, and between peers; changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from provisioner.cli.options import Common, takes_common
from provisioner.cli.screen import open_view, settings

INTERRUPTED, INCOMPLETE, DIFFERS = 130, 4, 2

Only = Annotated[list[str] | None, typer.Option("--only", help="Look only at this kind.", metavar="KIND")]
Ignore = Annotated[
    list[str] | None,
    typer.Option("--ignore", help="Do not count a kind, or what of it matches a pattern.", metavar="KIND[:GLOB]"),
]
Watch = Annotated[
    str | None, typer.Option("--watch", help="Look again and again, and tell what changed.", metavar="DURATION")
]
Metrics = Annotated[
    Path | None, typer.Option("--metrics", help="Write the counts of each look for Prometheus.", metavar="FILE")
]


@takes_common
def drift(
    context: typer.Context,
    common: Common,
    *,
    only: Only = None,
    ignore: Ignore = None,
    watch: Watch = None,
    metrics: Metrics = None,
) -> int:
    """Name every difference from the spec, and between hosts alike. Changes nothing."""
    from provisioner.wiring import drift as wiring

    view, chosen = open_view(context, common), settings(common)
    looks = wiring.Looks(chosen, wiring.Asked(tuple(only or ()), tuple(ignore or ()), metrics))
    if watch is not None:
        seconds = wiring.interval(watch)
        view.message(f"looking every {watch}; Ctrl-C ends it")
        looks.go_on(seconds, view)
        return INTERRUPTED
    found = looks.once()
    view.drift(found)
    if found.incomplete:
        return INCOMPLETE
    return DIFFERS if found.counted else 0
