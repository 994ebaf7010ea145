"""What an engine's refusal to create or start a container means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from provisioner.model.diagnosis import Cause, Reason
from provisioner.model.evidence import Evidence, PortHolder
from provisioner.model.spec import LOAD_BALANCER
from provisioner.planning.diagnosis.fixes import in_service

_APART, _LAST_PORT = 1000, 65000
_PORT = re.compile(
    r"(?:Bind for \S*?:(\d+) failed: port is already allocated|listen (?:tcp|udp)\d? \S*?:(\d+): bind: address already"
    r" in use|port \S*?:(\d+) is already allocated|address already in use)"
)
_NOT_FOUND = re.compile(r'exec: \\?"([^"\\]+)\\?":? .*(?:executable file not found|no such file or directory)')
_FORBIDDEN = re.compile(r'exec: \\?"([^"\\]+)\\?":? .*permission denied')
_FORMAT = re.compile(r"exec format error", re.IGNORECASE)
_MOUNT = re.compile(r"bind source path does not exist: (\S+)")
_FULL = re.compile(r"no space left on device", re.IGNORECASE)
_TINI = re.compile(r"\[FATAL tini \(\d+\)\] exec (\S+) failed: (.+)")
_EXEC = re.compile(r"^exec (\S+): (.+)$")
_BINARY = re.compile(r"\bELF\b.*: not found|cannot execute binary file")
_TO_SHELL = re.compile(r"Syntax error: .*unexpected|: not found$")
"""What a shell says that was handed a program of another processor: an init tries it where the kernel refuses."""


def engine_reasons(evidence: Evidence) -> Iterator[Reason]:
    """Yield why the engine did not start the container, or its program could not be executed."""
    yield from _unstarted(evidence)
    yield from _unexecuted(evidence)


def _unstarted(evidence: Evidence) -> Iterator[Reason]:
    text = evidence.engine_error or evidence.past.error
    if not text:
        return
    readings: tuple[tuple[re.Pattern[str], Callable[[Evidence, re.Match[str]], Reason]], ...] = (
        (_PORT, _port_taken),
        (_FORMAT, lambda found, _: wrong_architecture(found)),
        (_NOT_FOUND, lambda found, match: missing_command(found, match[1])),
        (_FORBIDDEN, lambda found, match: not_executable(found, match[1])),
        (_MOUNT, _mount_missing),
        (_FULL, lambda found, _: disk_full(found, text)),
    )
    for pattern, reading in readings:
        if match := pattern.search(text):
            yield reading(evidence, match)
            return
    if evidence.engine_error:
        yield Reason(Cause.REFUSED_BY_ENGINE, evidence.engine_error)


def _unexecuted(evidence: Evidence) -> Iterator[Reason]:
    """Yield what the first process of the container said when it could not become the program."""
    expected = evidence.expected
    # With a `#!` there, no shell reads the first line of a program.
    first_line = f"{(started(evidence) or ('',))[0]}: 1: "
    foreign = "" not in {expected.image_platform, expected.host_platform} and not same_machine(evidence)
    for line in reversed(evidence.log):
        if match := _TINI.search(line) or _EXEC.search(line):
            yield _unexecuted_line(evidence, match[1], match[2])
            return
        if _BINARY.search(line) or line.startswith(first_line) or (foreign and _TO_SHELL.search(line)):
            yield wrong_architecture(evidence)
            return


def _unexecuted_line(evidence: Evidence, command: str, said: str) -> Reason:
    if _FORMAT.search(said):
        return wrong_architecture(evidence)
    if "denied" in said.lower():
        return not_executable(evidence, command)
    return missing_command(evidence, command)


def started(evidence: Evidence) -> tuple[str, ...]:
    """Return the words of the program that was to be started, as far as they are known."""
    options, container = evidence.expected.options, evidence.container
    if options.entrypoint or options.command:
        return (*(options.entrypoint or ()), *(options.command or ()))
    return (*(container.options.entrypoint or ()), *(container.options.command or ())) if container else ()


def same_machine(evidence: Evidence) -> bool:
    """Tell whether the image is made for the processor of the host."""
    image, host = (each.split("/")[:2] for each in (evidence.expected.image_platform, evidence.expected.host_platform))
    return image == host


def wrong_architecture(evidence: Evidence) -> Reason:
    """Return that the host cannot run the program: another processor's, or a script without a first line."""
    expected = evidence.expected
    if "" not in {expected.image_platform, expected.host_platform} and not same_machine(evidence):
        text = f"its image is for {expected.image_platform} and the host is {expected.host_platform}: exec format error"
    else:
        text = "its program is for another processor, or a script without a `#!` line: exec format error"
    fix = in_service(evidence, f"platform: {expected.host_platform or 'linux/amd64'}")
    return Reason(Cause.WRONG_ARCHITECTURE, text, fix)


def missing_command(evidence: Evidence, command: str) -> Reason:
    """Return that the program to start is not in the image."""
    text = f"the program {command} is not in the image, or not on its PATH; of a script it may be the `#!` program"
    return Reason(Cause.MISSING_COMMAND, text, in_service(evidence, "command: [what the image has]"))


def not_executable(evidence: Evidence, command: str) -> Reason:
    """Return that the program to start may not be executed by the container's user."""
    user = evidence.container.options.user if evidence.container else ""
    return Reason(
        Cause.PERMISSION_DENIED,
        f"{command} is there, and the user {user or 'root'} may not execute it",
        f"RUN chmod 755 {command}",
    )


def _mount_missing(evidence: Evidence, match: re.Match[str]) -> Reason:
    path = match[1]
    text = f"{path} is to be mounted and does not exist on {evidence.host}"
    return Reason(Cause.MISSING_FILE, text, f"ssh {evidence.host} mkdir -p {path}")


def disk_full(evidence: Evidence, text: str) -> Reason:
    """Return that a disk of the host is full."""
    room = min(evidence.rooms, key=lambda each: each.free, default=None)
    left = f" ({room.path}: {room.free // 1_000_000} MB free of {room.size // 1_000_000} MB)" if room else ""
    return Reason(Cause.DISK_FULL, f"a disk of {evidence.host} is full{left}: {text.strip()}", "provisioner prune")


def _port_taken(evidence: Evidence, match: re.Match[str]) -> Reason:
    told = next((int(group) for group in match.groups() if group), 0)
    asked = tuple(port.host_port for port in evidence.expected.ports)
    port = told or (asked[0] if asked else 0)
    holder = next((each for each in evidence.holders if each.port == port), None)
    text = f"port {port} of {evidence.host} is taken by {held_by(holder)}"
    return Reason(Cause.PORT_TAKEN, text, _port_fix(evidence, port, holder))


def held_by(holder: PortHolder | None) -> str:
    """Return who holds a port, in words."""
    if holder is None:
        return "somebody that cannot be seen"
    if holder.container:
        return f"the container {holder.container}"
    of = f" of the user {holder.user}" if holder.user else ""
    return f"the program {holder.process}{of} of the host" if holder.process else f"a program{of} of the host"


def _port_fix(evidence: Evidence, port: int, holder: PortHolder | None) -> str:
    if holder is not None and holder.container:
        return f"ssh {evidence.host} docker stop {holder.container}"
    if evidence.expected.service == LOAD_BALANCER:
        return f"ssh {evidence.host} ss -ltnp sport = :{port}"
    return in_service(evidence, f"host_port: {port + _APART if port + _APART < _LAST_PORT else port - _APART}")
