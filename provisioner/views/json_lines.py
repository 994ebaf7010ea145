"""The view for programs: one JSON object for a question, one per line for a run; messages stay on standard error."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from threading import RLock
from typing import TextIO

from provisioner import __version__
from provisioner.errors import Interrupted, ProvisionerError
from provisioner.model.drift import DriftReport
from provisioner.model.event import ActionProgress, Event, Finished, HookSaid, Outcome
from provisioner.model.facts import PeerComparison
from provisioner.model.finding import Finding, Verdict
from provisioner.model.image import Made, PathDifference
from provisioner.model.lease import LeasesSeen
from provisioner.model.observed import Unreachable
from provisioner.model.plan import Plan
from provisioner.model.release import Comparison, History, Release
from provisioner.model.status import FleetStatus
from provisioner.views.checks import count
from provisioner.views.diagnostics import error_page
from provisioner.views.encode import SCHEMA, Json, drift_object, event_object, plan_object, status_object
from provisioner.views.history import comparison_object, history_object, release_object
from provisioner.views.images import differences_object, images_object
from provisioner.views.lease import leases_object
from provisioner.views.page import Page, clean
from provisioner.views.peers import peers_object
from provisioner.views.sentences import action_key
from provisioner.views.settings import DEFAULT_WIDTH


class JsonVoice:
    """What a program hears while something is carried out.

    With `run`, an error ends the stream with a `finished` line, as every run ends with one.
    """

    def __init__(self, stdout: TextIO, stderr: TextIO, *, run: bool = False) -> None:
        self._stdout = stdout
        self._messages = Page(stderr, DEFAULT_WIDTH)
        self._run = run
        self._begun = False
        self._ended = False
        self._said: dict[tuple[str, str], str] = {}
        self._lock = RLock()

    def emit(self, event: Event) -> None:
        """Write what happens, after a first line that names the schema; progress only where its words change.

        A reader who went away ends no rollout.
        """
        with self._lock, suppress(OSError):
            if isinstance(event, ActionProgress) and not self._is_news(event):
                return
            if isinstance(event, HookSaid):
                self._messages.show(f"{event.hook}: {clean(event.line)}")
                return
            if not self._begun:
                self._begun = True
                self._line({"type": "version", "schema": SCHEMA, "provisioner": __version__})
            self._ended = isinstance(event, Finished)
            self._line(event_object(event))

    def error(self, error: ProvisionerError) -> None:
        """Write the error to standard error, and end a run."""
        self._messages.show(*error_page(error, self._messages.width))
        if self._run and not self._ended:
            outcome: Outcome = "interrupted" if isinstance(error, Interrupted) else "failed"
            self.emit(Finished(outcome, None, error.exit_code, message=error.message))

    def message(self, text: str) -> None:
        """Say something on standard error."""
        self._messages.show(text)

    def next(self, command: str) -> None:
        """Say nothing: a program knows what it wants next."""

    def close(self) -> None:
        """Do nothing: every line was flushed."""

    def _is_news(self, event: ActionProgress) -> bool:
        key = action_key(event.action)
        before = self._said.get(key)
        self._said[key] = event.text
        return before != event.text

    def _line(self, content: Json) -> None:
        with self._lock:
            self._stdout.write(json.dumps(content, separators=(",", ":")) + "\n")
            self._stdout.flush()


class _Answers(JsonVoice):
    """What any verb may answer: rows, findings, documents, texts."""

    def table(self, name: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Write rows as a list of objects under their name."""
        keys = [header.lower().replace(" ", "_") for header in headers]
        self._line({"schema": SCHEMA, name: [dict(zip(keys, row, strict=True)) for row in rows]})

    def checks(self, findings: Sequence[Finding]) -> None:
        """Write what an examination found."""
        verdicts: tuple[Verdict, ...] = ("ok", "warning", "failure")
        summary = {verdict: count(findings, verdict) for verdict in verdicts}
        self._line({"schema": SCHEMA, "checks": [asdict(finding) for finding in findings], "summary": summary})

    def document(self, content: Mapping[str, object]) -> None:
        """Write one JSON object."""
        self._line(dict(content))

    def text(self, text: str) -> None:
        """Write text as a JSON string."""
        self._line({"schema": SCHEMA, "text": text})


class JsonView(_Answers):
    """Writes JSON: answers beside what is heard."""

    def status(self, status: FleetStatus) -> None:
        """Write the fleet as it stands."""
        self._line(status_object(status))

    def drift(self, report: DriftReport) -> None:
        """Write what differs."""
        self._line(drift_object(report))

    def peers(self, found: PeerComparison) -> None:
        """Write in what hosts differ that should be the same."""
        self._line(peers_object(found))

    def plan(self, plan: Plan, unreachable: Sequence[Unreachable] = ()) -> None:
        """Write what would be done."""
        self._line(plan_object(plan, unreachable))

    def history(self, history: History) -> None:
        """Write the releases of a fleet."""
        self._line(history_object(history))

    def release(self, release: Release) -> None:
        """Write what one release holds."""
        self._line(release_object(release))

    def comparison(self, comparison: Comparison) -> None:
        """Write in what one release differs from another."""
        self._line(comparison_object(comparison))

    def images(self, images: Mapping[str, Made]) -> None:
        """Write what images are made of."""
        self._line(images_object(images))

    def differences(self, found: Mapping[str, tuple[PathDifference, ...]]) -> None:
        """Write in what two builds of images differ."""
        self._line(differences_object(found))

    def leases(self, seen: LeasesSeen) -> None:
        """Write who holds the lease of a fleet, and what that run did last."""
        self._line(leases_object(seen))
