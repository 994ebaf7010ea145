"""Asking a person, and hearing him when he wants to stop."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from provisioner.errors import Interrupted, UsageError

if TYPE_CHECKING:
    from provisioner.views.view import Voice


def confirmed(*, yes: bool, may_ask: bool) -> bool:
    """Return whether a person agrees to the plan he was just shown. Raise UsageError where there is nobody to ask."""
    if yes:
        return True
    if not may_ask:
        raise UsageError("there is nobody to confirm this plan", hint="run it again with --yes")
    return typer.confirm("Apply this plan?", err=True)


@contextmanager
def stop_on_interrupt(voice: Voice) -> Iterator[Callable[[], bool]]:
    """Lend a question that is true after Ctrl-C; the step under way is finished. A second Ctrl-C stops at once."""
    asked = threading.Event()

    def hear(_signal: int, _frame: object) -> None:
        if asked.is_set():
            _leave(voice)
        asked.set()
        typer.echo("finishing this step; Ctrl-C again stops now", err=True)

    before = signal.signal(signal.SIGINT, hear)
    try:
        yield asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)


def _leave(voice: Voice) -> None:
    """End this process: an exception would first wait for every action of the step, up to its deadline."""
    error = Interrupted()
    voice.close()
    voice.error(error)
    os._exit(error.exit_code)
