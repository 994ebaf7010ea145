"""What two builds of one image differ in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.images.normalising.compare import differences
from provisioner.images.normalising.normalise import Normalised, Rules, normalise
from provisioner.model.image import PathDifference
from tests.images.normalising.conftest import spooled
from tests.images.normalising.file_system import FileSystem, Node

Change = Callable[[FileSystem], object]

CASES: dict[str, tuple[Change, str]] = {
    "content": (lambda it: it.put("app", Node("file", "b")), "content"),
    "longer": (lambda it: it.put("app", Node("file", "bb")), "content, 1 and 2 bytes"),
    "mode": (lambda it: it.put("app", Node("file", "a", 0o600)), "mode 644 and 600"),
    "owner": (lambda it: it.put("app", Node("file", "a", owner=7)), "owner 0:0 and 7:0"),
    "capability": (lambda it: it.put("app", Node("file", "a", capability="x")), "attributes"),
    "gone": (lambda it: it.remove("app"), "only in the first build"),
    "link": (lambda it: it.put("app", Node("link", "x")), "kind"),
    "nothing": (lambda it: it.put("app", Node("file", "a")), ""),
}


def built(folder: Path, change: Change, **settings: object) -> Normalised:
    """Return an image of a base with `old` in it, and a file `app` above, changed in one way."""
    system = FileSystem()
    system.put("old", Node("file", "x"))
    base = system.layer()
    system.put("app", Node("file", "a"))
    change(system)
    return normalise(spooled(folder, base, system.layer(), **settings), 1, Rules())


@pytest.mark.parametrize("case", CASES)
def test_a_path_is_named_with_how_it_differs(tmp_path: Path, case: str) -> None:
    """Content, mode, owner, attributes, kind and presence are told apart."""
    change, how = CASES[case]
    one, other = built(tmp_path / "1", lambda _: None), built(tmp_path / "2", change)
    expected = (PathDifference("app", "/app", how),) if how else ()
    assert differences(one, other) == expected
    assert (one.content.image_id == other.content.image_id) == (not how)


def test_a_removal_in_one_build_is_named(tmp_path: Path) -> None:
    """A path of the base that only one build removed."""
    one, other = built(tmp_path / "1", lambda it: it.remove("old")), built(tmp_path / "2", lambda _: None)
    assert differences(one, other) == (PathDifference("app", "/old", "removed by the first build only"),)


def test_a_setting_is_named(tmp_path: Path) -> None:
    """What the config sets is compared as well."""
    one = built(tmp_path / "1", lambda _: None, Env=["A=1"])
    other = built(tmp_path / "2", lambda _: None, Env=["A=2"])
    assert differences(one, other) == (PathDifference("settings", "Env", '["A=1"] and ["A=2"]'),)
