"""Whether two texts of two hosts say the same, each one's own name, addresses and ids standing for the other's."""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Sequence

from provisioner.model.facts import OwnWord

_COMMENT = re.compile(r"\s*(?:#|;|//|<!--)")
_MOMENT = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?"
    r"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? (?:\w{3} +\d+|\d+ \w{3})[^#;]*?\d\d:\d\d:\d\d"
    r"(?: \w+)?(?: \d{4})?(?: [+-]\d{4})?"
)
"""Moments as generators write them into the heads of files."""
_DRAFT = re.compile(r"/tmp/[\w./-]+")  # noqa: S108 - read in texts, never written to
"""Where `crontab` had its text from, by a name of chance, as its head says."""


@functools.lru_cache(maxsize=256)
def _pattern(own: tuple[OwnWord, ...]) -> re.Pattern[str]:
    words = "|".join(re.escape(word.text) for word in own) or r"(?!)"
    return re.compile(rf"(?<![0-9A-Za-z_-])(?:{words})(?![0-9A-Za-z_-])")


def hidden(text: str, own: tuple[OwnWord, ...]) -> str:
    """Return a text of a host with what that host alone is called by replaced by what it is."""
    meaning = {word.text: word.stands_for for word in own}
    return _pattern(own).sub(lambda found: meaning[found[0]], text)


def settled(text: str, own: tuple[OwnWord, ...], other: str) -> list[str]:
    """Return the lines of a text as they are compared with another host's.

    A line that the other has as well stays as it is: a host may be called by a word that is common in texts.
    """
    there = frozenset(other.splitlines())
    return [line if line in there else _plain(line, own) for line in text.splitlines()]


def _plain(line: str, own: tuple[OwnWord, ...]) -> str:
    line = hidden(line, own)
    return _DRAFT.sub("<draft>", _MOMENT.sub("<moment>", line)) if _COMMENT.match(line) else line


def says_the_same(mine: str, own: tuple[OwnWord, ...], other: str, others: tuple[OwnWord, ...]) -> bool:
    """Tell whether two texts of two hosts say the same."""
    return mine == other or settled(mine, own, other) == settled(other, others, mine)


def unified(before: Sequence[str], after: Sequence[str], names: tuple[str, str]) -> str:
    """Return a unified diff of lines, empty where there is no difference."""
    return "\n".join(difflib.unified_diff(before, after, *names, lineterm=""))
