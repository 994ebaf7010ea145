"""Which paths of a container differ from its image, out of all that its engine says has changed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from provisioner.hosts.image_reading import Answer
from provisioner.model.deviation import Deviation

VOLATILE_LABEL = "provisioner.volatile"
"""The label by which an image names paths, between blanks, that its program writes and nobody compares."""

Kind = Literal["changed", "added", "deleted"]
_KINDS: Mapping[int, Kind] = {0: "changed", 1: "added", 2: "deleted"}

_OF_THE_ENGINE = (
    "/.dockerenv", "/dev", "/etc/hostname", "/etc/hosts", "/etc/mtab", "/etc/resolv.conf", "/proc", "/sys",
)  # fmt: skip
_INIT = ("/sbin/docker-init", "/usr/sbin/docker-init", "/dev/init")
_SCRATCH = ("/run", "/tmp", "/var/lock", "/var/log", "/var/run", "/var/tmp")  # noqa: S108 - compared, never written to
"""Where programs write who may write everywhere (Filesystem Hierarchy Standard, 3.15, 3.18, 5.10, 5.13, 5.15)."""


@dataclass(frozen=True, slots=True, order=True)
class Change:
    """A path that differs from the image, and how; `below` counts further ones in a folder that was added."""

    path: str
    kind: Kind
    below: int = 0


def changes(inspection: Answer, told: Iterable[Answer], volatile: str = "") -> tuple[Change, ...]:
    """Return what has changed where nothing is mounted and nothing is to be written.

    `told` is the answer to `GET /containers/{id}/changes`, `volatile` the text of the image's label.
    """
    mounts = _mounted(inspection)
    free = {*_OF_THE_ENGINE, *mounts, *volatile.split()}
    if inspection["HostConfig"].get("Init"):
        free |= {*_INIT}
    if not inspection["HostConfig"].get("ReadonlyRootfs"):
        free |= {*_SCRATCH}
    found = {Change(each["Path"], _KINDS.get(each["Kind"], "changed")) for each in told}
    every = sorted(found, key=lambda change: change.path.split("/"))
    kept = [each for each in every if not _is_below(each.path, free) and not _leads_to(each, every, free)]
    return tuple(_gathered(kept))


def _mounted(inspection: Answer) -> set[str]:
    host = inspection["HostConfig"]
    targets = {entry["Destination"] for entry in inspection.get("Mounts") or ()}
    return targets | {*(host.get("Tmpfs") or ())} | {entry["Target"] for entry in host.get("Mounts") or ()}


def _is_below(path: str, folders: Collection[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder.rstrip('/')}/") for folder in folders)


def _leads_to(change: Change, every: Iterable[Change], free: Collection[str]) -> bool:
    """Tell whether a folder is told only because of something in it, or was made to mount something there."""
    prefix = f"{change.path.rstrip('/')}/"
    if change.kind == "added":
        inside = [each.path for each in every if each.path.startswith(prefix)]
        leads = any(folder.startswith(prefix) for folder in free)
        return leads and all(_is_below(path, free) or any(f.startswith(f"{path}/") for f in free) for path in inside)
    return change.kind == "changed" and any(each.path.startswith(prefix) for each in every)


def _gathered(kept: Iterable[Change]) -> Iterator[Change]:
    """Yield each change once, and what lies in a folder that was added, or taken away, only as a number."""
    whole: Change | None = None
    for each in kept:
        if whole is not None and each.path.startswith(f"{whole.path}/"):
            whole = Change(whole.path, whole.kind, whole.below + 1)
            continue
        if whole is not None:
            yield whole
        whole = each if each.kind != "changed" else None
        if whole is None:
            yield each
    if whole is not None:
        yield whole


def deviation(change: Change, *, rights: str = "", detail: str = "") -> Deviation:
    """Return a change as what it is for a person; `rights` are mode and owner of what is there now."""
    desired = "absent" if change.kind == "added" else "as the image has it"
    observed = f"{change.kind}, {rights}" if rights and change.kind != "deleted" else change.kind
    note = f"with {change.below} more below it" if change.below else ""
    return Deviation("files", change.path, desired, observed, detail, note)
