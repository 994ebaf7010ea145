"""The counts of a look as Prometheus reads them from a text file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import get_args

from provisioner.model.drift import DriftClass, DriftReport

Sample = tuple[dict[str, str], float]


def metrics_text(last: tuple[DriftReport, float] | None, *, is_up: bool) -> str:
    """Return the text for the last look that worked and when that was, in seconds since 1970.

    `is_up` tells whether the very last look worked; where none ever did there is nothing else to say.
    """
    lines = [*_metric("up", "Whether the last look at the fleet worked.", [(_fleet(last), float(is_up))])]
    if last is not None:
        lines += _counts(*last)
    return "".join(f"{line}\n" for line in lines)


def _fleet(last: tuple[DriftReport, float] | None) -> dict[str, str]:
    return {"fleet": last[0].fleet} if last else {}


def _counts(report: DriftReport, at: float) -> Iterator[str]:
    fleet = {"fleet": report.fleet}
    yield from _metric("last_look_timestamp_seconds", "When the last look that worked ended.", [(fleet, at)])
    hosts = [(fleet | {"host": host}, float(host not in report.lost)) for host in report.hosts]
    yield from _metric("host_up", "Whether a host could be looked at.", hosts)
    classes = Counter(row.drift_class for row in report.counted)
    totals = [(fleet | {"class": each}, float(classes[each])) for each in get_args(DriftClass)]
    yield from _metric("class_differences", "Differences that count, by class.", totals)
    found = Counter((row.host, row.drift_class, row.kind) for row in report.counted)
    counts = [
        (fleet | {"host": host, "class": drift_class, "kind": kind}, float(count))
        for (host, drift_class, kind), count in sorted(found.items())
    ]
    yield from _metric("differences", "Differences that count, by host, class and kind.", counts)
    yield from _metric("ignored", "Differences that are left aside.", [(fleet, float(report.summary.ignored))])


def _metric(name: str, meaning: str, samples: Iterable[Sample]) -> Iterator[str]:
    full = f"provisioner_drift_{name}"
    yield f"# HELP {full} {meaning}"
    yield f"# TYPE {full} gauge"
    for labels, value in samples:
        said = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        yield f"{full}{{{said}}} {value:.3f}".removesuffix(".000") if said else f"{full} {value:g}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
