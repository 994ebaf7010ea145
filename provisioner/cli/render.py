"""`provisioner render`: every file the templates give, without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from provisioner.cli.options import Common, takes_common
from provisioner.cli.screen import open_view, settings

Out = Annotated[Path | None, typer.Option("--out", "-o", help="Write the files below this folder.", metavar="DIR")]


@takes_common
def render(context: typer.Context, common: Common, *, out: Out = None) -> int:
    """Render every Dockerfile and configuration, offline."""
    from provisioner.wiring import fleet

    view, chosen = open_view(context, common), settings(common)
    files = fleet.rendered_files(fleet.declare(chosen))
    if out is not None:
        fleet.write_files(out, files)
    if out is not None or common.json:
        view.table("files", ("path", "bytes"), tuple((path, str(len(text))) for path, text in files.items()))
    else:
        view.text("\n".join(f"# --- {path}\n{text}" for path, text in files.items()))
    return 0
