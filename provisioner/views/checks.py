"""What an examination found: a verdict on each thing and, for each fault, one thing to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import RenderableType
from rich.text import Text

from provisioner.model.finding import Finding, Verdict
from provisioner.views.marks import Marks
from provisioner.views.page import clean, hanging
from provisioner.views.words import plural


def count(findings: Sequence[Finding], verdict: Verdict) -> int:
    """Return how many findings have a verdict."""
    return sum(finding.verdict == verdict for finding in findings)


def checks_page(findings: Sequence[Finding], marks: Marks) -> Iterator[RenderableType]:
    """Yield the findings, one subject after the other, then how many there are of each verdict."""
    signs = {"ok": (marks.good, "good"), "warning": (marks.warn, "warn"), "failure": (marks.bad, "bad")}
    for subject, group in groupby(findings, key=lambda finding: finding.subject):
        yield Text(subject or "this machine", style="strong")
        for finding in group:
            sign, style = signs[finding.verdict]
            yield hanging(
                Text(f"  {sign} ", style=style),
                Text.assemble((finding.verdict, style), f"  {finding.check}: {clean(finding.text)}"),
            )
            if finding.fix:
                yield hanging(Text("      "), Text.assemble(("fix: ", "command"), clean(finding.fix)))
    yield Text(
        f"{count(findings, 'ok')} ok, {plural(count(findings, 'warning'), 'warning')}, "
        f"{plural(count(findings, 'failure'), 'failure')}.",
        style="strong",
    )
