"""Why a node failed, as a short block: causes with what shows them and what helps, last log lines, what changed."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from provisioner.model.diagnosis import Diagnosis, Reason
from provisioner.views.page import clean, hanging, indented


def diagnosis_page(diagnosis: Diagnosis) -> Iterator[RenderableType]:
    """Yield everything a diagnosis says, the likeliest reason first."""
    for number, reason in enumerate(diagnosis.reasons):
        yield from _reason("cause: " if number == 0 else " also: ", reason)
    if diagnosis.log:
        yield Text("its last lines:")
        yield from (indented(Text.assemble(("| ", "faint"), clean(line))) for line in diagnosis.log)
    if diagnosis.changes:
        yield Text(f"changed since {diagnosis.since}:")
        yield from (indented(clean(change)) for change in diagnosis.changes)
    elif diagnosis.since:
        yield Text(f"nothing of it changed since {diagnosis.since}")
    for gap in diagnosis.gaps:
        yield hanging(Text("not found out: ", style="faint"), clean(gap))


def _reason(lead: str, reason: Reason) -> Iterator[RenderableType]:
    word = reason.cause.replace("_", " ")
    yield hanging(Text(lead, style="bad"), Text.assemble((word, "strong"), f": {clean(reason.evidence)}"))
    if reason.fix:
        yield hanging(Text("  fix: ", style="command"), clean(reason.fix))
