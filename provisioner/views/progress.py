"""The live display of a run on a terminal: the step, and every action that is going on."""

from __future__ import annotations

import atexit

from rich.console import Console, RenderableType
from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from provisioner.model.event import ActionProgress, StepStarted
from provisioner.model.plan import Action
from provisioner.views.marks import UNICODE, Marks
from provisioner.views.page import clean
from provisioner.views.sentences import action_key, place, sentence
from provisioner.views.words import size


class LiveProgress:
    """Shows what runs now, below the lines that are done; gone without a trace when stopped."""

    def __init__(self, console: Console, marks: Marks) -> None:
        spinner = SpinnerColumn("dots" if marks is UNICODE else "line", style="none", finished_text="")
        words = TextColumn("{task.description}", style="none", markup=False)
        self._bars = Progress(
            spinner, words, TimeElapsedColumn(), console=console, transient=True, redirect_stdout=False
        )
        atexit.register(self._bars.stop)
        self._tasks: dict[tuple[str, str], TaskID] = {}

    def step(self, event: StepStarted) -> None:
        """Begin a step; all its actions are going on."""
        self.stop()
        self._title(f"[{event.number}/{event.total}] {clean(event.step.title)}")
        for action in event.step.actions:
            self._tasks[action_key(action)] = self._bars.add_task(_going_on(action, ""))
        self._bars.start()

    def advance(self, event: ActionProgress) -> None:
        """Show how far an action is."""
        task = self._tasks.get(action_key(event.action))
        if task is None:
            task = self._tasks[action_key(event.action)] = self._bars.add_task("")
        self._bars.update(task, description=_going_on(event.action, far(event)))

    def end(self, action: Action) -> None:
        """Take an action that ended off the display."""
        task = self._tasks.pop(action_key(action), None)
        if task is not None:
            self._bars.remove_task(task)

    def stop(self) -> None:
        """Clear the display."""
        self._bars.stop()
        for task in self._bars.task_ids:
            self._bars.remove_task(task)
        self._tasks.clear()

    @property
    def running(self) -> RenderableType:
        """Return the display as it is, for a test."""
        return self._bars.get_renderable()

    def _title(self, text: str) -> None:
        self._bars.add_task(text)


def far(event: ActionProgress) -> str:
    """Return how far an action is: what it does now, and bytes where it moves some."""
    text = clean(event.text)
    if not event.total_bytes:
        return f"{text} {size(event.done_bytes)}".strip() if event.done_bytes else text
    return f"{text} {size(event.done_bytes)} of {size(event.total_bytes)}".strip()


def _going_on(action: Action, state: str) -> str:
    what = f"{place(action)}: {sentence(action)}"
    return f"  {what} - {state}" if state else f"  {what}"
