"""Looks at a fleet again and again, and tells what came and what went in between."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from provisioner.errors import ProvisionerError
from provisioner.model.drift import REACHABLE, Drift, DriftReport
from provisioner.model.event import DriftAppeared, DriftGone, LookFailed
from provisioner.ports import Clock, EventSink

Found = TypeVar("Found")
Known = Mapping[tuple[str, ...], Drift]
Look = Callable[[], DriftReport]
Publish = Callable[[DriftReport | None], None]


def watch(look: Look, clock: Clock, sink: EventSink, seconds: float, publish: Publish) -> None:
    """Look every so many seconds until a person interrupts it; a look that fails is told and is not the end.

    `publish` is handed each report, None for a look that failed.
    """
    known: Known = {}
    try:
        while True:
            begun = clock.monotonic()
            known = _turn(look, clock.now, sink, publish, known)
            clock.sleep(max(seconds - (clock.monotonic() - begun), 0.0))
    except KeyboardInterrupt:
        return


def _turn(look: Look, now: Callable[[], str], sink: EventSink, publish: Publish, known: Known) -> Known:
    report = _tried(look, now, sink)
    _tried(lambda: publish(report), now, sink)
    if report is None:
        return known
    seen = {_identity(row): row for row in report.counted}
    unseen = {name: row for name, row in known.items() if name not in seen and _is_hidden(row, report)}
    for name, row in seen.items():
        if name not in known:
            sink.emit(DriftAppeared(now(), row))
    for name, row in known.items():
        if name not in seen and name not in unseen:
            sink.emit(DriftGone(now(), row))
    return seen | unseen


def _tried(work: Callable[[], Found], now: Callable[[], str], sink: EventSink) -> Found | None:
    try:
        return work()
    except ProvisionerError as error:
        sink.emit(LookFailed(now(), error.message, error.hint))
        return None


def _is_hidden(row: Drift, report: DriftReport) -> bool:
    """Tell whether a difference may still be there: its host could not be looked at."""
    return row.host in report.lost and row.kind != REACHABLE


def _identity(row: Drift) -> tuple[str, ...]:
    return row.host, row.node, row.kind, row.key, row.drift_class, row.desired, row.observed
