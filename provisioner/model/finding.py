"""What an examination found: good, doubtful or wrong, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Verdict = Literal["ok", "warning", "failure"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was examined on one subject (a host, or this machine)."""

    subject: str
    check: str
    verdict: Verdict
    text: str
    fix: str = ""
