"""Documents that say what the code says too, against the code."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.architecture.source_tree import CHECKOUT, modules, tracked_files

PAGES = tuple(name for name in tracked_files() if name.endswith(".md"))
LINK = re.compile(r"\]\((?!https?://|#)(?P<path>[^)#\s]+)")
NAMED = re.compile(r"`(?P<path>(?:tests|docs|examples|templates|provisioner|\.ci)/[\w./-]*\w)(?:::(?P<test>\w+))?")


def test_the_spec_reference_is_generated() -> None:
    """`docs/spec.md` is what `.ci/spec-reference` prints."""
    script = str(CHECKOUT / ".ci" / "spec-reference")
    printed = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True).stdout
    assert printed == (CHECKOUT / "docs" / "spec.md").read_text(), "run: make docs"


@pytest.mark.parametrize("page", PAGES)
def test_a_page_links_to_what_is_there(page: str) -> None:
    """Every relative link of a page leads to a file of the project."""
    folder = (CHECKOUT / page).parent
    links = [match["path"] for match in LINK.finditer((CHECKOUT / page).read_text())]
    assert [link for link in links if not (folder / link).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_files_and_tests_that_are_there(page: str) -> None:
    """A path in a page exists, and so does the test named with it."""
    if page == "CHANGELOG.md":
        pytest.skip("history names what was")
    missing = [
        match[0]
        for match in NAMED.finditer((CHECKOUT / page).read_text())
        if not (CHECKOUT / match["path"]).exists()
        or (match["test"] and f"def {match['test']}(" not in (CHECKOUT / match["path"]).read_text())
    ]
    assert missing == []


def test_the_architecture_names_every_room() -> None:
    """Every room of the package stands in the table of the floors."""
    text = (CHECKOUT / "docs" / "architecture.md").read_text()
    rooms = {each.path.split("/")[1] for each in modules("provisioner")}
    shown = {f"{room}/" if "." not in room else room for room in rooms if not room.startswith("__")}
    assert {room for room in shown if f"`{room}`" not in text} == set()


def test_every_promise_names_its_proof() -> None:
    """Each row of the README's promises ends in a command or a test."""
    text = (CHECKOUT / "README.md").read_text()
    table = text.partition("## What is promised")[2].partition("\n## ")[0]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    assert len(rows) > 8
    assert [row for row in rows if not re.search(r"`(make |tests/)", row.rsplit("|", 2)[1])] == []
