"""Processes of a container that neither its command nor its health test started."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from provisioner.hosts.image_reading import Answer
from provisioner.hosts.probe import Process, read_processes
from provisioner.model.deviation import Deviation

LOOK_CLOSER = """\
for pid in "$@"; do
    cat "/proc/$pid/stat" 2>/dev/null
done
for pid in "$@"; do
    echo "-- $pid" && tr '\\000\\n' '\\n ' <"/proc/$pid/cmdline" 2>/dev/null
done
exit 0
"""
"""Prints the state of processes, then behind `-- PID` the words each was started with, one a line."""

OUR_EXECS = (("socat", "-", "UNIX-CONNECT:/run/haproxy/admin.sock"),)
"""Commands that another run of ours may have under way inside a container just now."""

_TICKS = 100
"""What Linux tells programs is a second's worth of ticks, on every platform (`USER_HZ`)."""

_STARTING = 3 * _TICKS
"""As long as a container's own program may take to leave daemons behind, once it was started."""

_WORDS = re.compile(r"^-- (\d+)\n(.*?)(?=^-- \d+\n|\Z)", re.MULTILINE | re.DOTALL)
_NO_PROCESSES = "no process of it can be seen by this user"


@dataclass(frozen=True, slots=True)
class Suspect:
    """A process that somebody may have started in a container, with the number of those that it has begotten."""

    process: Process
    offspring: int = 0


def suspects(inspection: Answer, processes: Iterable[Process]) -> tuple[Suspect, ...]:
    """Return what at first look was not started by a container's own program.

    One whose parent is no process of the container was brought in from outside. One whose parent has ended was handed
    to the first process: it keeps the session it was started in, which is then not the first process's own. What the
    program itself leaves behind in that way it does when it starts.
    """
    first = int(inspection["State"].get("Pid") or 0)
    inside = {each.number: each for each in processes if not each.zombie}
    init = inside.get(first)
    if init is None:
        return ()
    found = [
        each for each in inside.values() if each is not init and (each.parent not in inside or _handed_over(each, init))
    ]
    return tuple(Suspect(each, _offspring(each.number, inside)) for each in sorted(found, key=lambda each: each.number))


def _handed_over(process: Process, init: Process) -> bool:
    late = process.started - init.started > _STARTING
    return late and process.parent == init.number and process.session != init.session and process.name != init.name


def _offspring(number: int, inside: Mapping[int, Process]) -> int:
    children = [each.number for each in inside.values() if each.parent == number]
    return len(children) + sum(_offspring(child, inside) for child in children)


def hidden(inspection: Answer, processes: Iterable[Process]) -> str:
    """Return why the processes of a running container cannot be told, empty where they can."""
    first = int(inspection["State"].get("Pid") or 0)
    return _NO_PROCESSES if first and all(each.number != first for each in processes) else ""


def read_closer(answer: str) -> tuple[Mapping[int, Process], Mapping[int, tuple[str, ...]]]:
    """Return the processes that are there still, and the words they were started with."""
    words = {int(number): tuple(text.splitlines()) for number, text in _WORDS.findall(answer)}
    return read_processes(answer.partition("\n-- ")[0] + "\n"), words


def remaining(
    found: Iterable[Suspect], there: Mapping[int, Process], words: Mapping[int, tuple[str, ...]]
) -> tuple[Suspect, ...]:
    """Return those that are there still at a second look, and are nothing that we started."""
    return tuple(
        each
        for each in found
        if there.get(each.process.number, each.process).started == each.process.started
        and each.process.number in there
        and not there[each.process.number].zombie
        and words.get(each.process.number) not in OUR_EXECS
    )


def health_commands(inspection: Answer) -> frozenset[tuple[str, ...]]:
    """Return how the engine may start a container's health test."""
    kind, *rest = (inspection["Config"].get("Healthcheck") or {}).get("Test") or [""]
    if kind == "CMD":
        return frozenset({tuple(rest)})
    shell = tuple(inspection["Config"].get("Shell") or ("/bin/sh", "-c"))
    return frozenset({(*shell, *rest)}) if kind == "CMD-SHELL" else frozenset()


def deviations(
    found: Iterable[Suspect], words: Mapping[int, tuple[str, ...]], tests: Iterable[int]
) -> Iterator[Deviation]:
    """Yield foreign processes; `tests` are numbers of processes that are the engine's health tests."""
    for each in found:
        process = each.process
        if process.number in tests:
            continue
        said = " ".join(words.get(process.number, ())) or process.name
        more = f", and {each.offspring} that it started" if each.offspring else ""
        note = f"process {process.number} of the host{more}"
        yield Deviation("process", process.name, "not started", said, note=note)
