"""Errors: where, what, why, and what to do; for a file the user wrote, with its line and a caret."""

from __future__ import annotations

import re
from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import RenderableType
from rich.text import Text

from provisioner.errors import BuildFailed, Diagnostic, HookFailed, InvalidInput, NodeUnhealthy, ProvisionerError
from provisioner.views.page import clean, indented
from provisioner.views.words import names, plural

_WORD = re.compile(r"""\$\{[^}]*\}|["']?[\w.$@/+*-]+["']?|\S""")


def error_page(error: ProvisionerError, width: int) -> Iterator[RenderableType]:
    """Yield everything an error says."""
    match error:
        case InvalidInput():
            yield from _all_diagnostics(error.diagnostics, width)
        case BuildFailed():
            failing = (f"at: {error.instruction}",) if error.instruction else ()
            yield from explanation(error.message, error.hint, (*failing, *error.output))
        case HookFailed():
            yield from explanation(error.message, error.hint, error.output)
        case NodeUnhealthy():
            yield from explanation(error.message, error.hint, error.log)
        case _:
            yield from explanation(error.message, error.hint)


def explanation(message: str, hint: str = "", log: tuple[str, ...] = ()) -> Iterator[RenderableType]:
    """Yield an error that is not about a file: the message, the lines that explain it, what to do."""
    yield Text.assemble(("error: ", "bad"), clean(message))
    yield from (indented(Text.assemble(("| ", "faint"), clean(line))) for line in log)
    if hint:
        yield Text.assemble(("hint: ", "command"), clean(hint))


def _all_diagnostics(diagnostics: tuple[Diagnostic, ...], width: int) -> Iterator[RenderableType]:
    for diagnostic in diagnostics:
        yield from diagnostic_page(diagnostic, width)
    if len(diagnostics) > 1:
        files = names([diagnostic.path for diagnostic in diagnostics])
        yield Text(f"{plural(len(diagnostics), 'error')} in {files}", style="strong")


def diagnostic_page(diagnostic: Diagnostic, width: int) -> Iterator[RenderableType]:
    """Yield one fault: place and message, the line with a caret under the fault, and what would be right."""
    place = f"{diagnostic.path}:{diagnostic.line}:{diagnostic.column}" if diagnostic.line else diagnostic.path
    yield Text.assemble(("error: ", "bad"), (f"{clean(place)}: ", "strong"), clean(diagnostic.message))
    if diagnostic.line and diagnostic.source_line.strip():
        yield from _frame(diagnostic, width)
    if diagnostic.suggestion:
        yield indented(Text.assemble(("help: ", "command"), clean(diagnostic.suggestion)))
    yield ""


def _frame(diagnostic: Diagnostic, width: int) -> Iterator[RenderableType]:
    gutter = f"{diagnostic.line:>5} | "
    source = _CONTROL.sub(" ", diagnostic.source_line.rstrip("\r\n"))
    column = min(max(diagnostic.column, 1) - 1, len(source))
    source, column = _window(source, column, width - len(gutter))
    word = _WORD.match(source, column)
    carets = "^" * max(cell_len(word.group()) if word else 1, 1)
    before = " " * cell_len(source[:column])
    yield Text.assemble((gutter, "faint"), source, no_wrap=True, overflow="crop")
    yield Text.assemble(("      | ", "faint"), before, (carets, "bad"), no_wrap=True, overflow="crop")


_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def _window(source: str, column: int, width: int) -> tuple[str, int]:
    """Return the part of a line around a column that fits, and the column in it."""
    room = max(width, 8)
    if column < room * 2 // 3:
        return source, column
    start = column - room // 2
    return source[start:], column - start
