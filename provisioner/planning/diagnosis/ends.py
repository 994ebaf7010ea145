"""What the end of a program says: its exit code in words, and the memory it was killed for."""

from __future__ import annotations

import signal
from collections.abc import Iterator

from provisioner.model.diagnosis import Cause, Reason
from provisioner.model.evidence import End, Evidence
from provisioner.planning.diagnosis.fixes import in_service

MEBIBYTE = 1024 * 1024
_SIGNALLED = 128
_MEANINGS = {
    1: "an error of the program itself",
    2: "wrong arguments, or an error of a shell",
    125: "the engine itself failed",
    126: "the command was found and may not be executed",
    127: "the command, or something a script calls, was not found",
    137: "killed with SIGKILL: by the kernel for its memory, by the engine, or by a person",
    139: "SIGSEGV: it touched memory that is not its own",
    143: "SIGTERM: somebody asked it to stop",
}


def meaning(exit_code: int) -> str:
    """Return what an exit code stands for, empty where it is the program's own."""
    if exit_code in _MEANINGS:
        return _MEANINGS[exit_code]
    try:
        return f"ended by {signal.Signals(exit_code - _SIGNALLED).name}"
    except ValueError:
        return ""


def last_end(evidence: Evidence) -> End | None:
    """Return how the program ended the last time, None where it did not or nobody knows."""
    if evidence.past.ends:
        return evidence.past.ends[-1]
    container = evidence.container
    if container is None or container.state not in {"exited", "dead", "restarting"}:
        return None
    return End(container.exit_code, container.out_of_memory)


def is_down(evidence: Evidence) -> bool:
    """Tell whether the program does not run now, or did not survive its start."""
    container = evidence.container
    return container is None or not container.running or container.restarts > 0 or last_end(evidence) is not None


def out_of_memory(evidence: Evidence) -> Iterator[Reason]:
    """Yield that the kernel killed it for its memory."""
    container = evidence.container
    killed = any(end.out_of_memory for end in evidence.past.ends) or (container is not None and container.out_of_memory)
    if killed:
        limit = evidence.expected.options.memory
        told = f"its limit of {_size(limit)}" if limit else "the memory of the host: it has no limit of its own"
        yield Reason(Cause.OUT_OF_MEMORY, f"the kernel killed it when it reached {told}", memory_fix(evidence))


def memory_fix(evidence: Evidence) -> str:
    """Return the setting that doubles the memory a service may have."""
    limit = evidence.expected.options.memory
    wanted = _size(limit * 2) if limit else "512m"
    return in_service(evidence, f"resources: {{memory: {wanted}}}")


def _size(count: int) -> str:
    return f"{count // MEBIBYTE}m" if count >= MEBIBYTE else f"{count}b"


def crashed(evidence: Evidence) -> Iterator[Reason]:
    """Yield with which exit code the program ended, how often, and what that code stands for."""
    end = last_end(evidence)
    if end is None:
        if evidence.container is None and not evidence.engine_error:
            yield Reason(Cause.ENDED, "its container is gone: somebody removed it", "provisioner apply")
        return
    times = f", {len(evidence.past.ends)} times so far" if len(evidence.past.ends) > 1 else ""
    if end.exit_code == 0:
        text = f"its program ended by itself with exit code 0{times}: it has to stay in the foreground"
        yield Reason(Cause.ENDED, text, in_service(evidence, "command: [what does not end]"))
        return
    told = f" ({meaning(end.exit_code)})" if meaning(end.exit_code) else ""
    said = f"; it last wrote {evidence.log[-1]!r}" if evidence.log else "; it wrote nothing to its log"
    yield Reason(Cause.CRASHED, f"its program ended with exit code {end.exit_code}{told}{times}{said}")
