"""Drift for a person: every distinct difference once, with all nodes it is found on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import RenderableType
from rich.text import Text

from provisioner.model.drift import Drift, DriftClass, DriftSummary
from provisioner.views.marks import Marks
from provisioner.views.page import clean, hanging, indented
from provisioner.views.words import names, plural, short

MEANING: dict[DriftClass, str] = {
    "drift": "changed behind our back",
    "pending": "declared and not applied yet",
    "unmanaged": "not ours",
    "outlier": "undeclared, and unlike its peers",
    "unknown": "could not be observed",
}


def drift_page(rows: Sequence[Drift], summary: DriftSummary, marks: Marks) -> Iterator[RenderableType]:
    """Yield a block per distinct difference, then the summary line."""
    alike: dict[tuple[DriftClass, str, str, str, str], list[str]] = {}
    for row in rows:
        difference = (row.drift_class, row.kind, row.key, row.desired, row.observed)
        alike.setdefault(difference, []).append(row.node or row.host)
    for (found, kind, key, desired, observed), places in alike.items():
        yield _title(found, f"{kind} {key}".strip(), marks)
        yield indented(_values(desired, observed, marks))
        yield indented(f"on {names(places)}" + (f"  ({len(places)})" if len(places) > 1 else ""))
        yield ""
    yield Text(_summary(summary, len(alike)), style="strong")


def advice(rows: Sequence[Drift]) -> str:
    """Return the next useful command, empty where nothing can be put right by one."""
    classes = {row.drift_class for row in rows}
    if classes & {"drift", "pending", "outlier"}:
        return "provisioner plan"
    return "provisioner doctor" if "unknown" in classes else ""


def _summary(summary: DriftSummary, differences: int) -> str:
    looked = f"{plural(summary.nodes, 'node')} on {plural(summary.hosts, 'host')}"
    if not differences:
        return f"No difference: {looked} as declared."
    unknown = f", {plural(summary.unknown, 'host')} not observed" if summary.unknown else ""
    found = plural(differences, "distinct difference")
    return f"{found} among {looked}: {plural(summary.drifted, 'node')} drifted{unknown}."


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


def _values(desired: str, observed: str, marks: Marks) -> Text:
    return Text(f"should be {_shown(desired)} {marks.arrow} is {_shown(observed)}")


def _shown(value: str) -> str:
    return short(clean(value)) or "(empty)"
