"""Looks at a rendered file once more: nothing but the template may have said what its lines do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import assert_never

from provisioner.errors import Diagnostic, InvalidInput
from provisioner.render.quoting import Form

INSTRUCTIONS = (
    *("ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "LABEL", "MAINTAINER"),
    *("ONBUILD", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"),
)
_SECTIONS = (
    *("global", "defaults", "frontend", "backend", "listen", "userlist", "resolvers", "peers", "mailers", "cache"),
    *("program", "ring", "http-errors", "log-forward", "fcgi-app", "crt-store", "traces", "log-profile", "acme"),
)
_TAGS = re.compile(r"\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", re.DOTALL)
_WORD = re.compile(r"[^\s{};]+")
_NGINX_TOKEN = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'|#[^\n]*|[{};]|(?:\\.|[^\s{};\"'\\])+|\s+", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Instruction:
    """One instruction of a Dockerfile: its line (from 1), its keyword in capitals, and the rest of it, joined."""

    line: int
    keyword: str
    arguments: str


def instructions(dockerfile: str) -> tuple[Instruction, ...]:
    """Return the instructions of a Dockerfile as the classic builder reads them: comments out, continuations in."""
    return tuple(_instructions(dockerfile))


def _instructions(dockerfile: str) -> Iterator[Instruction]:
    parts: list[str] = []
    start = 0
    for number, line in enumerate(dockerfile.split("\n"), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        start = start if parts else number
        continued = stripped.endswith("\\")
        parts.append(stripped[:-1] if continued else stripped)
        if not continued:
            yield _instruction(start, "".join(parts))
            parts = []
    if parts:
        yield _instruction(start, "".join(parts))


def _instruction(line: int, text: str) -> Instruction:
    keyword, _, arguments = text.partition(" ")
    return Instruction(line, keyword.upper(), arguments.strip())


def refuse_foreign_lines(text: str, form: Form, path: str, sources: tuple[str, ...]) -> None:
    """Raise InvalidInput where a line of a rendered file begins with a word its templates did not write there."""
    own = frozenset(word for source in sources for word in own_words(source))
    faults = [
        Diagnostic(path, 0, 0, f"line {line} of the rendered file: {message}", "", _line(text, line))
        for line, message in _faults(text, form, own)
    ]
    if faults:
        raise InvalidInput(tuple(faults))


def own_words(source: str) -> frozenset[str]:
    """Return, in small letters, the words that a template itself writes, apart from its expressions."""
    return frozenset(word.lower() for word in _WORD.findall(_TAGS.sub(" ", source)))


def _faults(text: str, form: Form, own: frozenset[str]) -> Iterator[tuple[int, str]]:
    match form:
        case Form.DOCKERFILE:
            return _dockerfile_faults(text, own)
        case Form.HAPROXY:
            return _haproxy_faults(text, own)
        case Form.NGINX:
            return _nginx_faults(text, own)
        case Form.TEXT:
            return iter(())
    assert_never(form)


def _dockerfile_faults(text: str, own: frozenset[str]) -> Iterator[tuple[int, str]]:
    opened = False
    for each in instructions(text):
        if each.keyword not in INSTRUCTIONS:
            yield each.line, f"`{each.keyword}` is no instruction of a Dockerfile"
        elif each.keyword.lower() not in own:
            yield each.line, f"the template has no instruction {each.keyword} of its own"
        elif not opened and each.keyword not in {"FROM", "ARG"}:
            yield each.line, f"a Dockerfile begins with FROM, not with {each.keyword}"
        opened = opened or each.keyword == "FROM"
    if not opened:
        yield 1, "it has no FROM"


def _haproxy_faults(text: str, own: frozenset[str]) -> Iterator[tuple[int, str]]:
    section = ""
    for number, line in enumerate(text.split("\n"), 1):
        words = line.split("#", 1)[0].split()
        if not words:
            continue
        if words[0].lower() not in own:
            yield number, f"the template has no directive {words[0]} of its own"
        section = words[0] if words[0] in _SECTIONS else section
        if not section:
            yield number, f"`{words[0]}` stands outside of any section"


def _nginx_faults(text: str, own: frozenset[str]) -> Iterator[tuple[int, str]]:
    depth, opening, end = 0, True, 0
    for token in _NGINX_TOKEN.finditer(text):
        word, line = token.group(), text.count("\n", 0, token.start()) + 1
        if token.start() != end:
            break
        end = token.end()
        if word.isspace() or word.startswith("#"):
            continue
        if opening and word not in "{};" and word.lower() not in own:
            yield line, f"the template has no directive {word} of its own"
        depth += {"{": 1, "}": -1}.get(word, 0)
        opening = word in "{};"
    if end != len(text):
        yield text.count("\n", 0, end) + 1, "a quote is not closed"
    elif depth or not opening:
        yield text.count("\n") + 1, "a block or a directive is not closed"


def _line(text: str, line: int) -> str:
    lines = text.split("\n")
    return lines[line - 1] if 0 < line <= len(lines) else ""
