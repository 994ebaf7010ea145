"""What happens while a plan is carried out, as lines: a quiet log, and how the run ended."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.text import Text

from provisioner.model.event import (
    ActionFailed,
    ActionSucceeded,
    Finished,
    HookRan,
    HookSaid,
    HostUnreachableSeen,
    LeaseTaken,
    LeaseWatched,
    Outcome,
    RolledBack,
    SpaceFreed,
    StepStarted,
)
from provisioner.views.diagnosis import diagnosis_page
from provisioner.views.diagnostics import explanation
from provisioner.views.marks import Marks
from provisioner.views.page import clean, hanging, indented
from provisioner.views.sentences import place, sentence
from provisioner.views.words import duration, names, plural, size

NEXT: dict[Outcome, str] = {
    "complete": "provisioner status",
    "unchanged": "provisioner status",
    "rolled_back": "provisioner plan",
    "paused": "provisioner status",
    "halted": "provisioner status",
    "interrupted": "provisioner apply",
    "failed": "provisioner plan",
}

DEFAULT: dict[Outcome, str] = {
    "complete": "every step is done",
    "unchanged": "nothing to do",
    "rolled_back": "every host was observed on the release before",
    "paused": "the rollout is incomplete",
    "halted": "the fleet is mixed",
    "interrupted": "the same command goes on from here",
    "failed": "it did not work",
}


def step_line(event: StepStarted) -> Text:
    """Return the line that opens a step."""
    return Text.assemble((f"[{event.number}/{event.total}] ", "faint"), event.step.title)


def succeeded_line(event: ActionSucceeded, marks: Marks) -> RenderableType:
    """Return the line of an action that is done: host, what, how long."""
    detail = f"  {clean(event.detail)}" if event.detail else ""
    line = Text.assemble((f"{marks.good} ", "good"), f"{place(event.action)}: {sentence(event.action)}")
    return indented(line.append(f"  {duration(event.seconds)}", "faint").append(detail, "faint"), 2)


def failed_page(event: ActionFailed, marks: Marks) -> Iterator[RenderableType]:
    """Yield an action that failed: what, why, the lines that explain it, what to do."""
    failed = f"{place(event.action)}: failed to {sentence(event.action)}"
    yield hanging(Text(f"{marks.bad} ", style="bad"), Text(failed, style="bad"))
    if event.diagnosis is None:
        yield from explanation(event.error, event.hint, event.log)
    else:
        yield from explanation(event.error)
        yield from diagnosis_page(event.diagnosis)


def unreachable_page(event: HostUnreachableSeen, marks: Marks) -> Iterator[RenderableType]:
    """Yield a host that could not be reached."""
    yield Text(f"{marks.bad} {event.host} unreachable: {clean(event.reason)}", style="bad")
    if event.hint:
        yield Text.assemble(("hint: ", "command"), clean(event.hint))


def hook_line(event: HookSaid) -> RenderableType:
    """Return a line that a hook wrote."""
    return indented(Text.assemble(("| ", "faint"), clean(event.line)))


def hook_page(event: HookRan, marks: Marks, *, quiet: bool) -> Iterator[RenderableType]:
    """Yield how a hook ended; in a quiet run only one that failed, with its last lines, which were not shown yet."""
    if not event.failure:
        if not quiet:
            said = Text.assemble((f"{marks.good} ", "good"), f"hook {event.hook}: {clean(' '.join(event.command))}")
            yield said.append(f"  {duration(event.seconds)}", "faint")
        return
    lead = Text(f"{marks.bad} ", style="bad")
    yield hanging(lead, Text(f"hook {event.hook}: {clean(event.failure)}", style="bad"))
    if quiet:
        yield from (hook_line(HookSaid(event.hook, line)) for line in event.output)


def freed_line(event: SpaceFreed) -> str:
    """Return what a host gained."""
    return f"{event.host}: {plural(event.images, 'image')} removed, {size(event.freed)} freed"


def rolled_back_line(event: RolledBack) -> str:
    """Return that the fleet is where it was."""
    return f"{event.failed} was taken back: every host was observed on {event.release}"


def watched_page(event: LeaseWatched, marks: Marks) -> Iterator[RenderableType]:
    """Yield that a lease was not handed back, and what is done about it."""
    holder = clean(f"{event.owner} (run {event.run})")
    yield Text(f"{marks.warn} {event.host}: {holder} holds the lease of this fleet", style="warn")
    yield indented(f"looking for up to {duration(event.seconds)} whether it still gives a sign of life")


def taken_line(event: LeaseTaken) -> str:
    """Return that this run holds the lease, and from whom it took it over."""
    held = f"the lease is ours on {names(event.hosts)} (run {event.run}, epoch {event.epoch})"
    over = f", taken over from {' and '.join(event.over)}, which had expired" if event.over else ""
    return clean(held + over)


def finished_line(event: Finished, marks: Marks) -> RenderableType:
    """Return how a run ended, in whole sentences."""
    sign, style = {
        "complete": (marks.good, "good"),
        "unchanged": (marks.good, "good"),
        "paused": (marks.warn, "warn"),
        "interrupted": (marks.warn, "warn"),
    }.get(event.outcome, (marks.bad, "bad"))
    word = event.outcome.replace("_", " ")
    took = f"  ({plural(event.actions, 'action')} in {duration(event.seconds)})" if event.actions else ""
    text = Text.assemble((word, style), f": {_ended(event)}", (took, "faint"))
    return hanging(Text(f"{sign} ", style=style), text)


def advice(event: Finished) -> str:
    """Return the next useful command, empty where there is none."""
    gone = event.outcome == "complete" and event.release is None
    return "" if gone else NEXT[event.outcome]


def _ended(event: Finished) -> str:
    said = _sentence(clean(event.message).strip() or DEFAULT[event.outcome])
    if event.release is None or event.outcome not in {"complete", "unchanged"}:
        return said
    return f"{said} The fleet is on {event.release}."


def _sentence(text: str) -> str:
    return text if text.endswith((".", "!", "?")) else f"{text}."
