"""What is said of leases: who holds one, what its run did last, and that one is watched or taken over."""

from __future__ import annotations

import json

from provisioner.model.event import LeaseTaken, LeaseWatched
from provisioner.model.lease import JournalLine, LeaseClaim, LeaseReport, LeasesSeen, ObservedLease
from provisioner.model.observed import Unreachable
from tests.views.conftest import Paint

NOW = 1_795_812_254.0
LINES = tuple(JournalLine(n, "2026-11-27T20:44:14Z", "intent", "create", "web1", f"shop.web-{n}.b") for n in range(12))


def seen(state: str = "held") -> LeasesSeen:
    """Return a lease on one host, and a host that does not answer."""
    lease = ObservedLease("id", LeaseClaim("shop", 7, "1f3c", "ada@desk"), NOW - 60, NOW - 3)
    report = LeaseReport("lb1", NOW, lease, state, LINES)  # type: ignore[arg-type]  # a test names the state
    return LeasesSeen("shop", (report,), (Unreachable("lb2", "connection timed out"),))


def test_the_holder_is_shown_with_the_end_of_its_journal(paint: Paint) -> None:
    """Host, state, owner, run, epoch, since when, how old the last sign of life is; ten lines, all with -v."""
    text = paint(lambda view: view.leases(seen()))
    for word in ("lb1", "held", "ada@desk", "1f3c", "7", "2026-11-27T20:43:14Z", "3.0 s ago", "shop.web-11.b"):
        assert word in text
    assert "shop.web-1.b" not in text
    assert "not asked: lb2: connection timed out" in text


def test_an_expired_one_says_what_to_do(paint: Paint) -> None:
    """The next command is named, with the run that a person would break."""
    assert "provisioner lease break --run 1f3c" in paint(lambda view: view.leases(seen("expired")))


def test_no_lease_is_said(paint: Paint) -> None:
    """A fleet that nobody ever changed has none."""
    assert "Nobody ever held a lease of shop" in paint(lambda view: view.leases(LeasesSeen("shop", ())))


def test_programs_get_every_line(paint: Paint) -> None:
    """`lease show --json` holds times, the term and the journal."""
    text = paint(lambda view: view.leases(seen()), json=True)
    answer = json.loads(text.removeprefix("stdout:\n").partition("stderr:")[0])
    (lease,) = answer["leases"]
    assert (lease["state"], lease["run"], lease["ttl"]) == ("held", "1f3c", 30.0)
    assert (lease["since"], lease["until"]) == ("2026-11-27T20:43:14Z", "2026-11-27T20:44:41Z")
    assert len(lease["journal"]) == 12
    assert answer["unreachable"] == [{"host": "lb2", "reason": "connection timed out"}]


def test_a_watched_and_a_taken_over_lease_are_said(paint: Paint) -> None:
    """A person sees why nothing happens for a while; taking a free one is no news."""
    text = paint(lambda view: view.emit(LeaseWatched("lb1", "ada@desk", "1f3c", 30.0)))
    assert "lb1: ada@desk (run 1f3c) holds the lease of this fleet" in text
    over = paint(lambda view: view.emit(LeaseTaken(("lb1",), "2a", 8, ("run 1f3c of ada@desk",))))
    assert "taken over from run 1f3c of ada@desk, which had expired" in over.replace("\n", " ")
    assert "lease" not in paint(lambda view: view.emit(LeaseTaken(("lb1",), "2a", 8)))
    line = paint(lambda view: view.emit(LeaseTaken(("lb1",), "2a", 8)), json=True, run=True)
    assert '"type":"lease_taken","hosts":["lb1"],"run":"2a","epoch":8,"over":[]' in line
