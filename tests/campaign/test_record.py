"""The record of a campaign: a further run goes on from it, and a page is made of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

from tests.campaign.cases import crashes, faults
from tests.campaign.record import Line, Record

PASSED = Line("faults", "host dies, in its step", "exit 4 paused", (), 41.0, "abc1234")


def test_what_was_tried_is_found_by_the_next_run(tmp_path: Path) -> None:
    """A case's last line counts; one that was never tried is not found."""
    first = Record(tmp_path / "deep" / "campaign.jsonl")
    first.add(replace(PASSED, wrong=("2 nodes in rotation",)))
    first.add(PASSED)
    again = Record(tmp_path / "deep" / "campaign.jsonl")
    assert list(again) == [PASSED]
    assert again.find("faults", PASSED.case) == PASSED
    assert again.find("faults", "host dies, before its step") is None


def test_the_page_counts_and_names_what_failed(tmp_path: Path) -> None:
    """Each group has a count of those that passed, each case a row with what was wrong."""
    record = Record(tmp_path / "campaign.jsonl")
    record.add(PASSED)
    record.add(replace(PASSED, case="engine hangs, in its step", wrong=("exit 1", "7 failed requests")))
    page = record.page()
    assert "| faults | 2 | 1 |" in page
    assert "| host dies, in its step | passed | exit 4 paused | 41 | abc1234 |" in page
    assert "| engine hangs, in its step | FAILED: exit 1; 7 failed requests |" in page


def test_every_case_has_a_name_of_its_own() -> None:
    """Results are kept by group and name, so no two are the same; crash points count up for as long as asked."""
    names = [(case.group, case.name) for case in (*faults(), *islice(crashes("apply"), 40))]
    assert len(set(names)) == len(names)
    assert ("crash in apply", "after:20") in names
