"""Releases as they are shown."""

from __future__ import annotations

import io
import json

from provisioner.model.release import Chapter, Comparison, History, ReleaseChange
from provisioner.views.choose import choose_view
from provisioner.views.settings import Settings
from tests import fleets

HISTORY = History(
    "shop",
    (
        Chapter(
            "r2-9f3c1e0a7b21", 2, "9f" * 32, "2026-01-02T03:04:05Z", "ada@desk", "c" * 40, "web: image", ("lb1", "web1")
        ),
        Chapter(
            "r2-9f3c1e0a7b2f",
            2,
            "9e" * 32,
            "2026-01-02T03:00:00Z",
            "ada@desk",
            "",
            "web: image",
            ("lb1",),
            "rolled_back",
            stable=False,
        ),
        Chapter("r1-1212000000aa", 1, "12" * 32, "2026-01-01T00:00:00Z", "ada@desk", "", "the first", ("lb1",)),
    ),
    ("web2",),
)
CHANGES = (
    ReleaseChange("web", "environment", "A", "1", "2"),
    ReleaseChange("web", "files", "/etc/a", "mode 644", "mode 644", "-old\n+new"),
)


def shown(what: str, value: object, *, as_json: bool = False) -> str:
    """Return what a view writes."""
    out = io.StringIO()
    view = choose_view(out, io.StringIO(), Settings(width=140), json=as_json)
    getattr(view, what)(value)
    return out.getvalue()


def test_the_history_is_a_table_newest_first() -> None:
    """Each release stands on a line with who, when, how it ended, what and where; hosts not asked are named."""
    lines = shown("history", HISTORY).splitlines()
    assert lines[1].split() == [
        "r2-9f3c1e0a7b21", "2026-01-02T03:04:05Z", "ada@desk", "c" * 12, "complete", "yes", "web:", "image",
        "lb1,", "web1",
    ]  # fmt: skip
    assert "rolled back  no" in lines[2]
    assert lines[3].startswith("r1-")
    assert "web2" in lines[-1]


def test_the_history_is_one_json_object() -> None:
    """A program gets the same fields."""
    told = json.loads(shown("history", HISTORY, as_json=True))
    assert (told["schema"], told["fleet"], told["unreachable"]) == (1, "shop", ["web2"])
    assert told["releases"][0] | {"changed": "web: image", "hosts": ["lb1", "web1"]} == told["releases"][0]


def test_a_comparison_shows_values_and_lines() -> None:
    """Values stand beside each other, files as the lines that differ."""
    text = shown("comparison", Comparison("shop", "r1-a", "r2-b", CHANGES))
    assert "~ web environment A" in text
    assert "+new" in text
    assert "2 differences." in text
    told = json.loads(shown("comparison", Comparison("shop", "r1-a", "r2-b", CHANGES), as_json=True))
    assert [each["diff"] for each in told["changes"]] == [None, "-old\n+new"]


def test_a_release_shows_its_nodes() -> None:
    """What one release holds is its nodes with image and ports, for people and programs."""
    release = fleets.release(fleets.desired())
    assert "web1/web-1" in shown("release", release)
    told = json.loads(shown("release", release, as_json=True))
    assert told["release"]["nodes"][0]["image_id"] == fleets.WEB_IMAGE
