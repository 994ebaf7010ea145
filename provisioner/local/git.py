"""Where a spec stands in git, and who works on it."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

_PATIENCE = 10
_ELSEWHERE = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"})


def commit(folder: Path) -> str:
    """Return the commit a folder is at, with `-dirty` where something below it is not committed.

    Empty where there is no git, no repository or no commit yet.
    """
    head = _git(folder, "rev-parse", "--verify", "--quiet", "HEAD")
    if not head:
        return ""
    return f"{head}-dirty" if _git(folder, "status", "--porcelain", "--", ".") else head


def author(environment: Mapping[str, str]) -> str:
    """Return who works here as `user@host`; behind sudo it is the person, not root."""
    names = (environment.get(name, "") for name in ("SUDO_USER", "LOGNAME", "USER"))
    user = next(filter(None, names), "") or str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _git(folder: Path, *arguments: str) -> str:
    """Return what git says, empty where it fails. It takes no lock, so nothing is written."""
    environment = {name: value for name, value in os.environ.items() if name not in _ELSEWHERE}
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            env=environment | {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.decode(errors="replace").strip() if done.returncode == 0 else ""
