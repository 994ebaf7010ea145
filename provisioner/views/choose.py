"""The view a run has, chosen before any work starts from what the terminal can show."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TextIO

from provisioner.views.json_lines import JsonView
from provisioner.views.settings import DEFAULT_WIDTH, UNBROKEN, Settings
from provisioner.views.terminal import TerminalView
from provisioner.views.view import View


def choose_view(stdout: TextIO, stderr: TextIO, settings: Settings, *, json: bool = False, run: bool = False) -> View:
    """Return the view; `run` says that the command carries something out, and so ends in a `finished` line."""
    return JsonView(stdout, stderr, run=run) if json else TerminalView(stdout, stderr, settings)


def terminal_settings(
    environment: Mapping[str, str],
    *,
    stdout_is_tty: bool,
    stderr_is_tty: bool,
    no_color: bool = False,
    columns: int = 0,
    verbosity: int = 0,
) -> Settings:
    """Return the settings for a terminal of `columns` columns (0: unknown).

    `--no-color` and a non-empty NO_COLOR (no-color.org) win over FORCE_COLOR and CLICOLOR_FORCE, these over
    what the streams are. Nothing moves where CI is set, the terminal is dumb, or nobody watches.
    """
    dumb = environment.get("TERM") == "dumb"
    forced = any(_is_set(environment, name) for name in ("FORCE_COLOR", "CLICOLOR_FORCE"))
    forbidden = no_color or bool(environment.get("NO_COLOR"))

    def colour(is_tty: bool) -> bool:  # noqa: FBT001 - a fact about a stream
        return not forbidden and (forced or (is_tty and not dumb))

    return Settings(
        width=_width(environment, columns),
        width_err=_width(environment, columns if stderr_is_tty else UNBROKEN),
        colour_out=colour(stdout_is_tty),
        colour_err=colour(stderr_is_tty),
        interactive=stderr_is_tty and not dumb and not _is_set(environment, "CI"),
        verbosity=verbosity,
    )


def _is_set(environment: Mapping[str, str], name: str) -> bool:
    return environment.get(name, "").lower() not in {"", "0", "false"}


def _width(environment: Mapping[str, str], columns: int) -> int:
    text = environment.get("COLUMNS", "")
    return int(text) if text.isdecimal() and int(text) > 0 else columns or DEFAULT_WIDTH
