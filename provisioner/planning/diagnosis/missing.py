"""What a log says to be missing: a variable, a file, a secret, a module; and whether the last release had it."""

from __future__ import annotations

import re

from provisioner.model.diagnosis import Cause, Reason
from provisioner.model.evidence import Belongings, Evidence
from provisioner.planning.diagnosis.belongings import SECRETS
from provisioner.planning.diagnosis.fixes import in_environment, in_service, with_file, with_volume
from provisioner.planning.diagnosis.paths import path_in

_NAME = r"[A-Z][A-Z0-9_]*[A-Z0-9]"
_LONG_NAME = r"[A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z0-9]"
"""A name with a `_`: a word in capitals alone may be anything, such as `ERROR: missing …`."""

_ABSENT = r"not set|not defined|unset|undefined|missing|required|must be|parameter not set|unbound variable|empty"
_VARIABLE = (
    re.compile(rf"KeyError: '({_NAME})'"),
    re.compile(rf"(?i:environment variable|env(?:ironment)? var|variable)s?:? [\"'`$]*({_NAME})\b"),
    re.compile(
        rf"(?:\b({_LONG_NAME})|[\"'`${{]({_NAME}))[\"'`}}]*:? (?i:is |was |(?:environment )?variable )*(?i:{_ABSENT})"
    ),
    re.compile(rf"(?i:missing|required|undefined|unset|not set)[^.]*?\b({_LONG_NAME})\b"),
)
_EXEC = re.compile(r"\[FATAL tini|^exec ")
_NO_FILE = re.compile(r"no such file or directory|ENOENT|can't open file|file ?not ?found", re.IGNORECASE)
_MODULE = re.compile(
    r"No module named '?([\w.]+)|Cannot find module '([^']+)'|no required module provides package (\S+)"
)


def missing_variable(evidence: Evidence, line: str) -> Reason | None:
    """Return the variable that a line asks for and that is not set."""
    name = _asked_variable(evidence, line)
    if not name:
        return None
    before = evidence.before
    which = "which is not set"
    if before is not None:
        had = name in before.environment
        which = f"which {before.release} set and {evidence.now.release} does not" if had else "which no release set"
    text = f"it asks for the variable {name}, {which}"
    return Reason(Cause.MISSING_VARIABLE, text, in_environment(evidence, name, "…"))


def _asked_variable(evidence: Evidence, line: str) -> str:
    """Return the name of a variable; one that the last release set is known without a word that it is missing."""
    now, before = evidence.now.environment, evidence.before
    for name in sorted(set(before.environment) - set(now)) if before else ():
        if re.search(rf"(?<!\w){re.escape(name)}(?!\w)", line):
            return name
    matches = (pattern.search(line) for pattern in _VARIABLE)
    names = (group for match in matches if match for group in match.groups() if group)
    return next((name for name in names if not now.get(name)), "")


def missing_file(evidence: Evidence, line: str) -> Reason | None:
    """Return the file or secret that a line asks for and that is not there."""
    path = path_in(line) if _NO_FILE.search(line) and not _EXEC.search(line) else ""
    if not path:
        return None
    if path.startswith(SECRETS):
        return _missing_secret(evidence, path.removeprefix(SECRETS))
    lost = _lost(evidence, path, evidence.before) if evidence.before else None
    return lost or Reason(Cause.MISSING_FILE, f"it asks for {path}, which is not there", with_file(evidence, path))


def _missing_secret(evidence: Evidence, name: str) -> Reason:
    before = evidence.before
    had = before is not None and name in before.secrets
    which = f"which {before.release} had" if before is not None and had else "which the service does not name"
    return Reason(
        Cause.MISSING_SECRET, f"it asks for the secret {name}, {which}", in_service(evidence, f"secrets: [{name}]")
    )


def _lost(evidence: Evidence, path: str, before: Belongings) -> Reason | None:
    """Return what the last release had at a path and this one has not."""
    now = evidence.now
    mount = next((at for at in before.mounts if f"{path}/".startswith(f"{at}/") and at not in now.mounts), "")
    if mount:
        what = before.mounts[mount]
        text = f"it asks for {path}; {before.release} had {what} mounted at {mount}, and {now.release} has not"
        return Reason(Cause.MISSING_FILE, text, with_volume(evidence, what.partition(" ")[2], mount))
    gone = (file for file in before.files if file not in now.files)
    file = next((each for each in gone if path == each or f"/{path}".endswith(f"/{each}")), "")
    if not file:
        return None
    fix = with_file(evidence, path) if file.startswith("/") else f"put {file} back into the build context"
    return Reason(Cause.MISSING_FILE, f"it asks for {path}, which {before.release} had and {now.release} has not", fix)


def missing_module(_: Evidence, line: str) -> Reason | None:
    """Return the module of its language that the image lacks."""
    match = _MODULE.search(line)
    if not match:
        return None
    name = next(group for group in match.groups() if group)
    return Reason(Cause.MISSING_MODULE, f"its image has no module {name}", f"add {name} to what its build installs")
