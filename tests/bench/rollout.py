"""The benchmark of rollouts: rolling updates of five web hosts under load, beside Docker Swarm's on the same hosts.

    ROUNDS=20 .venv/bin/python -m tests.bench.rollout

PARTS names what is run, of `ours`, `swarm`, `rollback` and `bad`; MODES how the containers that leave behave; TUNNELS
how many websockets are held. So it can be run in pieces: `PARTS="ours swarm" MODES=stubborn`. The last line is
`met N of N`; the exit status is 1 where a row misses.
"""

from __future__ import annotations

import os
import signal
import statistics
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.bad_releases import CASES, Case
from tests.bench.swarm import Swarm
from tests.rolling_fleet import WEB_HOSTS, Rolled, RollingFleet, RollingLab, knows, offers

ROUNDS = int(os.environ.get("ROUNDS", "20"))
PARTS = os.environ.get("PARTS", "ours swarm rollback bad").split()
MODES = os.environ.get("MODES", "graceful stubborn").split()
MONITOR = os.environ.get("MONITOR", "5s")
DRAIN = 4.0
GRACE = 9.0
"""Seconds: the long polls of the load end within a drain, and both together are the 13 that a task of Swarm has."""
ROLLBACK = 10.0
BAD_SHARE = 0.005
OURS, SWARM = "provisioner", "Docker Swarm"

COLUMNS = (
    "system",
    "containers that leave",
    "rollouts",
    "seconds, median (most)",
    "until the old are gone",
    "sent",
    "failed",
    "POSTs twice",
    "fewest nodes in rotation",
    "tunnels cut",
)

Verdict = tuple[str, bool]


@dataclass(frozen=True)
class Taken:
    """A release that was taken back, or had to be: its case, what was seen, and the fingerprints afterwards."""

    case: Case
    rolled: Rolled
    release: str
    fingerprints: int


class Bench:
    """A lab, the fleet on it, and what was measured."""

    def __init__(self, folder: Path) -> None:
        self.lab = RollingLab()
        self.lab.name = os.environ.get("BENCH_LAB", "rollbench")
        self.lab.port = int(os.environ.get("BENCH_PORT", "18760"))
        self.fleet = RollingFleet(self.lab, folder)
        self.fleet.set_rollout(monitor=MONITOR, canary="0", on_failure="rollback", drain_timeout=f"{DRAIN:g}s")
        self.fleet.set_rollout(min_healthy_time="0s")
        self.fleet.variables["GRACE"] = f"{GRACE:g}s"
        self.rolls: defaultdict[tuple[str, str], list[Rolled]] = defaultdict(list)
        self.rollbacks: list[tuple[Rolled, bool]] = []
        self.taken: list[Taken] = []
        self.monitor = MONITOR if knows("monitor") else "1s"

    def run(self) -> None:
        """Measure every part that was asked for."""
        self.lab.up()
        self.fleet.applied("--allow-interruption")
        if "ours" in PARTS:
            self.ours()
        if "rollback" in PARTS and offers("rollback"):
            self.roll_back()
        if "bad" in PARTS and knows("monitor"):
            self.bad_releases()
        if "swarm" in PARTS:
            self.swarm()

    def ours(self) -> None:
        """Roll out with our own program; in each row the containers that leave behave as its mode says."""
        for mode in MODES:
            self.fleet.change(mode)
            self.fleet.applied()
            for number in range(ROUNDS):
                self.fleet.change(mode)
                self.rolls[OURS, mode].append(self._told(OURS, mode, number, self.fleet.rolled()))

    def swarm(self) -> None:
        """Do the same with a swarm on the same hosts, after our own fleet has gone."""
        swarm = Swarm(self.lab, self.fleet)
        self.fleet.destroy()
        try:
            swarm.join()
            swarm.deploy(MODES[0], self.monitor)
            for mode in MODES:
                if mode != MODES[0]:
                    swarm.rolled(f"s-{mode}", mode)
                for number in range(ROUNDS):
                    rolled = swarm.rolled(f"s-{mode}-{number}", mode)
                    self.rolls[SWARM, mode].append(self._told(SWARM, mode, number, rolled))
        finally:
            swarm.leave()

    def roll_back(self) -> None:
        """Change image, environment, a file's template and the balancer, and take all of that back."""
        for number in range(ROUNDS):
            before = self.fleet.fingerprints()
            self.fleet.change_everything()
            self.fleet.applied("--allow-interruption")
            rolled = self.fleet.rolled(verb="rollback")
            same = self.fleet.fingerprints() == before
            self.rollbacks.append((self._told(OURS, "rollback", number, rolled), same))
            self.fleet.restore()

    def bad_releases(self) -> None:
        """Roll out every kind of release that cannot work."""
        self.fleet.set_rollout(canary="1", canary_soak="3s", monitor="10s")
        for case in CASES:
            self.fleet.applied()
            good = dict(self.fleet.variables)
            release = self.fleet.change(case.mode, case.after)
            rolled = self._told(OURS, case.name, 0, self.fleet.rolled())
            self.taken.append(Taken(case, rolled, release, len(self.fleet.fingerprints())))
            self.fleet.variables = good

    def _told(self, system: str, what: str, number: int, rolled: Rolled) -> Rolled:
        """Say on standard error what was just measured."""
        cut = rolled.report["tunnels"]["cut"]
        sys.stderr.write(
            f"{number + 1} {system} {what}: {rolled.seconds:.1f} s, exit {rolled.code}, failed {rolled.failed} of"
            f" {rolled.sent} {dict(rolled.reasons)}, fewest {rolled.fewest}, cut {cut}\n"
        )
        return rolled


