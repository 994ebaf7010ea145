"""Paths in messages, and what lies at them in a container."""

from __future__ import annotations

import re

from provisioner.model.container import Mount, TmpfsMount
from provisioner.model.evidence import Evidence

_QUOTED = re.compile(r"[\"'`]([^\"'`\s]*[/.][^\"'`\s]*)[\"'`]")
_BARE = re.compile(r"(?<![\w/.:])(/[^\s\"'`:,()]+)")


def path_in(line: str) -> str:
    """Return the path that a message is about: the last one in quotes, else the last absolute one, else ''."""
    found = _QUOTED.findall(line) or _BARE.findall(line)
    return found[-1].rstrip(".;") if found else ""


def mount_at(evidence: Evidence, path: str) -> Mount | None:
    """Return the volume or host path that a path lies in."""
    found = [each for each in evidence.expected.options.mounts if _lies_in(path, each.target)]
    return max(found, key=lambda each: len(each.target), default=None)


def memory_at(evidence: Evidence, path: str) -> TmpfsMount | None:
    """Return the file system in memory that a path lies in."""
    return next((each for each in evidence.expected.options.tmpfs if _lies_in(path, each.target)), None)


def _lies_in(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")
