"""Which differences are left aside, and until when."""

from __future__ import annotations

from dataclasses import replace

from provisioner.model.drift import Drift, Ignore
from provisioner.planning.aside import set_aside

HTOP = Drift("web3", "", "package", "htop", "absent", "3.2.2", "outlier", note="3 of 4 hosts lack it")
TODAY = "2026-11-28"


def reason(row: Drift, *rules: Ignore) -> str:
    """Return why a row is left aside, empty where it counts."""
    (judged,) = set_aside([row], rules, TODAY)
    return judged.ignored


def test_a_rule_covers_a_kind_a_pattern_of_keys_and_some_hosts() -> None:
    """All three have to fit; a rule without key or hosts means any."""
    assert reason(HTOP, Ignore("package", "trial")) == "trial"
    assert reason(HTOP, Ignore("package", "trial", "ht*", frozenset({"web3"}))) == "trial"
    assert reason(HTOP, Ignore("package", "trial", "at*")) == ""
    assert reason(HTOP, Ignore("package", "trial", hosts=frozenset({"web1"}))) == ""
    assert reason(HTOP, Ignore("file", "trial")) == ""


def test_what_is_unknown_may_be_left_aside_and_a_lost_host_may_not() -> None:
    """A login that is no root's may live with what it cannot see; a host that was not seen is never clean."""
    hidden = Drift("web3", "", "user", "passwords", "readable", "only root", "unknown")
    assert reason(hidden, Ignore("user", "no root here")) == "no root here"
    assert reason(replace(hidden, kind="host"), Ignore("host", "often away")) == ""


def test_a_rule_holds_to_the_end_of_its_last_day() -> None:
    """From the next day on the difference counts again, and says why it was ignored."""
    assert reason(HTOP, Ignore("package", "trial", until=TODAY)) == "trial"
    (row,) = set_aside([HTOP], [Ignore("package", "trial", until="2026-11-27")], TODAY)
    assert row.ignored == ""
    assert row.note == "3 of 4 hosts lack it; was ignored until 2026-11-27: trial"


def test_a_rule_that_is_over_does_not_end_another_one() -> None:
    """The one that holds counts."""
    over, holds = Ignore("package", "trial", until="2026-11-01"), Ignore("package", "kept")
    assert reason(HTOP, over, holds) == "kept"
