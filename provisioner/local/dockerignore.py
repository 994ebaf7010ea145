"""Which entries of a build context a `.dockerignore` leaves out, by Docker's own rules.

The rules are those of Docker's reference (`.dockerignore files`): one pattern a line, `#` starts a comment, `!` takes
entries back in, the last pattern that matches an entry or a folder above it counts, `**` stands for any folders.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from provisioner.errors import Diagnostic, InvalidInput

NAME = ".dockerignore"


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line: what it matches, and whether it takes entries back in."""

    expression: re.Pattern[str]
    includes: bool


@dataclass(frozen=True, slots=True)
class IgnoreRules:
    """All lines of a `.dockerignore`, in order."""

    patterns: tuple[Pattern, ...] = ()

    @property
    def has_exceptions(self) -> bool:
        """Tell whether something below an ignored folder may be taken back in."""
        return any(pattern.includes for pattern in self.patterns)

    def ignores(self, path: str) -> bool:
        """Tell whether an entry, given relative to the context with `/`, is left out."""
        parts = path.split("/")
        branches = ["/".join(parts[: end + 1]) for end in range(len(parts))]
        ignored = False
        for pattern in self.patterns:
            if pattern.includes == ignored and any(map(pattern.expression.fullmatch, branches)):
                ignored = not pattern.includes
        return ignored


def parse_rules(text: str, path: str) -> IgnoreRules:
    """Read the text of a `.dockerignore`; `path` names it in errors. Raise InvalidInput."""
    patterns, faults = [], []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        stripped = line.strip()
        if not stripped or line.startswith("#"):
            continue
        try:
            patterns.append(_pattern(stripped))
        except (ValueError, re.error) as error:
            faults.append(Diagnostic(path, number, 1, f"{stripped!r} is no pattern: {error}", source_line=line))
    if faults:
        raise InvalidInput(tuple(faults))
    return IgnoreRules(tuple(patterns))


def _pattern(text: str) -> Pattern:
    includes = text.startswith("!")
    wanted = text[1:].strip() if includes else text
    if not wanted:
        raise ValueError("`!` needs something to take back in")
    return Pattern(re.compile(_expression(posixpath.normpath(wanted).lstrip("/")), re.DOTALL), includes)


_TOKEN = re.compile(
    r"(?P<folders>\*\*/?)|(?P<some>\*)|(?P<one>\?)|(?P<set>\[\^?[^\]]+\])|\\(?P<quoted>.)|(?P<plain>.)", re.DOTALL
)


def _expression(pattern: str) -> str:
    """Return the regular expression of a pattern: `*` and `?` stay within one folder, `**` does not."""
    if any(token.group("plain") == "[" for token in _TOKEN.finditer(pattern)):
        raise ValueError("its `[` is not closed")
    return "".join(_translated(token, last=token.end() == len(pattern)) for token in _TOKEN.finditer(pattern))


def _translated(token: re.Match[str], *, last: bool) -> str:
    match token.lastgroup:
        case "folders":
            return ".*" if last else "(?:.*/)?"
        case "some":
            return "[^/]*"
        case "one":
            return "[^/]"
        case "set":
            return token.group()
        case _:
            return re.escape(token.group("quoted") or token.group())
