"""Drift for a person: a matrix of places and kinds, then every distinct difference once, with all it is found on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import RenderableType
from rich.text import Text

from provisioner.model.drift import Drift, DriftClass, DriftReport
from provisioner.model.event import DriftAppeared, DriftGone, LookFailed
from provisioner.views.marks import Marks
from provisioner.views.page import clean, hanging, indented
from provisioner.views.peers import diff_lines
from provisioner.views.tables import Row, table
from provisioner.views.words import names, plural, short

MEANING: dict[DriftClass, str] = {
    "drift": "changed behind our back",
    "pending": "declared and not applied yet",
    "unmanaged": "not ours",
    "outlier": "undeclared, and unlike its peers",
    "unknown": "could not be observed",
}
_REMEDIES, _BLOCKS = 3, 30
"""How many commands of one difference, and how many differences of one kind, are shown unless more is asked for."""


def drift_page(report: DriftReport, marks: Marks, width: int, *, every_line: bool = False) -> Iterator[RenderableType]:
    """Yield the matrix, a block per distinct difference, what is left aside, then the summary line."""
    counted = report.counted
    yield from _matrix(counted, marks, width)
    blocks = _alike(counted)
    shown: Counter[str] = Counter()
    for block in blocks:
        shown[block.row.kind] += 1
        if every_line or shown[block.row.kind] <= _BLOCKS:
            yield from _block(block, marks, every_line=every_line)
            yield ""
    for kind, count in shown.items():
        if count > _BLOCKS and not every_line:
            yield Text(f"{marks.more} {count - _BLOCKS} more differences of kind {kind}, with -v", style="faint")
    yield from _aside(report, marks)
    yield Text(_summary(report, len(blocks)), style="strong")


def advice(rows: Sequence[Drift]) -> str:
    """Return the next useful command, empty where nothing can be put right by one."""
    classes = {row.drift_class for row in rows}
    if "pending" in classes:
        return "provisioner plan"
    if "drift" in classes:
        return "provisioner repair"
    return "provisioner doctor" if "unknown" in classes else ""


def change_line(event: DriftAppeared | DriftGone, marks: Marks) -> RenderableType:
    """Return the line of one difference that came or went between two looks."""
    row = event.row
    came = isinstance(event, DriftAppeared)
    what = f"{row.drift_class}  {row.kind} {clean(row.key)}".rstrip() + f" on {row.place}"
    values = f": should be {_brief(row.desired)} {marks.arrow} is {_brief(row.observed)}" if came else ""
    sign = Text(f"{marks.bad} ", style="bad") if came else Text(f"{marks.good} ", style="good")
    return hanging(sign, f"{event.at} {'appeared' if came else 'gone'} {what}{values}")


def failed_look(event: LookFailed, marks: Marks) -> Iterator[RenderableType]:
    """Yield why one look did not work, and what to do."""
    yield hanging(Text(f"{marks.unknown} ", style="warn"), f"{event.at} not observed: {clean(event.reason)}")
    if event.hint:
        yield indented(Text.assemble(("hint: ", "command"), clean(event.hint)), 2)


@dataclass(frozen=True, slots=True)
class _Block:
    """One distinct difference: the first of its rows, the places it is found on, what undoes it on each host."""

    row: Drift
    places: tuple[str, ...]
    remedies: tuple[str, ...]


def _alike(rows: Sequence[Drift]) -> tuple[_Block, ...]:
    found: dict[tuple[str, ...], list[Drift]] = {}
    for row in rows:
        difference = (row.drift_class, row.kind, row.key, row.desired, row.observed, row.detail, row.note)
        found.setdefault(difference, []).append(row)
    return tuple(
        _Block(
            same[0], tuple(row.place for row in same), tuple(dict.fromkeys(row.remedy for row in same if row.remedy))
        )
        for same in found.values()
    )


def _matrix(rows: Sequence[Drift], marks: Marks, width: int) -> Iterator[RenderableType]:
    """Yield how many differences of each kind every place has; the longer side stands upright."""
    places, kinds = tuple(dict.fromkeys(row.place for row in rows)), tuple(dict.fromkeys(row.kind for row in rows))
    if not rows:
        return
    counts = Counter((row.place, row.kind) for row in rows)
    unknown = {(row.place, row.kind) for row in rows if row.drift_class == "unknown"}

    def cell(place: str, kind: str) -> Text:
        count = counts[place, kind]
        if (place, kind) in unknown:
            return Text(marks.unknown, style="warn")
        return Text(str(count), style="bad") if count else Text(marks.waiting, style="faint")

    if len(places) >= len(kinds):
        lines: list[Row] = [(place, *(cell(place, kind) for kind in kinds)) for place in places]
        yield from table(("", *kinds), lines, width, as_written=True)
    else:
        lines = [(kind, *(cell(place, kind) for place in places)) for kind in kinds]
        yield from table(("", *places), lines, width, as_written=True)
    yield ""


def _block(block: _Block, marks: Marks, *, every_line: bool) -> Iterator[RenderableType]:
    row = block.row
    yield _title(row.drift_class, f"{row.kind} {clean(row.key)}".strip(), marks)
    yield indented(_values(row, marks))
    places = block.places
    yield indented(f"on {names(places)}" + (f"  ({len(places)})" if len(places) > 1 else ""))
    if row.note:
        yield indented(clean(row.note))
    yield from diff_lines(row.detail, marks, every_line=every_line)
    shown = block.remedies if every_line else block.remedies[:_REMEDIES]
    for remedy in shown:
        yield indented(Text.assemble(("undo: ", "faint"), (clean(remedy), "command")))
    if len(block.remedies) > len(shown):
        yield indented(Text(f"{marks.more} {len(block.remedies) - len(shown)} more hosts, with -v", style="faint"))


def _aside(report: DriftReport, marks: Marks) -> Iterator[RenderableType]:
    """Yield what does not count, in a line per reason."""
    reasons: dict[str, list[Drift]] = {}
    for row in report.rows:
        if row.ignored:
            reasons.setdefault(row.ignored, []).append(row)
    for reason, rows in reasons.items():
        what = names([f"{row.kind} {clean(row.key)}".strip() for row in rows])
        told = f"ignored: {what} on {names([row.place for row in rows])}: {clean(reason)}"
        yield hanging(Text(f"{marks.waiting} ", style="faint"), Text(told, style="faint"))
    for line in dict.fromkeys(line for _, line in report.left_out):
        hosts = names([host for host, told in report.left_out if told == line])
        yield hanging(Text(f"{marks.waiting} ", style="faint"), Text(f"{hosts}: {clean(line)}", style="faint"))


def _summary(report: DriftReport, differences: int) -> str:
    summary = report.summary
    looked = f"{plural(summary.nodes, 'node')} on {plural(summary.hosts, 'host')}"
    aside = f", {summary.ignored} ignored" if summary.ignored else ""
    if not differences:
        return f"No difference: {looked} as declared{aside}."
    unknown = f", {plural(summary.unknown, 'host')} not observed" if summary.unknown else ""
    found = plural(differences, "distinct difference")
    return f"{found} among {looked}: {plural(summary.drifted, 'node')} drifted{unknown}{aside}."


def _title(found: DriftClass, what: str, marks: Marks) -> RenderableType:
    sign, style = {
        "drift": (marks.bad, "bad"),
        "pending": (marks.waiting, "change"),
        "unmanaged": (marks.unknown, "warn"),
        "outlier": (marks.warn, "warn"),
        "unknown": (marks.unknown, "warn"),
    }[found]
    return hanging(
        Text(f"{sign} ", style=style), Text.assemble((found, style), f"  {what}", (f"  ({MEANING[found]})", "faint"))
    )


def _values(row: Drift, marks: Marks) -> Text:
    if row.drift_class == "outlier" and not row.desired:
        return Text(f"is {_shown(row.observed, row.detail)}")
    wanted = _shown(row.desired, row.detail)
    return Text(f"should be {wanted} {marks.arrow} is {_shown(row.observed, row.detail)}")


def _brief(value: str) -> str:
    """Return the first line of a value: a watch tells a change in one line."""
    first, more, _ = clean(value).partition("\n")
    return (short(first) or "(empty)") + (" …" if more else "")


def _shown(value: str, detail: str) -> str:
    """Return a value on one line; what a diff tells better is left to it."""
    first, several, _ = clean(value).partition("\n")
    if several:
        return "as below" if detail else clean(value).replace("\n", "; ")
    return short(first) or "(empty)"
