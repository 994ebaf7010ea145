"""What a value may look like in a rendered file: plain where it is harmless, else quoted by a filter of its format."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterable
from enum import Enum

from markupsafe import Markup


class Form(Enum):
    """The format of a rendered file, which decides what an unquoted value may hold."""

    DOCKERFILE = "Dockerfile"
    HAPROXY = "haproxy.cfg"
    NGINX = "nginx.conf"
    TEXT = "text"


class UnsafeValue(Exception):
    """A value that its place in a template cannot hold; the message says which and what to do."""


class Quoted(Markup):
    """Text that a filter has quoted, so that it means itself in its format."""

    __slots__ = ()


_CONTROL = re.compile("[\x00-\x1f\x7f\x85\u2028\u2029]")
_PLAIN = {
    Form.DOCKERFILE: re.compile(r"[A-Za-z0-9_./:@+,=%~^-]*"),
    Form.HAPROXY: re.compile(r"[A-Za-z0-9_./:@+,=~\[\]-]*"),  # no %: with a bracket it opens an expression
    Form.NGINX: re.compile(r"[A-Za-z0-9_./:@+,=%-]*"),  # no ~ or ^: they turn a path into a pattern
}
_SHOWN = 40


def finalizer(form: Form) -> Callable[[object], Markup]:
    """Return the function that every value passes on its way into a file of this form."""

    def finalize(value: object) -> Markup:
        match value:
            case Quoted():  # again: a filter of Jinja's may have put something into it since
                _refuse_control(value)
                return value
            case Markup():  # what a macro or a block wrote: each value in it came through here
                return value
            case None:
                raise UnsafeValue("the value is empty (None): give it one, or a `default`")
            case str() | int() | float():
                return Markup(_plain(str(value), form))  # noqa: S704 - checked here, and no HTML
        text = str(value)  # an undefined name complains here, with its own words
        raise UnsafeValue(f"{_shown(text)} is not a text or a number: write it with `| json`, or its parts")

    return finalize


def quote_json(value: object) -> Quoted:
    """Return a value as JSON: Docker's exec form, and a string in JSON, YAML and TOML."""
    if isinstance(value, tuple | set | frozenset):
        value = list(value)
    return Quoted(json.dumps(value, ensure_ascii=False, default=dict).replace("\x7f", "\\u007f"))


def quote_dockerfile(value: object) -> Quoted:
    r"""Return a value as one word of `ENV`, `LABEL` or `ARG`, with no variable of Docker's in it."""
    return _wrapped(value, '"', (("\\", "\\\\"), ('"', '\\"'), ("$", "\\$")))


def quote_shell(value: object) -> Quoted:
    """Return a value as one word of a POSIX shell."""
    return Quoted(shlex.quote(_single_line(value)))


def quote_haproxy(value: object) -> Quoted:
    r"""Return a value as one argument of HAProxy, in its strong quotes."""
    return _wrapped(value, "'", (("'", "'\\''"),))


def quote_nginx(value: object) -> Quoted:
    """Return a value as one argument of nginx, which knows no way to write a dollar sign."""
    if "$" in str(value):
        raise UnsafeValue(f"{_shown(str(value))} holds a `$`, which nginx would take for a variable")
    return _wrapped(value, '"', (("\\", "\\\\"), ('"', '\\"')))


def keep_lines(value: object) -> Markup:
    """Return a text of several lines as it is; for files whose format gives a line no meaning."""
    return Markup(str(value))  # noqa: S704 - the template's author asked for it, and no HTML


def filters(form: Form) -> dict[str, Callable[[object], Markup]]:
    """Return the filters a template of this form may use beside Jinja's."""
    quoting: dict[str, Callable[[object], Markup]] = {
        "json": quote_json,
        "dockerfile": quote_dockerfile,
        "shell": quote_shell,
        "haproxy": quote_haproxy,
        "nginx": quote_nginx,
    }
    return quoting | ({"multiline": keep_lines} if form is Form.TEXT else {})


def _plain(text: str, form: Form) -> str:
    if form is Form.TEXT:
        _refuse_control(text, _advice(form))
    elif not _PLAIN[form].fullmatch(text):
        raise UnsafeValue(f"{_shown(text)} may mean something to a {form.value}: {_advice(form)}")
    return text


def _advice(form: Form) -> str:
    match form:
        case Form.DOCKERFILE:
            return "write it with `| dockerfile` in ENV, LABEL and ARG, `| json` in [...], `| shell` in RUN"
        case Form.HAPROXY:
            return "write it with `| haproxy`"
        case Form.NGINX:
            return "write it with `| nginx`"
        case Form.TEXT:
            return "write it with `| json`, or with `| multiline` where a new line means nothing"


def _wrapped(value: object, quote: str, escapes: Iterable[tuple[str, str]]) -> Quoted:
    text = _single_line(value)
    for plain, escaped in escapes:
        text = text.replace(plain, escaped)
    return Quoted(f"{quote}{text}{quote}")


def _single_line(value: object) -> str:
    text = str(value)
    _refuse_control(text)
    return text


def _refuse_control(text: str, advice: str = "a line of this file cannot hold it") -> None:
    if _CONTROL.search(text):
        raise UnsafeValue(f"{_shown(text)} holds a new line or another control character: {advice}")


def _shown(text: str) -> str:
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
    return repr(shown)
