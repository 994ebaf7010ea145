"""What stands before every effect: its number, its line in the journal, and a process that is killed there."""

from __future__ import annotations

from itertools import pairwise
from typing import Literal

import pytest

from provisioner.hosts.memory import MemoryClock
from provisioner.model.lease import JournalLine
from provisioner.reconcile.journal import TAIL, RunJournal, decoded, encoded
from tests.reconcile.test_apply import Died, running, served
from tests.simulation import WEBS, Journal, Simulation, spec

CANARY = "c4n4ry-7f3a"
Moment = Literal["before", "after"]


def lines(fleet: Simulation) -> tuple[JournalLine, ...]:
    """Return what the journal holds."""
    return decoded(b"".join(fleet.journal.lines))


def test_every_effect_on_a_host_was_intended_before(fleet: Simulation) -> None:
    """Whatever a host in memory noted has a line that says so, and how each ended."""
    fleet.apply(spec(A="1"))
    fleet.hosts.effects.clear()
    fleet.journal.lines.clear()
    fleet.apply(spec(A="2"))
    intents = [line for line in lines(fleet) if line.phase == "intent"]
    ended = {line.number for line in lines(fleet) if line.phase == "done"}
    assert {line.number for line in intents} == ended
    made = [write for write in fleet.writes() if "lease" not in write and not write.endswith("load image")]
    states = [write for write in made if "set_state" in write or "distrust" in write]
    others = [write for write in made if write not in states]
    assert len([line for line in intents if line.effect.startswith("set_") or line.effect == "distrust"]) == len(states)
    noted = [line.effect for line in intents if line.effect in {"create", "start", "stop", "remove", "tag_image"}]
    assert len(noted) >= len([write for write in others if "image" not in write])


def test_no_content_gets_into_a_journal(fleet: Simulation) -> None:
    """Neither an environment nor a file: kinds, hosts and names alone."""
    fleet.apply(spec(SECRET=CANARY))
    assert len(fleet.journal.lines) > 20
    assert CANARY.encode() not in b"".join(fleet.journal.lines)
    assert b"backend" not in b"".join(fleet.journal.lines)


def test_a_journal_that_takes_no_line_stops_the_run_before_the_effect(fleet: Simulation) -> None:
    """What cannot be intended does not happen, not even to take back what is there: it is told that it is."""
    fleet.apply(spec(A="1"))
    fleet.hosts.effects.clear()

    def fill(_host: str, name: str) -> None:
        if name.startswith("create shop.web-1"):
            fleet.journal.full = True

    fleet.hosts.effects.before = fill
    finished = fleet.apply(spec(A="2"))
    assert (finished.outcome, finished.exit_code) == ("halted", 6)
    assert "no space left" in finished.message
    assert fleet.writes()[-1] == "web1: create shop.web-1.b"
    fleet.journal.full = False
    fleet.hosts.effects.before = None
    assert fleet.apply(spec(A="2")).outcome == "complete"


def test_the_end_of_the_journal_lies_with_the_lease(fleet: Simulation) -> None:
    """Another controller reads there what the last run did."""
    fleet.apply(spec(A="1"))
    leases = fleet.hosts["lb1"].leases
    latest = leases.look("shop").latest
    assert latest is not None
    read = decoded(leases.read(latest.lease_id, "journal") or b"")
    assert (read[-1].phase, read[-1].detail) == ("end", "complete")
    assert read[-2] == lines(fleet)[-2]


def test_the_tail_is_bounded_and_whole_lines() -> None:
    """However long a run is, at most 20 kB travel with a heartbeat, the latest lines, none of them torn."""
    journal = RunJournal(Journal(), MemoryClock())
    for number in range(500):
        journal.intend(JournalLine(number, "", "intent", "create", "web1", "x" * 200))
    tail = journal.tail()
    assert TAIL - 400 < len(tail) <= TAIL
    numbers = [line.number for line in decoded(tail)]
    assert len(numbers) == tail.count(b"\n")
    assert numbers[-1] == 499
    assert all(after == before + 1 for before, after in pairwise(numbers))


def test_a_torn_or_changed_line_is_left_out() -> None:
    """A checksum tells; whatever else is there is still read."""
    good, other = (
        encoded(JournalLine(1, "t", "intent", "create", "web1")),
        encoded(JournalLine(2, "t", "done", "create")),
    )
    changed = other.replace(b"create", b"remove")
    assert [line.number for line in decoded(good + changed + b"\xff\x00garbage\n[]\n" + other[:20])] == [1]


class Fuse:
    """Ends the run at one effect, as the switch does with a real process."""

    def __init__(self, moment: Moment = "before", number: int = 0) -> None:
        self.at = (moment, number)
        self.seen = 0

    def __call__(self, moment: Moment, number: int) -> None:
        """Count, and die where it is time."""
        self.seen = max(self.seen, number)
        if (moment, number) == self.at:
            raise Died


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
def test_whoever_is_killed_at_any_effect_is_taken_over_and_the_same_command_converges(
    fleet: Simulation, moment: Moment
) -> None:
    """For every n: the lease is left behind and taken over; no orphan, no drained node, one container for each node."""
    fleet.apply(spec(A="0"))
    fleet.fuse = counting = Fuse()
    fleet.apply(spec(A="1"))
    assert counting.seen > 20
    for number in range(1, counting.seen):
        wish = spec(A=str(number + 1))
        fleet.fuse = Fuse(moment, number)
        with pytest.raises(Died):
            fleet.apply(wish)
        fleet.fuse = Fuse()
        assert len({name.split(".")[0] for name in served(fleet)}) == 3, number
        finished = fleet.apply(wish)
        assert (finished.exit_code, fleet.drift(wish)) == (0, []), (number, finished.message)
        assert [len(running(fleet, host)) for host in WEBS] == [1, 1, 1], number
        assert fleet.apply(wish).outcome == "unchanged", number
