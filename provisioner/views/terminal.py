"""The view for people: pages on standard output, progress and advice on standard error."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from rich.console import RenderableType

from provisioner.model.drift import DriftReport
from provisioner.model.facts import PeerComparison
from provisioner.model.finding import Finding
from provisioner.model.image import Made, PathDifference
from provisioner.model.lease import LeasesSeen
from provisioner.model.observed import Unreachable
from provisioner.model.plan import Plan
from provisioner.model.release import Comparison, History, Release
from provisioner.model.status import FleetStatus
from provisioner.views import drift, lease, status
from provisioner.views import history as releases
from provisioner.views.checks import checks_page
from provisioner.views.images import differences_page, images_page
from provisioner.views.marks import ASCII
from provisioner.views.peers import peers_page
from provisioner.views.plan import plan_page
from provisioner.views.tables import table
from provisioner.views.voice import TerminalVoice


class _Answers(TerminalVoice):
    """What any verb may show: rows, findings, documents, texts."""

    def table(self, name: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show rows under headers; `name` is said where there are none."""
        self._show(*(table(headers, rows, self._out.width) if rows else (f"No {name}.",)))

    def checks(self, findings: Sequence[Finding]) -> None:
        """Show what an examination found."""
        self._show(*checks_page(findings, self._out.marks))

    def document(self, content: Mapping[str, object]) -> None:
        """Show one JSON object."""
        self.text(json.dumps(content, indent=2, ensure_ascii=self._out.marks is ASCII))

    def text(self, text: str) -> None:
        """Write text as it is."""
        with self._lock:
            self._out.raw(text)

    def _show(self, *parts: RenderableType) -> None:
        with self._lock:
            self._out.show(*parts)


class TerminalView(_Answers):
    """Shows everything to a person: answers beside what is heard."""

    def status(self, status_now: FleetStatus) -> None:
        """Show the fleet as it stands."""
        self._show(*status.status_page(status_now, self._out.marks, self._out.width))
        self.next(status.advice(status_now))

    def drift(self, report: DriftReport) -> None:
        """Show what differs."""
        page = drift.drift_page(report, self._out.marks, self._out.width, every_line=self._settings.verbosity > 0)
        self._show(*page)
        self.next(drift.advice(report.counted))

    def peers(self, found: PeerComparison) -> None:
        """Show in what hosts differ that should be the same."""
        self._show(*peers_page(found, self._out.marks, self._out.width, every_line=self._settings.verbosity > 0))

    def plan(self, plan: Plan, unreachable: Sequence[Unreachable] = ()) -> None:
        """Show what would be done."""
        self._show(*plan_page(plan, self._out.marks, unreachable, every_step=self._settings.verbosity > 0))
        self.next("provisioner apply" if plan.steps else "")

    def history(self, history: History) -> None:
        """Show the releases of a fleet."""
        self._show(*releases.history_page(history, self._out.width))

    def release(self, release: Release) -> None:
        """Show what one release holds."""
        self._show(*releases.release_page(release, self._out.width))

    def comparison(self, comparison: Comparison) -> None:
        """Show in what one release differs from another."""
        self._show(*releases.comparison_page(comparison, self._out.marks))

    def images(self, images: Mapping[str, Made]) -> None:
        """Show what images are made of."""
        self._show(*images_page(images, self._out.width, every_path=self._settings.verbosity > 0))

    def differences(self, found: Mapping[str, tuple[PathDifference, ...]]) -> None:
        """Show in what two builds of images differ."""
        self._show(*differences_page(found, self._out.width))

    def leases(self, seen: LeasesSeen) -> None:
        """Show who holds the lease of a fleet, and what that run did last."""
        self._show(*lease.leases_page(seen, self._out.width, every_line=self._settings.verbosity > 0))
        self.next(lease.advice(seen))
