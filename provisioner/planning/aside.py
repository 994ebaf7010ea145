"""Which differences are left aside, for which reason, and until when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from provisioner.model.drift import REACHABLE, Drift, Ignore


def set_aside(rows: Iterable[Drift], rules: Sequence[Ignore], today: str) -> tuple[Drift, ...]:
    """Return the differences, those that a rule of today covers with its reason; a host not reached always counts."""
    return tuple(_judged(row, [rule for rule in rules if rule.covers(row)], today) for row in rows)


def _judged(row: Drift, rules: Sequence[Ignore], today: str) -> Drift:
    if row.kind == REACHABLE or not rules:
        return row
    held = next((rule for rule in rules if not rule.until or rule.until >= today), None)
    if held is not None:
        return replace(row, ignored=held.reason)
    over = max(rules, key=lambda rule: rule.until)
    ended = f"was ignored until {over.until}: {over.reason}"
    return replace(row, note=f"{row.note}; {ended}" if row.note else ended)
