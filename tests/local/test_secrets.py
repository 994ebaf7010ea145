"""Where secrets come from, and that nothing tells them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from provisioner.errors import SecretMissing
from provisioner.local.secrets import resolve
from provisioner.model.spec import FromCommand, FromFile, FromVariable, SecretSource

VALUE = "a $ecret\nof two lines "


def printing(text: str, status: int = 0) -> FromCommand:
    """Return a command that prints a text and ends with a status."""
    return FromCommand((sys.executable, "-c", f"import sys; sys.stdout.write({text!r}); sys.exit({status})"))


def test_every_source_gives_the_value_as_it_is(tmp_path: Path) -> None:
    """One newline at the end is the editor's or the command's, and nothing else is touched."""
    (tmp_path / "key").write_text(f"{VALUE}\n")
    sources = (FromVariable("KEY"), FromFile(str(tmp_path / "key")), printing(f"{VALUE}\n"))
    values = [resolve("KEY", source, {"KEY": VALUE}, tmp_path) for source in sources]
    assert [value.reveal() for value in values] == [VALUE] * 3
    assert {str(value) for value in values} == {repr(value) for value in values} == {"***"}


def test_a_command_runs_beside_the_spec_with_the_users_variables(tmp_path: Path) -> None:
    """It finds files by their path relative to the spec."""
    (tmp_path / "key").write_text("value")
    argv = (sys.executable, "-c", "import os; print(os.environ['WHO'] + open('key').read())")
    assert resolve("KEY", FromCommand(argv), {"WHO": "my "}, tmp_path).reveal() == "my value"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (FromVariable("NOT_SET"), "NOT_SET is not set"),
        (FromVariable("EMPTY"), "empty"),
        (FromFile("/nowhere/key"), "/nowhere/key cannot be read"),
        (printing(VALUE, status=3), "exit status 3"),
        (FromCommand(("no-such-program",)), "no-such-program cannot be run"),
        (FromCommand(()), "cannot be run"),
    ],
)
def test_a_secret_that_cannot_be_had_is_named_and_not_told(source: SecretSource, told: str, tmp_path: Path) -> None:
    """The error names the secret and its source; what a failed command printed stays untold."""
    with pytest.raises(SecretMissing, match=told) as missing:
        resolve("API_KEY", source, {"EMPTY": ""}, tmp_path)
    assert missing.value.secret == "API_KEY"
    assert VALUE not in missing.value.message + missing.value.hint
