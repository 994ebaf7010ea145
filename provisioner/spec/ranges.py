"""Host ranges of an inventory: `web[1:4]`, `web[01:08]`, `[a:c]`."""

from __future__ import annotations

import re
import string

_RANGE = re.compile(r"\[([^\[\]]*)\]")
_LETTERS = string.ascii_letters
LIMIT = 10_000
"""The most hosts one key may stand for."""


def expand(pattern: str) -> tuple[str, ...]:
    """Return the names a key stands for, as Ansible expands it. Raise ValueError with what is wrong."""
    match = _RANGE.search(pattern)
    if not match:
        return (pattern,)
    head, tail = pattern[: match.start()], pattern[match.end() :]
    middles, tails = _middles(match[1]), expand(tail)
    if len(middles) * len(tails) > LIMIT:
        raise ValueError(f"'{pattern}' stands for more than {LIMIT} hosts")
    return tuple(f"{head}{middle}{rest}" for middle in middles for rest in tails)


def _middles(bounds: str) -> tuple[str, ...]:
    first, *others = bounds.split(":")
    if len(others) not in {1, 2} or not others[0]:
        raise ValueError(f"the range '[{bounds}]' is not [first:last] or [first:last:step]")
    first, last, step = first or "0", others[0], others[1] if len(others) > 1 else "1"
    if not step.isdecimal() or int(step) == 0:
        raise ValueError(f"the step of the range '[{bounds}]' is not a number above 0")
    if len(first) == len(last) == 1 and first in _LETTERS and last in _LETTERS:
        letters = _LETTERS[_LETTERS.index(first) : _LETTERS.index(last) + 1 : int(step)]
        return _not_empty(tuple(letters), bounds)
    return _numbers(first, last, int(step), bounds)


def _numbers(first: str, last: str, step: int, bounds: str) -> tuple[str, ...]:
    if not re.fullmatch(r"[0-9]{1,9}", first) or not re.fullmatch(r"[0-9]{1,9}", last):
        raise ValueError(f"the range '[{bounds}]' needs two numbers or two letters")
    padded = len(first) > 1 and first.startswith("0")
    if padded and len(first) != len(last):
        raise ValueError(f"the bounds of the range '[{bounds}]' must have the same number of digits")
    width = len(first) if padded else 0
    numbers = range(int(first), int(last) + 1, step)
    if len(numbers) > LIMIT:
        raise ValueError(f"the range '[{bounds}]' stands for more than {LIMIT} hosts")
    return _not_empty(tuple(str(number).zfill(width) for number in numbers), bounds)


def _not_empty(found: tuple[str, ...], bounds: str) -> tuple[str, ...]:
    if not found:
        raise ValueError(f"the range '[{bounds}]' is empty: its end comes before its beginning")
    return found
