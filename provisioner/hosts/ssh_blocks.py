"""Whether an SSH configuration says something of single hosts: if not, one answer of `ssh -G` holds for all."""

from __future__ import annotations

import pwd
import re
from collections.abc import Iterator, Mapping
from os import getuid
from pathlib import Path

SYSTEM = Path("/etc/ssh/ssh_config")
USUAL_BINARY = "/usr/bin/ssh"
"""The program that reads `SYSTEM`; one that was built elsewhere may read another file."""

_SPEAKS = re.compile(
    r"(?im)^[ \t]*(?:match\b|canonical\w+|include\b|host(?!name|key|based)\b(?![ \t]*=?[ \t]*\*[ \t]*$))"
)
_NAMES_ITSELF = re.compile(r"(?m)^[ \t]*[^#\n]*%[hnkC]")
_INCLUDE = re.compile(r"(?im)^[ \t]*include[ \t=]+(.+)$")


def speaks_of_hosts(binary: str | None, environment: Mapping[str, str], file: Path | None) -> bool:
    """Tell whether what `ssh -G` answers may depend on the host it is asked about; where that is not known, it may."""
    if binary != USUAL_BINARY:
        return True
    try:
        texts = [text for path in _files(environment, file) for text in _with_included(path)]
    except OSError:
        return True
    return any(_SPEAKS.search(text) or _NAMES_ITSELF.search(text) for text in texts)


def _files(environment: Mapping[str, str], file: Path | None) -> Iterator[Path]:
    if file is not None:
        yield file
        return
    # ssh looks into the home of the account, whatever HOME says.
    homes = {environment.get("HOME", ""), pwd.getpwuid(getuid()).pw_dir} - {""}
    yield from (Path(home, ".ssh", "config") for home in sorted(homes))
    yield SYSTEM


def _with_included(path: Path) -> Iterator[str]:
    """Yield a file and what it includes by absolute name; what is included otherwise stands in its place."""
    if not path.exists():
        return
    text = path.read_text(errors="replace")
    yield _INCLUDE.sub(lambda found: "" if found[1].strip().startswith("/") else found[0], text)
    for found in _INCLUDE.finditer(text):
        pattern = found[1].strip()
        if pattern.startswith("/"):
            yield from (each.read_text(errors="replace") for each in sorted(Path("/").glob(pattern.lstrip("/"))))
