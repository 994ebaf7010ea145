"""The command line and the streams it is given: a reader who leaves, a full disk, no stream at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

FULL = "/dev/full"


def said(*arguments: str, out: int | None = subprocess.PIPE, **environment: str) -> tuple[int, str]:
    """Return the exit code of a command line and what it wrote to standard error."""
    argv = [sys.executable, "-m", "provisioner", *arguments]
    done = subprocess.run(argv, stdout=out, stderr=subprocess.PIPE, env={**os.environ, **environment}, check=False)
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize("arguments", [("schema",), ("--help",), ("schema", "--json")])
def test_a_reader_who_leaves_gets_no_traceback(arguments: tuple[str, ...]) -> None:
    """A closed pipe ends a question with the code shells know, and in silence."""
    reading, writing = os.pipe()
    os.close(reading)
    code, errors = said(*arguments, out=writing)
    os.close(writing)
    assert (code, errors) == (141, "")


@pytest.mark.skipif(not Path(FULL).exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_explained() -> None:
    """What could not be written is an error with a hint, not a traceback."""
    with Path(FULL).open("wb") as full:
        code, errors = said("schema", out=full.fileno())
    assert code == 1
    assert "No space left" in errors
    assert "Traceback" not in errors


def test_without_standard_output_a_command_still_runs() -> None:
    """A stream that was closed before the start is like one that nobody reads."""
    argv = ["sh", "-c", 'exec "$0" -m provisioner schema >&-', sys.executable]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_missing_argument_is_named() -> None:
    """The message says which argument is missing."""
    code, errors = said("trust")
    assert code == 64
    assert "Missing argument" in errors


def test_a_wrong_option_is_named() -> None:
    """The message says which option has the wrong value."""
    code, errors = said("validate", "--forks", "0")
    assert code == 64
    assert "--forks" in errors


def test_an_empty_limit_is_not_the_whole_fleet() -> None:
    """`--limit "$HOSTS"` with nothing in HOSTS is refused, before anything is read."""
    code, errors = said("apply", "-y", "--limit", "")
    assert code == 64
    assert "--limit names no host" in errors


def test_no_verb_shows_the_help() -> None:
    """A newcomer who types only the name reads the help, not an error."""
    code, errors = said("lab")
    assert code == 64
    assert errors.startswith("Usage:")
