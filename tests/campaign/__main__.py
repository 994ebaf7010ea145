"""Walks the cases of the campaign that were not walked yet: `MINUTES=9 .venv/bin/python -m tests.campaign [GROUP…]`.

RETRY=1 tries cases again that failed. The exit status is 0 where every case that was tried passed.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.campaign.cases import SWEEPS, Case, Verdict, controllers, crashes, faults
from tests.campaign.ground import Ground, commit
from tests.campaign.record import PAGE, Line, Record
from tests.lab_fleet import CHECKOUT

MINUTES = float(os.environ.get("MINUTES", "9"))
RETRY = bool(os.environ.get("RETRY"))
_FILE = CHECKOUT / ".provisioner" / "campaign.jsonl"


def walks() -> Iterator[tuple[str, Iterable[Case]]]:
    """Yield the rows of cases with their groups, those first that find most in the shortest time."""
    yield "faults", faults()
    for sweep in range(SWEEPS):
        yield "crash in apply", crashes("apply", sweep)
        yield "crash in rollback", crashes("rollback", sweep)
        if sweep == 0:
            yield "two controllers", controllers()


def main(groups: list[str]) -> int:
    """Walk until the time is up, write the page, and return the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    record, until = Record(_FILE, PAGE.read_text()), time.monotonic() + 60 * MINUTES
    with tempfile.TemporaryDirectory() as folder:
        ground = Ground(Path(folder))
        try:
            ground.up()
            for group, cases in walks():
                if not groups or group in groups:
                    walk(ground, cases, record, until)
        except KeyboardInterrupt:
            say("interrupted; the next run goes on")
        finally:
            ground.lab.down()
    PAGE.write_text(record.page())
    tried, passed = len(list(record)), sum(not line.wrong for line in record)
    say(f"passed {passed} of {tried}")
    return 0 if passed == tried else 1


def walk(ground: Ground, cases: Iterable[Case], record: Record, until: float) -> None:
    """Try each case of a row that was not tried, until the row or the time is over."""
    for case in cases:
        line = record.find(case.group, case.name)
        if line is None or (line.wrong and RETRY):
            if time.monotonic() > until:
                return
            line = tried(ground, case)
            record.add(line)
            verdict = f"FAILED {'; '.join(line.wrong)}" if line.wrong else "passed"
            say(f"{case.group}: {case.name}: {verdict}; {line.words}")
        if line.over:
            return


def tried(ground: Ground, case: Case) -> Line:
    """Try a case on ground where the fleet is well; whatever goes wrong in trying it is what is wrong with it."""
    begun = time.monotonic()
    try:
        told = ground.settle()
        verdict = Verdict("", (f"the ground: {told}",)) if told else case.attempt(ground)
    except Exception as error:  # noqa: BLE001 - a campaign goes on
        verdict = Verdict("", (f"{type(error).__name__}: {error}"[:300],))
    seconds = time.monotonic() - begun
    return Line(case.group, case.name, verdict.words, verdict.wrong, seconds, commit(), verdict.over)


def say(text: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
