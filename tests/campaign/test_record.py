"""The record of a campaign: a further run goes on from it, and a page is made of it."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

from tests.campaign.cases import SWEEPS, controllers, crashes, faults
from tests.campaign.record import NO_SUCH_EFFECT, Line, Record

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


def test_where_the_lines_are_lost_a_run_goes_on_from_the_page(tmp_path: Path) -> None:
    """A page read back is the same page, and a place that a command does not come to still ends its row."""
    record = Record(tmp_path / "campaign.jsonl")
    lines = (
        PASSED,
        replace(PASSED, case="engine hangs, in its step", wrong=("exit 1", "7 failed requests")),
        replace(PASSED, group="crash in apply", case="after:40", words=NO_SUCH_EFFECT, over=True),
    )
    for line in lines:
        record.add(line)
    again = Record(tmp_path / "lost.jsonl", record.page())
    assert again.page() == record.page()
    assert [line.over for line in again] == [False, False, True]


def test_every_case_has_a_name_of_its_own() -> None:
    """Results are kept by group and name, so no two are the same; the sweeps see every place together."""
    swept = [case for sweep in range(SWEEPS) for case in islice(crashes("apply", sweep), 6)]
    names = [(case.group, case.name) for case in (*faults(), *swept, *controllers())]
    assert len(set(names)) == len(names)
    places = {f"{side}:{number}" for side in ("before", "after") for number in range(1, 3 * SWEEPS + 1)}
    assert {case.name for case in swept} == places
