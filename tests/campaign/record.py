"""What a campaign has found so far: lines of JSON that a further run goes on from, and the page made of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.lab_fleet import CHECKOUT

PAGE = CHECKOUT / "docs" / "campaign.md"
_OPENING = """# The campaign

`make campaign` walks named cases on a lab of one balancer and three web hosts, each under the strict client: the
controller killed before and after every effect, faults of hosts and of the balancer, two controllers. A case passes
when the rollout ends as it may, clients lose no more than the case allows, and the same command, run again with no
flag, completes: one fingerprint, no drift, no container too many. Faults are made inside hosts of the lab only.

`MINUTES=9 make campaign` stops beginning cases after so long; the next run goes on. This page is written by it; a case
that failed is tried again by `make campaign RETRY=1`.

"""


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
    """The lines of a file, the last one of a case counting."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lines: dict[tuple[str, str], Line] = {}
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


def _row(line: Line) -> str:
    verdict = f"FAILED: {'; '.join(line.wrong)}" if line.wrong else "passed"
    cells = (line.case, verdict.replace("|", "/"), line.words, f"{line.seconds:.0f}", line.commit)
    return "| " + " | ".join(cells) + " |"
