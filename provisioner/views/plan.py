"""The plan as a person reviews it: who changes and why, in which steps, who would notice."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from itertools import groupby

from rich.console import RenderableType
from rich.text import Text

from provisioner.model.observed import Unreachable
from provisioner.model.plan import Change, Plan, Step
from provisioner.views.marks import Marks
from provisioner.views.page import clean, hanging, indented
from provisioner.views.sentences import out_of_rotation, place, sentence
from provisioner.views.words import names, plural, short

SIGNS = {"add": "+", "change": "~", "remove": "-"}
MOST_STEPS = 12
_SLOT = re.compile(r" slot [ab]\b")


def counts(plan: Plan) -> dict[str, int]:
    """Return how many nodes and balancers the plan adds, changes and removes."""
    return {kind: sum(change.change == kind for change in plan.changes) for kind in SIGNS}


def plan_page(
    plan: Plan, marks: Marks, unreachable: Sequence[Unreachable] = (), *, every_step: bool = False
) -> Iterator[RenderableType]:
    """Yield a plan, its last line the summary; `unreachable` says why a host was not observed."""
    if plan.steps:
        yield _title(plan)
        yield ""
        yield from _changes(plan.changes, marks)
        yield from _steps(plan.steps, marks, every_step=every_step)
        yield from _hooks(plan)
        yield from _interruptions(plan, marks)
    for each in plan.drained:
        yield hanging(Text(f"{marks.waiting} ", style="warn"), Text(clean(out_of_rotation(each)), style="warn"))
    yield from _unreachable(plan, marks, unreachable)
    yield from _missing(plan, marks)
    yield Text(summary(plan), style="strong")


def summary(plan: Plan) -> str:
    """Return the last line of a plan."""
    if not plan.steps:
        seen = "every host that answered is" if plan.unreachable else "the fleet is"
        return f"Nothing to do: {seen} as the spec says."
    number = counts(plan)
    return f"Plan: {number['add']} to add, {number['change']} to change, {number['remove']} to remove."


def _title(plan: Plan) -> Text:
    release = f"release {plan.release}" if plan.release else "release named once its images are there"
    return Text.assemble((plan.fleet, "strong"), "  ", release)


def _changes(changes: tuple[Change, ...], marks: Marks) -> Iterator[RenderableType]:
    alike: dict[tuple[str, tuple[str, ...]], list[str]] = {}
    for change in changes:
        alike.setdefault((change.change, change.reasons), []).append(change.node or change.host)
    for (kind, reasons), nodes in alike.items():
        many = f"  ({plural(len(nodes), 'node')})" if len(nodes) > 1 else ""
        yield hanging(
            Text(f"{SIGNS.get(kind, '~')} ", style=kind), Text.assemble((names(nodes), kind), (many, "faint"))
        )
        yield from (indented(short(reason).replace(" -> ", f" {marks.arrow} ")) for reason in reasons)
    if changes:
        yield ""


def _steps(steps: tuple[Step, ...], marks: Marks, *, every_step: bool) -> Iterator[RenderableType]:
    yield Text(f"{plural(len(steps), 'step')}:")
    rows = list(_single(steps) if every_step else _grouped(steps))
    shown = rows if every_step or len(rows) <= MOST_STEPS else rows[: MOST_STEPS - 1]
    for first, last, text in shown:
        number = f"{first}" if first == last else f"{first}-{last}"
        yield hanging(Text(f"{number:>7}  ", style="faint"), text)
    if len(shown) < len(rows):
        yield indented(f"{marks.more} and {len(steps) - shown[-1][1]} more like these; -v shows them all", 9)
    yield ""


def _single(steps: tuple[Step, ...]) -> Iterator[tuple[int, int, str]]:
    for number, step in enumerate(steps, 1):
        what = "; ".join(f"{place(action)}: {sentence(action)}" for action in step.actions)
        yield number, number, f"{step.title} [{what}]"


def _grouped(steps: tuple[Step, ...]) -> Iterator[tuple[int, int, str]]:
    number = 1
    for who, group in groupby(steps, key=_who):
        titles = [step.title for step in group]
        what = ", ".join(title.rpartition(": ")[2] for title in titles)
        yield number, number + len(titles) - 1, f"{who}: {what}" if who else what
        number += len(titles)


def _who(step: Step) -> str:
    return _SLOT.sub("", step.title.rpartition(": ")[0])


def _hooks(plan: Plan) -> Iterator[RenderableType]:
    if plan.hooks:
        yield Text("commands of yours that run here:")
        yield from (
            hanging(Text(f"{each.hook:>12}  ", style="faint"), clean(shlex.join(each.command))) for each in plan.hooks
        )
        yield ""


def _interruptions(plan: Plan, marks: Marks) -> Iterator[RenderableType]:
    for who in dict.fromkeys(plan.interrupts):
        yield hanging(Text(f"{marks.warn} ", style="warn"), Text(f"interrupts {who}", style="warn"))
    if plan.interrupts:
        yield ""


def _missing(plan: Plan, marks: Marks) -> Iterator[RenderableType]:
    for each in plan.secrets:
        text = f"secret {each.secret}: {clean(each.reason)}; no container that needs it can be created from here"
        yield hanging(Text(f"{marks.warn} ", style="warn"), Text(text, style="warn"))
    if plan.secrets:
        yield ""


def _unreachable(plan: Plan, marks: Marks, unreachable: Sequence[Unreachable]) -> Iterator[RenderableType]:
    why = {host.name: f": {clean(host.reason)}" for host in unreachable}
    hosts = tuple(dict.fromkeys((*plan.unreachable, *why)))
    for host in hosts:
        text = f"{host} was not observed, and is not part of this plan{why.get(host, '')}"
        yield hanging(Text(f"{marks.bad} ", style="bad"), Text(text, style="bad"))
    if hosts:
        yield ""
