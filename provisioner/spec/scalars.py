"""What an unquoted text means: only what nobody would be surprised by is anything else than text."""

from __future__ import annotations

import math
import re

from provisioner.spec.tree import ScalarValue

_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(?:(?:0|[1-9][0-9]{0,17})(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]{1,3})?")
_WORDS: dict[str, bool | None] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}


def plain_value(text: str) -> ScalarValue:
    """Return what an unquoted text means.

    As YAML 1.2's core schema, less what reads as something else elsewhere: `no`, `on`, `22:22`, `010`, `0o17`,
    `0x1f`, `1_000` and `.inf` stay text.
    """
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text):
        number = float(text)
        return number if math.isfinite(number) else text
    return text
