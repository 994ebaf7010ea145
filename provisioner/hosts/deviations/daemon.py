"""What an engine's own settings give every container that it makes, so that nobody takes that for a change by hand."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from provisioner.hosts.image_reading import Answer

SHARED_MEMORY = 64 * 1024 * 1024
_SIZE = re.compile(r"(\d+)\s*([bkmg]?)b?", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_CGROUPS_OF_THEIR_OWN = "2"


@dataclass(frozen=True, slots=True)
class DaemonDefaults:
    """What the daemon fills in where a request is silent: `shm_size` in bytes, `ulimits` as `ulimit_text` says them.

    `swap` tells whether the kernel lets it limit swap at all.
    """

    runtime: str = "runc"
    ipc: str = "private"
    cgroupns: str = ""
    shm_size: int = SHARED_MEMORY
    ulimits: tuple[str, ...] = ()
    swap: bool = True


def read_daemon(info: Answer, settings: str, flags: str) -> DaemonDefaults:
    """Return the defaults from `GET /info`, the text of daemon.json and the daemon's arguments, one a line."""
    told = {**_file(settings), **dict(_flags(flags))}
    own = "private" if info.get("CgroupVersion") == _CGROUPS_OF_THEIR_OWN else "host"
    return DaemonDefaults(
        runtime=info.get("DefaultRuntime") or "runc",
        ipc=str(told.get("default-ipc-mode") or "private"),
        cgroupns=str(told.get("default-cgroupns-mode") or own),
        shm_size=_bytes(told.get("default-shm-size")) or SHARED_MEMORY,
        ulimits=tuple(sorted(_ulimits(told))),
        swap=info.get("SwapLimit") is not False,
    )


def ulimit_text(limit: Answer) -> str:
    """Return a limit as the command line takes it: `nofile=1024:4096`."""
    return f"{limit.get('Name', '')}={limit.get('Soft', 0)}:{limit.get('Hard', 0)}"


def _file(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}


def _flags(text: str) -> Iterator[tuple[str, str]]:
    words = text.splitlines()
    for at, word in enumerate(words):
        name, equals, value = word.removeprefix("--").partition("=")
        if word.startswith("--"):
            yield name, value if equals else "".join(words[at + 1 : at + 2])


def _ulimits(told: dict[str, Any]) -> Iterator[str]:
    """Yield the limits of the file, or the last one of the arguments."""
    declared = told.get("default-ulimits")
    for name, limit in declared.items() if isinstance(declared, dict) else ():
        yield ulimit_text({"Name": name, **limit})
    flag = str(told.get("default-ulimit") or "")
    name, _, values = flag.partition("=")
    if values:
        soft, _, hard = values.partition(":")
        yield f"{name}={soft}:{hard or soft}"


def _bytes(said: object) -> int:
    found = _SIZE.fullmatch(str(said or "").strip())
    return int(found[1]) * _UNITS[found[2].lower()] if found else 0
