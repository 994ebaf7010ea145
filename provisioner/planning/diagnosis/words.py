"""What the last lines of a log say, in the words of the usual languages and servers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from posixpath import dirname

from provisioner.model.diagnosis import Cause, Reason
from provisioner.model.evidence import Evidence
from provisioner.planning.diagnosis.ends import memory_fix
from provisioner.planning.diagnosis.engine import disk_full, held_by
from provisioner.planning.diagnosis.fixes import in_environment, in_service, with_volume
from provisioner.planning.diagnosis.missing import missing_file, missing_module, missing_variable
from provisioner.planning.diagnosis.paths import memory_at, mount_at, path_in
from provisioner.planning.diagnosis.room import room_reasons

_READ_ONLY = re.compile(r"read-only file ?system|EROFS", re.IGNORECASE)
_DENIED = re.compile(r"permission denied|EACCES|operation not permitted|EPERM", re.IGNORECASE)
_IN_USE = re.compile(r"address (?:already )?in use|EADDRINUSE", re.IGNORECASE)
_FULL = re.compile(r"no space left on device|ENOSPC|disk quota exceeded", re.IGNORECASE)
_MEMORY = re.compile(
    r"heap out of memory|OutOfMemoryError|^MemoryError|cannot allocate memory|std::bad_alloc", re.IGNORECASE
)
_RESOLVE = re.compile(
    r"(?:getaddrinfo (?:ENOTFOUND|EAI_AGAIN)|could not translate host name|could not resolve host:?|failed to resolve|"
    r"host not found in upstream|unknown host:?|UnknownHostException:|bad address|cannot resolve) [\"']?([\w.-]+)"
    r"|lookup ([\w.-]+)(?: on \S+)?: |([\w.-]+): (?:name or service not known|temporary failure in name resolution)",
    re.IGNORECASE,
)
_UNRESOLVED = re.compile(r"name or service not known|temporary failure in name resolution|EAI_AGAIN", re.IGNORECASE)
_REFUSED = re.compile(r"(?:connection refused|ECONNREFUSED)(?:[^\w\[]*([\w.\[\]:-]+:\d+))?", re.IGNORECASE)
_ADDRESS = re.compile(r"\b((?:\d{1,3}\.){3}\d{1,3}:\d+|[a-z][\w.-]*:\d{2,5})\b", re.IGNORECASE)
_BINDING = re.compile(r"\bbind|listen", re.IGNORECASE)

LineReading = Callable[[Evidence, str], Reason | None]


def log_reasons(evidence: Evidence) -> Iterator[Reason]:
    """Yield what the log names as the cause, its last lines first, at most one reason a line."""
    for line in reversed(evidence.log):
        reasons = (reading(evidence, line) for reading in _READINGS)
        if found := next((reason for reason in reasons if reason is not None), None):
            yield found


def _read_only(evidence: Evidence, line: str) -> Reason | None:
    if not _READ_ONLY.search(line):
        return None
    path = path_in(line)
    mount = mount_at(evidence, path)
    if mount is not None:
        text = f"it writes to {path}, and {mount.target} is mounted read-only"
        return Reason(Cause.READ_ONLY_PATH, text, with_volume(evidence, mount.source, mount.target))
    if not path.startswith("/"):
        fix = in_service(evidence, "tmpfs: [the folder it writes to]")
        return Reason(Cause.READ_ONLY_PATH, f"it writes to its read-only root: {line.strip()}", fix)
    folder = path if "mkdir" in line.lower() else dirname(path)
    lasting = with_volume(evidence, folder.strip("/").replace("/", "-"), folder)
    fix = f"{in_service(evidence, f'tmpfs: [{folder}]')}, or where it has to last {lasting}"
    return Reason(Cause.READ_ONLY_PATH, f"it writes to {path}, and its root is read-only", fix)


def _full(evidence: Evidence, line: str) -> Reason | None:
    if not _FULL.search(line):
        return None
    path, scratch = path_in(line), evidence.expected.options.tmpfs
    memory = memory_at(evidence, path)
    if memory is None and (path or not scratch or any(room_reasons(evidence))):
        return disk_full(evidence, line)
    targets = memory.target if memory else " or ".join(each.target for each in scratch)
    fix = in_service(evidence, f'tmpfs: ["{(memory or scratch[0]).target}:size=256m"]')
    return Reason(Cause.DISK_FULL, f"its file system in memory at {targets} is full", fix)


def _memory(evidence: Evidence, line: str) -> Reason | None:
    if not _MEMORY.search(line):
        return None
    return Reason(Cause.OUT_OF_MEMORY, f"it got no more memory: {line.strip()}", memory_fix(evidence))


def _in_use(evidence: Evidence, line: str) -> Reason | None:
    if not _IN_USE.search(line):
        return None
    question = evidence.expected.question
    port = question.port if question else 0
    if evidence.expected.options.network == "host":
        holder = next((each for each in evidence.holders if each.port == port), None)
        return Reason(Cause.PORT_TAKEN, f"port {port} of {evidence.host} is taken by {held_by(holder)}")
    fix = f"let only one of them listen on {port}" if port else ""
    return Reason(Cause.PORT_TAKEN, f"two programs of the container want one port: {line.strip()}", fix)


def _denied(evidence: Evidence, line: str) -> Reason | None:
    if not _DENIED.search(line):
        return None
    path, user = path_in(line), (evidence.container.options.user if evidence.container else "") or "root"
    if path.startswith("/"):
        return Reason(Cause.PERMISSION_DENIED, f"the user {user} may not use {path}", f"RUN chown -R {user} {path}")
    if evidence.expected.options.cap_drop and not _BINDING.search(line):
        fix = in_service(evidence, "hardening: compatible")
        return Reason(Cause.PERMISSION_DENIED, f"without capabilities it may not do this: {line.strip()}", fix)
    return Reason(Cause.PERMISSION_DENIED, f"the user {user} may not do this: {line.strip()}")


def _unresolved(evidence: Evidence, line: str) -> Reason | None:
    match = _RESOLVE.search(line)
    name = next((group for group in match.groups() if group), "") if match else ""
    if not name:
        text = f"it cannot resolve a name: {line.strip()}"
        return Reason(Cause.NAME_NOT_RESOLVED, text) if _UNRESOLVED.search(line) else None
    key = next((key for key, value in sorted(evidence.now.environment.items()) if name in value), "")
    text = f"it cannot resolve the name {name}" + (f", which its variable {key} names" if key else "")
    fix = in_environment(evidence, key, "…") if key else f"ssh {evidence.host} getent hosts {name}"
    return Reason(Cause.NAME_NOT_RESOLVED, text, fix)


def _refused(_: Evidence, line: str) -> Reason | None:
    match = _REFUSED.search(line)
    if not match:
        return None
    address = match[1] or (found[1] if (found := _ADDRESS.search(line)) else "")
    text = f"nobody answers it at {address}" if address else f"what it needs does not answer: {line.strip()}"
    return Reason(Cause.DEPENDENCY_REFUSED, text)


_READINGS: tuple[LineReading, ...] = (
    _read_only,
    _full,
    _memory,
    _in_use,
    _unresolved,
    missing_module,
    missing_variable,
    missing_file,
    _denied,
    _refused,
)
