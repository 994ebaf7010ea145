"""In what hosts differ: a matrix of hosts and kinds, then a block per difference, then what nobody could see."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import groupby

from rich.console import RenderableType
from rich.text import Text

from provisioner.model.facts import HostGap, Kind, PeerComparison, PeerDifference
from provisioner.views.marks import Marks
from provisioner.views.page import clean, hanging, indented
from provisioner.views.tables import table
from provisioner.views.words import names, plural

SCHEMA = 1
DIFF_LINES = 60
"""Lines of one diff that are shown unless more is asked for."""

_STYLES = {"+": "add", "-": "remove", "@": "faint"}
_KEYS = 6
_PAIR = 2
"""Of two hosts that differ neither is the odd one out."""


def peers_page(
    found: PeerComparison, marks: Marks, width: int, *, every_line: bool = False
) -> Iterator[RenderableType]:
    """Yield the whole comparison, the verdict last."""
    yield from _matrix(found, marks, width)
    yield ""
    for difference in found.differences:
        yield from _difference(difference, len(found.hosts), marks, every_line=every_line)
        yield ""
    for lost in found.unreachable:
        yield Text(f"{marks.bad} {lost.name} unreachable: {clean(lost.reason)}", style="bad")
        if lost.hint:
            yield indented(Text.assemble(("hint: ", "command"), clean(lost.hint)), 2)
    yield from _gaps(found.gaps, marks)
    for line in dict.fromkeys(line for _, line in found.left_out):
        hosts = names([host for host, told in found.left_out if told == line])
        yield hanging(Text(f"{marks.waiting} ", style="faint"), f"not looked at on {hosts}: {clean(line)}")
    yield Text(_verdict(found), style="strong")


def _matrix(found: PeerComparison, marks: Marks, width: int) -> Iterator[RenderableType]:
    """Yield a table of the kinds that are not the same everywhere, and name the others."""
    shown = [kind for kind in found.kinds if any(not _is_same(found, host, kind) for host in found.hosts)]
    cells = {(host, kind): _cell(found, host, kind, marks) for host in found.hosts for kind in shown}
    if shown and len(found.hosts) > len(shown):
        rows: list[tuple[str | Text, ...]] = [(host, *(cells[host, kind] for kind in shown)) for host in found.hosts]
        yield from table(("", *shown), rows, width, as_written=True)
    elif shown:
        rows = [(kind, *(cells[host, kind] for host in found.hosts)) for kind in shown]
        yield from table(("", *found.hosts), rows, width, as_written=True)
    same = [kind for kind in found.kinds if kind not in shown]
    if same:
        yield hanging(Text(f"{marks.good} same: ", style="good"), names(same))


def _is_same(found: PeerComparison, host: str, kind: Kind) -> bool:
    return not (found.count(host, kind) or found.is_unknown(host, kind))


def _cell(found: PeerComparison, host: str, kind: Kind, marks: Marks) -> Text:
    count, unknown = found.count(host, kind), found.is_unknown(host, kind)
    if not count:
        return Text(f"{marks.unknown} unknown", style="warn") if unknown else Text(f"{marks.good} same", style="good")
    return Text(f"{marks.bad} {plural(count, 'difference')}" + (", unknown" if unknown else ""), style="bad")


def _difference(found: PeerDifference, hosts: int, marks: Marks, *, every_line: bool) -> Iterator[RenderableType]:
    told = f"outlier: {names(found.outliers)}" if found.verdict == "outlier" else "tie"
    below = f"  and {plural(found.below, 'path')} below it" if found.below else ""
    title = Text.assemble(
        (found.kind, "bad"), f"  {clean(found.key)}{below}", (f"  ({told})" if hosts > _PAIR else "", "faint")
    )
    yield hanging(Text(f"{marks.bad} ", style="bad"), title)
    for each in found.values:
        yield indented(hanging_value(names(each.hosts), each.value, is_told=bool(found.diffs)))
    for diff in found.diffs:
        yield from diff_lines(diff, marks, every_line=every_line)


def diff_lines(diff: str, marks: Marks, *, every_line: bool) -> Iterator[RenderableType]:
    """Yield the lines of a unified diff, no more than a screen of them unless all are asked for."""
    lines = diff.splitlines()
    shown = lines if every_line else lines[:DIFF_LINES]
    yield from (indented(Text(clean(line), style=_STYLES.get(line[:1], ""))) for line in shown)
    if len(lines) > len(shown):
        yield indented(Text(f"{marks.more} {len(lines) - len(shown)} more lines, with -v", style="faint"))


def hanging_value(hosts: str, value: str, *, is_told: bool) -> Text:
    """Return a value after its hosts; one of several lines is left to the diff that tells it."""
    several = "\n" in value
    shown = "absent" if not value else "" if several and is_told else clean(value)
    start = "\n  " if several and shown else " "
    return Text.assemble((f"{hosts}:", "strong"), start + shown.replace("\n", "\n  ") if shown else "")


def _gaps(gaps: Sequence[HostGap], marks: Marks) -> Iterator[RenderableType]:
    """Yield what could not be read, alike things together."""
    for (kind, reason, hosts), group in groupby(gaps, key=lambda each: (each.gap.kind, each.gap.reason, each.hosts)):
        keys = [each.gap.key for each in group if each.gap.key]
        more = f" and {len(keys) - _KEYS} more" if len(keys) > _KEYS else ""
        what = Text.assemble(("unknown", "warn"), f"  {' '.join(filter(None, (kind, names(keys[:_KEYS]))))}{more}")
        yield hanging(Text(f"{marks.unknown} ", style="warn"), what + Text(f"  on {names(hosts)}: {clean(reason)}"))


def _verdict(found: PeerComparison) -> str:
    unknown = "; what is unknown may differ too" if found.incomplete else ""
    if not found.differences:
        return f"{'Nothing seen differs' if unknown else 'No difference'}: {plural(len(found.hosts), 'host')}{unknown}."
    return f"{plural(len(found.differences), 'difference')} among {plural(len(found.hosts), 'host')}{unknown}."


def peers_object(found: PeerComparison) -> dict[str, object]:
    """Return `compare --json`."""
    return {
        "schema": SCHEMA,
        "hosts": [
            {"host": host, "reachable": host not in {each.name for each in found.unreachable}} for host in found.hosts
        ],
        "summary": {
            "hosts": len(found.hosts),
            "differences": len(found.differences),
            "unknown": len(found.gaps) + len(found.unreachable),
        },
        "matrix": [
            {
                "host": host,
                "kind": kind,
                "differences": found.count(host, kind),
                "unknown": found.is_unknown(host, kind),
            }
            for host in found.hosts
            for kind in found.kinds
        ],
        "differences": [_difference_object(each) for each in found.differences],
        "unknown": [_gap_object(each) for each in found.gaps]
        + [{"hosts": [each.name], "kind": "host", "key": "", "reason": each.reason} for each in found.unreachable],
        "left_out": [{"host": host, "text": line} for host, line in found.left_out],
    }


def _difference_object(found: PeerDifference) -> dict[str, object]:
    return {
        "kind": found.kind,
        "key": found.key,
        "class": found.verdict,
        "outliers": list(found.outliers),
        "values": [{"value": each.value or None, "hosts": list(each.hosts)} for each in found.values],
        "below": found.below,
        "diffs": list(found.diffs),
    }


def _gap_object(found: HostGap) -> dict[str, object]:
    return {"hosts": list(found.hosts), **asdict(found.gap)}