def rows(bench: Bench) -> Iterator[str]:
    """Yield the table."""
    yield "| " + " | ".join(COLUMNS) + " |"
    yield "|" + "---|" * len(COLUMNS)
    for (system, mode), rolls in bench.rolls.items():
        yield row(system, mode, rolls)
    if bench.rollbacks:
        yield row(OURS, "rollback", [rolled for rolled, _ in bench.rollbacks])
    for taken in bench.taken:
        yield row(OURS, taken.case.name, [taken.rolled])


def row(system: str, what: str, rolls: list[Rolled]) -> str:
    """Return one row of the table."""
    seconds = [each.seconds for each in rolls]
    reasons: Counter[str] = sum((each.reasons for each in rolls), Counter())
    cuts: Counter[str] = Counter(cut["host"] for each in rolls for cut in each.report["tunnels"]["cuts"])
    cells = (
        system,
        what,
        len(rolls),
        f"{statistics.median(seconds):.1f} ({max(seconds):.1f})",
        f"{statistics.median(each.gone for each in rolls):.1f}",
        f"{sum(each.sent for each in rolls):,}",
        counted(reasons),
        sum(len(each.twice) for each in rolls),
        min(each.fewest for each in rolls),
        counted(cuts),
    )
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def counted(things: Counter[str]) -> str:
    """Return how many there are, and of what."""
    named = ", ".join(f"{name} {times}" for name, times in sorted(things.items()))
    return f"{things.total()} ({named})" if named else "0"


def judged(bench: Bench) -> Iterator[Verdict]:
    """Yield each promise in words, and whether it was kept."""
    for mode in MODES:
        ours, theirs = bench.rolls[OURS, mode], bench.rolls[SWARM, mode]
        if ours:
            yield from judged_rolls(mode, ours)
        if ours and theirs:
            mine, other = (statistics.median(each.gone for each in rolls) for rolls in (ours, theirs))
            yield f"{mode}: {mine:.1f} s <= Swarm's {other:.1f} s until the old are gone", mine <= other
    for rolled, same in bench.rollbacks:
        limit = ROLLBACK + DRAIN
        yield f"rollback: {rolled.seconds:.1f} s <= {limit:.0f} s, drain included", rolled.seconds <= limit
        yield f"rollback: exit {rolled.code}, {rolled.failed} failed requests", (rolled.code, rolled.failed) == (0, 0)
        yield "rollback: the earlier fingerprint on all nodes", same
    for taken in bench.taken:
        yield from judged_bad(taken)


def judged_rolls(mode: str, rolls: list[Rolled]) -> Iterator[Verdict]:
    """Yield what rolling updates have to keep."""
    failed, twice = sum(each.failed for each in rolls), sum(len(each.twice) for each in rolls)
    fewest = min(each.fewest for each in rolls)
    unnamed = sum(not cut["host"] for each in rolls for cut in each.report["tunnels"]["cuts"])
    yield f"{mode}: every one of {len(rolls)} rollouts complete", all(each.code == 0 for each in rolls)
    yield f"{mode}: {failed} failed requests", failed == 0
    yield f"{mode}: {twice} POSTs executed twice", twice == 0
    looks = sum(each.report["capacity"].get("web", {}).get("samples", 0) for each in rolls)
    yield (
        f"{mode}: {fewest} of {len(WEB_HOSTS)} nodes in rotation at the fewest, {looks} looks",
        fewest >= len(WEB_HOSTS),
    )
    yield f"{mode}: {unnamed} cut tunnels without a name", unnamed == 0


def judged_bad(taken: Taken) -> Iterator[Verdict]:
    """Yield what has to hold for a release that cannot work."""
    name, rolled = taken.case.name, taken.rolled
    yield f"{name}: exit {rolled.code} = 3", rolled.code == 3
    yield f"{name}: {taken.fingerprints} fingerprint", taken.fingerprints == 1
    if not taken.case.becomes_ready:
        yield f"{name}: {rolled.failed} failed requests", rolled.failed == 0
        return
    failed, sent = rolled.failed_since(taken.release)
    yield f"{name}: {failed} of {sent} failed since the first canary request", failed <= BAD_SHARE * sent


def report(bench: Bench) -> int:
    """Print the table and the verdict; return the exit status."""
    say("\n".join(rows(bench)))
    say("")
    verdicts = list(judged(bench))
    for words, met in verdicts:
        say(f"{'met   ' if met else 'MISSED'} {words}")
    kept = sum(met for _, met in verdicts)
    say(f"met {kept} of {len(verdicts)}")
    return 0 if verdicts and kept == len(verdicts) else 1


def say(text: str) -> None:
    """Write a line."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main() -> int:
    """Measure everything, take the lab down whatever happened, and return the exit status."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder))
        try:
            bench.run()
        except KeyboardInterrupt:
            say("interrupted: what was measured until then")
        finally:
            bench.lab.down()
        return report(bench)


if __name__ == "__main__":
    sys.exit(main())
