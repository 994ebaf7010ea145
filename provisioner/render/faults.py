"""What went wrong in a template, in the user's words: its file, its line, and the name that was meant."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from types import TracebackType

from jinja2 import StrictUndefined, TemplateNotFound, TemplateSyntaxError, UndefinedError
from jinja2.utils import missing

from provisioner.errors import Diagnostic


class UnknownName(UndefinedError):
    """A name that a template uses and nobody defined; `known` are those that could have been meant."""

    def __init__(self, message: str | None, name: str, known: tuple[str, ...] | None) -> None:
        super().__init__(message)
        self.name = name
        self.known = known


class Missing(StrictUndefined):
    """What a template gets for a name that is not there: any use of it is an UnknownName."""

    __slots__ = ()

    def __init__(
        self,
        hint: str | None = None,
        obj: object = missing,
        name: str | None = None,
        exc: Callable[..., Exception] = UndefinedError,
    ) -> None:
        if exc is UndefinedError:
            exc = partial(UnknownName, name=str(name), known=None if obj is missing else _names_of(obj))
        super().__init__(hint, obj, name, exc)  # type: ignore[arg-type]  # it only ever calls it


def diagnose(error: BaseException, path: str, texts: Mapping[str, str], variables: tuple[str, ...]) -> Diagnostic:
    """Return an exception that a template raised as a diagnostic at its line. `texts` are templates by path."""
    if isinstance(error, TemplateSyntaxError):
        where, line = error.filename or path, error.lineno
    else:
        where, line = _place(error.__traceback__, texts) or (path, 0)
    source_line = _line_of(texts.get(where, ""), line)
    message, suggestion, name = _words(error, variables)
    column = source_line.find(name) + 1 if name else 0
    return Diagnostic(where, line, column or (1 if line else 0), message, suggestion, source_line)


def _words(error: BaseException, variables: tuple[str, ...]) -> tuple[str, str, str]:
    """Return what is wrong, what would be right, and the word at fault."""
    match error:
        case UnknownName(name="base", known=None):
            return "`base` is not defined", "name one in the service's `build`", "base"
        case UnknownName(name=name, known=known):
            owner = "" if known is None else " there"
            return f"`{name}` is not defined{owner}", _suggestion(name, variables if known is None else known), name
        case TemplateNotFound():
            name = str(error.name)
            reason = error.message or ""
            return (reason if reason != name else f"there is no template {name} to include"), "", name
        case TemplateSyntaxError():
            return error.message or "the template cannot be read", "", ""
    return str(error) or type(error).__name__, "", ""


def _suggestion(name: str, known: Iterable[str]) -> str:
    known = sorted(known)
    close = difflib.get_close_matches(name, known, n=1)
    if close:
        return f"did you mean `{close[0]}`?"
    return f"known here: {', '.join(known)}" if known else ""


def _names_of(value: object) -> tuple[str, ...]:
    if isinstance(value, Mapping):
        return tuple(str(key) for key in value)
    return tuple(name for name in dir(value) if not name.startswith("_"))


def _place(traceback: TracebackType | None, texts: Mapping[str, str]) -> tuple[str, int] | None:
    """Return the innermost line of a template on the way to an exception."""
    found = None
    while traceback is not None:
        path = traceback.tb_frame.f_code.co_filename
        if path in texts:
            found = path, traceback.tb_lineno
        traceback = traceback.tb_next
    return found


def _line_of(text: str, line: int) -> str:
    lines = text.splitlines()
    return lines[line - 1] if 0 < line <= len(lines) else ""
