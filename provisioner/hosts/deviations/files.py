"""Reads what changed in a container, and what its image has there instead, without writing anything."""

from __future__ import annotations

import base64
import io
import re
import tarfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

import docker.errors

from provisioner.hosts.deviations.changes import Change, deviation
from provisioner.hosts.engine import Engine
from provisioner.hosts.image_reading import Answer
from provisioner.model.deviation import Deviation
from provisioner.model.file_state import LARGEST, FileState
from provisioner.planning.unified import unified

VERSIONS = """\
mounted=$(grep -m1 ' / / ' "/proc/$1/mountinfo" 2>/dev/null) || exit 0
layers=${mounted##*lowerdir=} layers=${layers%%,*}
upper=${mounted##*upperdir=} upper=${upper%%,*} at=0
shift
cd /var/lib/docker/overlay2 2>/dev/null
small() { [ -f "$1" ] && [ ! -L "$1" ] && [ "$(wc -c <"$1")" -le 65536 ]; }
IFS=:
for path in "$@"; do
    [ -f "$upper$path" ] && [ ! -L "$upper$path" ] && echo "+$at $(stat -c '%a %u %g %Y' "$upper$path")" &&
        small "$upper$path" && base64 "$upper$path"
    for layer in $layers; do
        [ -e "$layer$path" ] || continue
        small "$layer$path" && echo "@$at" && base64 "$layer$path"
        break
    done
    at=$((at + 1))
done
exit 0
"""
"""Prints what a container and the layers of its image have at some paths. `$1` its first process, then the paths.

`+N` and `@N` go before each file, in base64: what is there now, with its rights and its time, and what the image has.
"""

_HEADERS = 16 * 512
_AT_START = 3.0
"""Seconds after its start in which a program with a writable root may set up files of its own."""

_MOST = 40
_VERSION = re.compile(r"^[+@](\d+)(?: ([0-7]+ \d+ \d+ \d+))?\n((?:[A-Za-z0-9/][A-Za-z0-9+/=]*\n)*)", re.MULTILINE)


def read_state(engine: Engine, container_id: str, path: str, limit: int = LARGEST) -> FileState | None:
    """Return a file of a container as it is, links not followed; None where there is none. Raise EngineRefused.

    What is larger than the limit comes without its content.
    """
    with engine.client() as client:
        try:
            head = client.archive_head(container_id, path, _HEADERS + limit)
        except docker.errors.NotFound:
            return None
    return first_state(head, limit)


def first_state(head: bytes, limit: int = LARGEST) -> FileState | None:
    """Return the first entry of an archive that may be cut; what is larger than we look at is not read."""
    try:
        with tarfile.open(fileobj=io.BytesIO(head), mode="r:") as opened:
            member = opened.next()
            if member is None:
                return None
            source = opened.extractfile(member) if member.isfile() and member.size <= limit else None
            content = source.read() if source is not None else None
            link = member.linkname if member.issym() else ""
            return FileState(content, member.mode, member.uid, member.gid, link, float(member.mtime))
    except tarfile.TarError:
        return None


def read_versions(answer: str, paths: tuple[str, ...]) -> tuple[dict[str, FileState], dict[str, str]]:
    """Return what `VERSIONS` printed: files as they are now, and texts as the image has them, by path."""
    now, before = {}, {}
    for number, rights, written in _VERSION.findall(answer):
        content = base64.b64decode(written) if written or not rights else None
        path = paths[int(number)] if int(number) < len(paths) else ""
        if rights:
            mode, uid, gid, changed = rights.split()
            now[path] = FileState(content, int(mode, 8), int(uid), int(gid), changed=float(changed))
        elif (text := FileState(content, 0, 0, 0).text) is not None:
            before[path] = text
    return now, before


def shown(changes: Collection[Change]) -> tuple[Change, ...]:
    """Return the changes whose files are read, no more than so many of one container."""
    return tuple(changes)[:_MOST]


def deviations(
    changes: Iterable[Change], states: Mapping[str, FileState], originals: Mapping[str, str], inspection: Answer
) -> Iterator[Deviation]:
    """Yield what has changed, a file with its rights and, where it is text, with how it differs."""
    for change in changes:
        state = states.get(change.path)
        if state is None:
            yield deviation(change)
        elif not _set_up_at_start(inspection, state):
            text, before = state.text, originals.get(change.path)
            known = text is not None and (before is not None or change.kind == "added")
            detail = unified(change.path, before or "", text or "") if known else ""
            yield deviation(change, rights=_rights(state), detail=detail)


def _rights(state: FileState) -> str:
    return f"a link to {state.link}" if state.link else state.rights


def _set_up_at_start(inspection: Answer, state: FileState) -> bool:
    """Tell whether a program that may write anywhere wrote a file while it started, as entrypoints do."""
    if inspection["HostConfig"].get("ReadonlyRootfs"):
        return False
    begun = [inspection.get("Created") or "", inspection["State"].get("StartedAt") or ""]
    return any(-1 <= state.changed - seconds(moment) <= _AT_START for moment in begun if moment)


def seconds(moment: str) -> float:
    """Return a time as engines write it (RFC 3339, with nanoseconds) in seconds since 1970; 0 where it is none."""
    whole, _, rest = moment.partition(".")
    zone = rest.lstrip("0123456789") or ("Z" if rest else "")
    try:
        return datetime.fromisoformat(whole + zone).timestamp()
    except ValueError:
        return 0.0
