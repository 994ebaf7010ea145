"""Evidence to reasons, as files: each folder of cases holds what was found of a failing node and what we say of it."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner.model.container import ContainerOptions
from provisioner.model.diagnosis import Cause, Diagnosis
from provisioner.model.evidence import Belongings, Evidence, Expectation
from provisioner.planning.diagnosis.diagnose import diagnose
from provisioner.planning.diagnosis.ends import meaning
from provisioner.planning.diagnosis.paths import path_in
from provisioner.spec.codec import decode

FOLDER = Path(__file__).parents[1] / "cases" / "planning" / "diagnosis"
CASES = sorted(path.parent for path in FOLDER.glob("*/evidence.json"))
COMMON: dict[str, Any] = json.loads((FOLDER / "common.json").read_text())
"""A web server of four lines, running, on a host of 64 bits: what a case does not say otherwise."""


def evidence(case: dict[str, Any]) -> Evidence:
    """Return the evidence of a case."""
    found: Evidence = decode(over(COMMON, case), Evidence)
    return found


def over(common: dict[str, Any], case: dict[str, Any]) -> dict[str, Any]:
    """Return data with what a case says otherwise, key by key."""
    merged = dict(common)
    for key, value in case.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = over(merged[key], value) if both else value
    return merged


def text(found: Diagnosis) -> str:
    """Return what a diagnosis says, a line for each thing."""
    lines = [f"{each.cause}: {each.evidence}\n    fix: {each.fix or 'none'}" for each in found.reasons]
    lines += [f"changed since {found.since}: {change}" for change in found.changes]
    return "\n".join([*lines, *(f"not found out: {gap}" for gap in found.gaps), ""])


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_evidence_is_read_as_recorded(folder: Path) -> None:
    """The likeliest reason comes first; each names what shows it and what would help."""
    told = text(diagnose(evidence(json.loads((folder / "evidence.json").read_text()))))
    if os.environ.get("UPDATE_CASES"):
        (folder / "expected.txt").write_text(told)
    assert told == (folder / "expected.txt").read_text()


def test_every_cause_has_a_case() -> None:
    """No word that others rely on is never said."""
    told = "\n".join((folder / "expected.txt").read_text() for folder in CASES)
    assert [cause for cause in Cause if f"{cause}: " not in told] == []


def test_there_is_always_a_reason() -> None:
    """Where nothing was found out, that is said, and where to look."""
    bare = Evidence("web1", "web1/web-1", Expectation("web", ContainerOptions()), Belongings("r2-b"))
    assert [reason.cause for reason in diagnose(bare).reasons] == [Cause.ENDED]
    refused = replace(bare, engine_error="the engine answers: something new")
    assert diagnose(refused).reasons[0].evidence == "the engine answers: something new"


@pytest.mark.parametrize(
    ("line", "path"),
    [
        ("OSError: [Errno 30] Read-only file system: '/var/cache/x'", "/var/cache/x"),
        ("Error: EROFS: read-only file system, open '/app/x.log'", "/app/x.log"),
        ('mkdir() "/var/cache/nginx/client_temp" failed (30: Read-only file system)', "/var/cache/nginx/client_temp"),
        ("sh: 1: cannot create /var/x: Read-only file system", "/var/x"),
        ("open /data/db: read-only file system", "/data/db"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'config.yaml'", "config.yaml"),
        ("something went wrong", ""),
    ],
)
def test_the_path_of_a_message_is_found(line: str, path: str) -> None:
    """Python, Node, nginx, a shell and Go each write it in their own way."""
    assert path_in(line) == path


@pytest.mark.parametrize(
    ("code", "words"), [(126, "may not be executed"), (127, "not found"), (134, "SIGABRT"), (139, "SIGSEGV"), (77, "")]
)
def test_exit_codes_have_a_meaning(code: int, words: str) -> None:
    """Those of shells and signals are explained; a program's own are left as they are."""
    assert words in meaning(code)
    assert bool(words) is bool(meaning(code))
