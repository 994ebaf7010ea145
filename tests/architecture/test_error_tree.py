"""The error tree as drawn, against the errors there are."""

from __future__ import annotations

import re

from provisioner import errors

DRAWN = re.compile(r"^(?P<indent>[ │]*(?:[├└]── )?)(?P<name>[A-Z]\w+)(?: +exit (?P<exit>\d+):)?", re.MULTILINE)
STEP = 4


def drawn() -> dict[str, tuple[str, str]]:
    """Return each drawn error with its parent and the exit code written beside it, empty where there is none."""
    found: dict[str, tuple[str, str]] = {}
    path: list[str] = []
    for match in DRAWN.finditer(_picture()):
        depth = len(match["indent"]) // STEP
        path = [*path[:depth], match["name"]]
        found[match["name"]] = (path[depth - 1] if depth else "Exception", match["exit"] or "")
    return found


def _picture() -> str:
    lines = (errors.__doc__ or "").splitlines()
    return "\n".join(line.removeprefix("    ") for line in lines if line.startswith("    "))


def real() -> dict[str, type[errors.ProvisionerError]]:
    """Return every error of the tree by its name."""
    found, waiting = dict[str, type[errors.ProvisionerError]](), [errors.ProvisionerError]
    while waiting:
        error = waiting.pop()
        found[error.__name__] = error
        waiting += [each for each in error.__subclasses__() if each.__module__ == errors.__name__]
    return found


def test_the_drawing_is_the_tree() -> None:
    """Every error stands in the drawing under its parent, and nothing else does."""
    assert {name: parent for name, (parent, _) in drawn().items()} == {
        name: error.__bases__[0].__name__ for name, error in real().items()
    }


def test_the_drawn_exit_codes_are_the_real_ones() -> None:
    """The exit code beside an error is its own."""
    written = {name: int(code) for name, (_, code) in drawn().items() if code}
    assert len(written) >= 5
    assert written == {name: real()[name].exit_code for name in written}


def test_an_exit_code_of_its_own_is_drawn() -> None:
    """An error that leaves with another code than its parent says so in the drawing."""
    own = {name for name, error in real().items() if "exit_code" in vars(error)}
    assert own == {name for name, (_, code) in drawn().items() if code}
