"""The leases of a fleet: whose, since when, how long they last, and what their runs did last."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from rich.console import RenderableType
from rich.text import Text

from provisioner.model.lease import JournalLine, LeaseReport, LeasesSeen
from provisioner.views.page import clean, indented
from provisioner.views.tables import table
from provisioner.views.words import duration

SCHEMA = 1
HEADERS = ("host", "state", "owner", "run", "epoch", "since", "last sign of life")
LINES = 10


def leases_page(seen: LeasesSeen, width: int, *, every_line: bool = False) -> Iterator[RenderableType]:
    """Yield who holds the lease on which host, and the last lines of each run's journal."""
    if seen.reports:
        yield from table(HEADERS, [_row(report) for report in seen.reports], width)
    else:
        yield f"Nobody ever held a lease of {seen.fleet} on these hosts."
    for report in _by_run(seen):
        yield ""
        yield Text(f"run {clean(report.lease.claim.run)} noted last:", style="strong")
        lines = report.journal if every_line else report.journal[-LINES:]
        yield from (indented(_sentence(line)) for line in lines)
    for host in seen.unreachable:
        yield Text(f"not asked: {host.name}: {clean(host.reason)}", style="warn")


def advice(seen: LeasesSeen) -> str:
    """Return the next useful command, empty where there is none."""
    expired = next((each for each in seen.reports if each.state == "expired"), None)
    return f"provisioner apply, or provisioner lease break --run {expired.lease.claim.run}" if expired else ""


def leases_object(seen: LeasesSeen) -> dict[str, object]:
    """Return `lease show --json`."""
    return {
        "schema": SCHEMA,
        "fleet": seen.fleet,
        "leases": [_object(report) for report in seen.reports],
        "unreachable": [{"host": host.name, "reason": host.reason} for host in seen.unreachable],
    }


def _object(report: LeaseReport) -> dict[str, object]:
    lease, claim = report.lease, report.lease.claim
    return {
        "host": report.host,
        "state": report.state,
        "owner": claim.owner,
        "run": claim.run,
        "epoch": claim.epoch,
        "ttl": claim.term,
        "since": _time(lease.taken),
        "beaten": _time(lease.beaten),
        "until": _time(lease.beaten + claim.term),
        "journal": [
            {key: getattr(line, key) for key in ("number", "at", "phase", "effect", "host", "name", "detail")}
            for line in report.journal
        ],
    }


def _by_run(seen: LeasesSeen) -> list[LeaseReport]:
    """Return one report of each run that has a journal."""
    return list({each.lease.claim.run: each for each in seen.reports if each.journal}.values())


def _row(report: LeaseReport) -> tuple[str, ...]:
    lease, claim = report.lease, report.lease.claim
    age = f"{duration(max(report.now - lease.beaten, 0.0))} ago"
    return (report.host, report.state, claim.owner, claim.run, str(claim.epoch), _time(lease.taken), age)


def _sentence(line: JournalLine) -> str:
    words = (line.at, line.phase, line.effect, line.host, line.name, line.detail)
    return clean(" ".join(filter(None, words)))


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
