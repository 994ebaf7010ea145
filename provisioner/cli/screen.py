"""What a verb opens first: its view, and what the user and his environment said."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from provisioner.cli.options import Common, door
from provisioner.errors import UsageError

if TYPE_CHECKING:
    from provisioner.views.view import View
    from provisioner.wiring.fleet import Settings

DEFAULT_FORKS = 10


def open_view(context: typer.Context, common: Common, *, run: bool = False) -> View:
    """Return the view this command shows itself in; `run` says that it carries something out."""
    view = choose(common, run=run)
    door(context).view = view
    return view


def choose(common: Common, *, run: bool = False) -> View:
    """Return a view for what the terminal can show and the user asked for."""
    from provisioner.views.choose import choose_view, terminal_settings

    chosen = terminal_settings(
        os.environ,
        stdout_is_tty=sys.stdout.isatty(),
        stderr_is_tty=sys.stderr.isatty(),
        no_color=bool(common.no_color),
        columns=shutil.get_terminal_size((0, 0)).columns,
        verbosity=-1 if common.quiet else common.verbose or 0,
    )
    return choose_view(sys.stdout, sys.stderr, chosen, json=bool(common.json), run=run)


def settings(common: Common, *, locked: bool = False) -> Settings:
    """Return what the user and his environment said, defaults filled in; `locked` refuses what no lock pins."""
    from provisioner.wiring.fleet import Settings

    said = os.environ
    if common.limit is not None and not common.limit.strip():
        raise UsageError("--limit names no host", hint="leave it out to mean every host")
    return Settings(
        file=Path(common.file or said.get("PROVISIONER_FILE", "fleet.yaml")),
        environment_name=common.env or said.get("PROVISIONER_ENV", ""),
        inventory=common.inventory or said.get("PROVISIONER_INVENTORY", ""),
        limit=common.limit or said.get("PROVISIONER_LIMIT", ""),
        forks=common.forks or _forks(said.get("PROVISIONER_FORKS", "")),
        environment=dict(said),
        folder=Path.cwd(),
        locked=locked,
    )


def _forks(said: str) -> int:
    if said and not (said.isascii() and said.isdecimal() and int(said)):
        raise UsageError(f"PROVISIONER_FORKS is a number of hosts, not '{said}'")
    return int(said or DEFAULT_FORKS)


def may_ask(common: Common) -> bool:
    """Tell whether there is a person to be asked."""
    return not common.no_input and "CI" not in os.environ and sys.stdin.isatty()
