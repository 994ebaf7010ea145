"""What the command line says of itself, and how soon."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from provisioner import __version__
from tests.cli.command_line import CHECKOUT, provisioner

VERBS = (
    "validate", "render", "schema", "lock", "build", "rebuild", "plan", "apply", "rollback", "status", "drift",
    "repair", "compare", "history", "drain", "undrain", "prune", "doctor", "trust", "destroy", "lease", "lab",
)  # fmt: skip
AT_MOST = 0.25
SLOW_TO_IMPORT = {"paramiko", "docker", "pydantic", "jinja2", "rich", "yaml", "cryptography", "requests"}


def test_help_names_every_verb_and_no_other(tmp_path: Path) -> None:
    """What `--help` lists is what works; a verb that is not built yet is not there."""
    ran = provisioner(tmp_path, "--help")
    listed = re.findall(r"^  ([a-z]+)  ", ran.out.partition("Commands:")[2], re.MULTILINE)
    assert ran.code == 0
    assert tuple(listed) == VERBS


@pytest.mark.parametrize(
    "verb", [*VERBS, "up", "deploy", "lab up", "lab status", "lab down", "lease show", "lease break"]
)
def test_every_verb_explains_itself(tmp_path: Path, verb: str) -> None:
    """Each verb, and each alias, has a help of its own that is complete."""
    ran = provisioner(tmp_path, *verb.split(), "--help")
    assert ran.code == 0
    assert "Usage: provisioner" in ran.out
    assert "..." not in ran.out.partition("Options:")[2].replace("HOST...", "")


def test_no_line_of_the_help_is_cut(tmp_path: Path) -> None:
    """Every verb is explained in one whole line."""
    for words in ((), ("lab",), ("lease",)):
        ran = provisioner(tmp_path, *words, "--help")
        assert [line for line in ran.out.splitlines() if line.endswith("...") and "Usage" not in line] == []


def test_help_answers_at_once(tmp_path: Path) -> None:
    """`--help` takes at most a quarter of a second of this process's own time, the best of three."""
    provisioner(tmp_path, "--help")
    assert min(_seconds() for _ in range(3)) <= AT_MOST


def _seconds() -> float:
    before, begun = os.times(), time.monotonic()
    subprocess.run([sys.executable, "-m", "provisioner", "--help"], cwd=CHECKOUT, capture_output=True, check=True)
    after, took = os.times(), time.monotonic() - begun
    # On a busy machine the clock on the wall counts other people's work too.
    worked = (after.children_user - before.children_user) + (after.children_system - before.children_system)
    return min(took, worked)


def test_help_loads_nothing_it_does_not_need() -> None:
    """The libraries that talk to hosts, and the heavy ones beside them, wait for a verb that needs them."""
    program = "import sys; from provisioner.cli.app import run; run(['--help']); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert "provisioner.cli.apply" in done.stderr.split()
    assert SLOW_TO_IMPORT & set(done.stderr.split()) == set()


def test_the_version_is_told(tmp_path: Path) -> None:
    """`--version` says which one this is, on standard output."""
    assert provisioner(tmp_path, "--version").out == f"provisioner {__version__}\n"


def test_no_verb_is_answered_with_the_help(tmp_path: Path) -> None:
    """Who says nothing is told what could be said; exit 64."""
    ran = provisioner(tmp_path)
    assert ran.code == 64
    assert ran.err.startswith("Usage:")
