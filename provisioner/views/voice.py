"""What a person hears while something is carried out: live where somebody watches, else a quiet log."""

from __future__ import annotations

from contextlib import suppress
from threading import RLock
from typing import TextIO, assert_never

from provisioner.errors import ProvisionerError
from provisioner.model.event import (
    ActionFailed,
    ActionProgress,
    ActionSucceeded,
    DriftAppeared,
    DriftGone,
    Event,
    Finished,
    HookRan,
    HookSaid,
    HostUnreachableSeen,
    LeaseTaken,
    LeaseWatched,
    LookFailed,
    PlanMade,
    RolledBack,
    SpaceFreed,
    StepStarted,
)
from provisioner.views import events
from provisioner.views.diagnostics import error_page
from provisioner.views.drift import change_line, failed_look
from provisioner.views.page import Page, hint
from provisioner.views.plan import plan_page
from provisioner.views.progress import LiveProgress
from provisioner.views.settings import Settings


class _Run:
    """The part of the view that hears what happens; live where somebody watches, else a quiet log."""

    def __init__(self, out: Page, err: Page, settings: Settings) -> None:
        self._out = out
        self._err = err
        self._settings = settings
        self._live = LiveProgress(err.console, err.marks) if settings.interactive and settings.verbosity >= 0 else None

    def emit(self, event: Event) -> None:
        """Show one event."""
        match event:
            case PlanMade():
                self._plan(event)
            case StepStarted():
                self._step(event)
            case ActionProgress():
                if self._live is not None:
                    self._live.advance(event)
            case ActionSucceeded():
                self._succeeded(event)
            case ActionFailed():
                self._failed(event)
            case HostUnreachableSeen():
                self._err.show(*events.unreachable_page(event, self._err.marks))
            case HookSaid():
                if self._settings.verbosity >= 0:
                    self._err.show(events.hook_line(event))
            case HookRan():
                self._err.show(*events.hook_page(event, self._err.marks, quiet=self._settings.verbosity < 0))
            case SpaceFreed():
                self._out.show(events.freed_line(event))
            case RolledBack():
                self._out.show(events.rolled_back_line(event))
            case DriftAppeared() | DriftGone():
                self._out.show(change_line(event, self._out.marks))
            case LookFailed():
                self._out.show(*failed_look(event, self._out.marks))
            case Finished():
                self._finished(event)
            case LeaseWatched():
                self._err.show(*events.watched_page(event, self._err.marks))
            case LeaseTaken():
                if event.over or self._settings.verbosity > 0:
                    self._err.show(events.taken_line(event))
            case _:
                assert_never(event)

    def stop(self) -> None:
        """Clear the live display."""
        if self._live is not None:
            self._live.stop()

    def _plan(self, event: PlanMade) -> None:
        if self._settings.verbosity >= 0 and event.plan.steps:
            self._out.show(*plan_page(event.plan, self._out.marks, every_step=self._settings.verbosity > 0))

    def _step(self, event: StepStarted) -> None:
        if self._live is not None:
            self._live.step(event)
        elif self._settings.verbosity >= 0:
            self._err.show(events.step_line(event))

    def _succeeded(self, event: ActionSucceeded) -> None:
        if self._live is not None:
            self._live.end(event.action)
        if self._settings.verbosity >= 0:
            self._err.show(events.succeeded_line(event, self._err.marks))

    def _failed(self, event: ActionFailed) -> None:
        if self._live is not None:
            self._live.end(event.action)
        self._err.show(*events.failed_page(event, self._err.marks))

    def _finished(self, event: Finished) -> None:
        self.stop()
        self._out.show(events.finished_line(event, self._out.marks))


class TerminalVoice:
    """Tells a person what happens; what is handed in decides width, colour and animation."""

    def __init__(self, stdout: TextIO, stderr: TextIO, settings: Settings) -> None:
        self._out = Page(stdout, settings.width, colour=settings.colour_out)
        self._err = Page(
            stderr, settings.width_err or settings.width, colour=settings.colour_err, live=settings.interactive
        )
        self._settings = settings
        self._run = _Run(self._out, self._err, settings)
        self._lock = RLock()

    def emit(self, event: Event) -> None:
        """Show what happens; a reader who went away ends no rollout."""
        with self._lock, suppress(OSError):
            self._run.emit(event)
            if isinstance(event, Finished):
                self.next(events.advice(event))

    def error(self, error: ProvisionerError) -> None:
        """Show why it did not work, and what to do."""
        with self._lock:
            self._run.stop()
            self._err.show(*error_page(error, self._err.width))

    def message(self, text: str) -> None:
        """Say something that is not data."""
        if self._settings.verbosity >= 0:
            with self._lock:
                self._err.show(text)

    def next(self, command: str) -> None:
        """Name the next useful command."""
        if command and self._settings.verbosity >= 0:
            with self._lock:
                self._err.show(hint(command))

    def close(self) -> None:
        """Leave the terminal as it was found."""
        self._run.stop()
