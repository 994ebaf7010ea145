"""What a campaign has found so far: lines of JSON that a further run goes on from, and the page made of them.

Where the lines are lost, as in a fresh checkout, a run goes on from the page.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.lab_fleet import CHECKOUT

NO_SUCH_EFFECT = "no such effect: the command completed"
"""What a case says of a place that its command does not come to."""

PAGE = CHECKOUT / "docs" / "campaign.md"
_OPENING = """# The campaign

`make campaign` walks named cases on a lab of one balancer and three web hosts, each under the strict client: the
controller killed before and after every effect, faults of hosts and of the balancer, two controllers. A case passes
when the rollout ends as it may, clients lose no more than the case allows, and the same command, run again with no
flag, completes: one fingerprint, no drift, no container too many. Faults are made inside hosts of the lab only.

`MINUTES=9 make campaign` stops beginning cases after so long; the next run goes on, in another checkout too: this page
is written by it, and read. A case that failed is tried again by `make campaign RETRY=1`. Kills are walked in seven
sweeps, each of every seventh place, so that an early end has seen some of everything; what has no row was not walked.

"""
_FAILED = "FAILED: "
_CELLS = 5


@dataclass(frozen=True)
class Line:
    """One case that was tried: what happened, what was wrong, how long it took, and at which commit."""

    group: str
    case: str
    words: str
    wrong: tuple[str, ...]
    seconds: float
    commit: str
    over: bool = False


class Record:
    """The lines of a page and of a file, the last one of a case counting."""

    def __init__(self, file: Path, page: str = "") -> None:
        self._file = file
        self._lines: dict[tuple[str, str], Line] = {}
        for line in read_page(page):
            self._keep(line)
        if file.exists():
            for text in file.read_text().splitlines():
                found = json.loads(text)
                self._keep(Line(**{**found, "wrong": tuple(found["wrong"])}))

    def add(self, line: Line) -> None:
        """Add a line, on the disk before it counts."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a") as opened:
            opened.write(json.dumps(asdict(line)) + "\n")
        self._keep(line)

    def find(self, group: str, case: str) -> Line | None:
        """Return what came of a case, None where it was not tried."""
        return self._lines.get((group, case))

    def __iter__(self) -> Iterator[Line]:
        return iter(self._lines.values())

    def page(self) -> str:
        """Return the page: how many passed by group, and every case."""
        groups = list(dict.fromkeys(line.group for line in self))
        text = [_OPENING + "| group | tried | passed |", "|---|---|---|"]
        for group in groups:
            lines = [line for line in self if line.group == group]
            text.append(f"| {group} | {len(lines)} | {sum(not line.wrong for line in lines)} |")
        for group in groups:
            text += [f"\n## {group[0].upper()}{group[1:]}\n", "| case | verdict | what happened | seconds | commit |"]
            text.append("|---|---|---|---|---|")
            text += [_row(line) for line in self if line.group == group]
        return "\n".join(text) + "\n"

    def _keep(self, line: Line) -> None:
        self._lines[line.group, line.case] = line


def read_page(text: str) -> Iterator[Line]:
    """Yield the cases of a page."""
    group = ""
    for row in text.splitlines():
        if row.startswith("## "):
            group = row[3:].lower()
        cells = row.removeprefix("| ").removesuffix(" |").split(" | ")
        if group and len(cells) == _CELLS and cells[3].isdecimal():
            case, verdict, words, seconds, commit = cells
            wrong = (verdict.removeprefix(_FAILED),) if verdict.startswith(_FAILED) else ()
            yield Line(group, case, words, wrong, float(seconds), commit, words == NO_SUCH_EFFECT)


def _row(line: Line) -> str:
    verdict = f"{_FAILED}{'; '.join(line.wrong)}" if line.wrong else "passed"
    cells = (line.case, verdict.replace("|", "/"), line.words, f"{line.seconds:.0f}", line.commit)
    return "| " + " | ".join(cells) + " |"
