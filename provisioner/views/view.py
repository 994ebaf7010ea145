"""What a command may tell: one view is chosen before any work starts, and it alone prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from provisioner.errors import ProvisionerError
from provisioner.model.drift import DriftReport
from provisioner.model.event import Event
from provisioner.model.facts import PeerComparison
from provisioner.model.finding import Finding
from provisioner.model.image import Made, PathDifference
from provisioner.model.lease import LeasesSeen
from provisioner.model.observed import Unreachable
from provisioner.model.plan import Plan
from provisioner.model.release import Comparison, History, Release
from provisioner.model.status import FleetStatus


class Voice(Protocol):
    """What is heard while a command works. An EventSink, safe to call from several threads."""

    def emit(self, event: Event) -> None:
        """Show what happens."""

    def error(self, error: ProvisionerError) -> None:
        """Show why it did not work, and what to do; the last word of a run that ends by it."""

    def message(self, text: str) -> None:
        """Say something that is not data; left out where quiet is wanted."""

    def next(self, command: str) -> None:
        """Name the next useful command."""

    def close(self) -> None:
        """Leave the terminal as it was found."""


class Answers(Voice, Protocol):
    """What any verb may answer: rows, findings, documents, texts."""

    def table(self, name: str, headers: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        """Show rows; `name` is what they are (`hosts`, `files`)."""

    def checks(self, findings: Sequence[Finding]) -> None:
        """Show what an examination found."""

    def document(self, content: Mapping[str, object]) -> None:
        """Show one JSON object, a schema for instance."""

    def text(self, text: str) -> None:
        """Write text as it is: a rendered file, a log line."""


class View(Answers, Protocol):
    """All that a command may tell: data goes to standard output, messages to standard error."""

    def status(self, status: FleetStatus) -> None:
        """Show the fleet as it stands."""

    def drift(self, report: DriftReport) -> None:
        """Show what differs."""

    def peers(self, found: PeerComparison) -> None:
        """Show in what hosts differ that should be the same."""

    def plan(self, plan: Plan, unreachable: Sequence[Unreachable] = ()) -> None:
        """Show what would be done, and why some host was not observed."""

    def history(self, history: History) -> None:
        """Show the releases of a fleet, newest first."""

    def release(self, release: Release) -> None:
        """Show what one release holds."""

    def comparison(self, comparison: Comparison) -> None:
        """Show in what one release differs from another."""

    def images(self, images: Mapping[str, Made]) -> None:
        """Show what images are made of, by their tags."""

    def differences(self, found: Mapping[str, tuple[PathDifference, ...]]) -> None:
        """Show in what two builds of images differ, by service."""

    def leases(self, seen: LeasesSeen) -> None:
        """Show who holds the lease of a fleet, and what that run did last."""
