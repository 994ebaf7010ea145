"""Why a node did not become healthy: causes from a closed list, each with what shows it and what would help."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """What can be the matter; others rely on these words."""

    WRONG_PORT = "wrong_port"
    LOOPBACK = "bound_to_loopback"
    REDIRECTED = "redirected"
    PATH_NOT_FOUND = "path_not_found"
    REQUEST_REJECTED = "request_rejected"
    SERVER_ERROR = "server_error"
    NOT_HTTP = "not_http"
    NO_ANSWER = "no_answer"
    UNREACHABLE_FROM_BALANCER = "unreachable_from_balancer"
    HEALTH_TEST_FAILED = "health_test_failed"
    SLOW_START = "slow_start"
    NOT_LISTENING = "not_listening"
    UNSTEADY = "unsteady"
    FAILED_IN_ROTATION = "failed_in_rotation"
    CRASHED = "crashed"
    ENDED = "ended"
    OUT_OF_MEMORY = "out_of_memory"
    MISSING_COMMAND = "missing_command"
    WRONG_ARCHITECTURE = "wrong_architecture"
    MISSING_VARIABLE = "missing_variable"
    MISSING_FILE = "missing_file"
    MISSING_SECRET = "missing_secret"  # noqa: S105 - the name of a cause
    MISSING_MODULE = "missing_module"
    READ_ONLY_PATH = "read_only_path"
    PERMISSION_DENIED = "permission_denied"
    PORT_TAKEN = "port_taken"
    DISK_FULL = "disk_full"
    NAME_NOT_RESOLVED = "name_not_resolved"
    DEPENDENCY_REFUSED = "dependency_refused"
    REFUSED_BY_ENGINE = "refused_by_engine"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Reason:
    """One cause, the sentence that shows it, and one thing to do; `fix` is made to be pasted where it can be."""

    cause: Cause
    evidence: str
    fix: str = ""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """The reasons why a node failed, the likeliest first, its last log lines, and what changed.

    `since` is the release that `changes` are counted from, empty where there was none before.
    """

    host: str
    node: str
    reasons: tuple[Reason, ...]
    log: tuple[str, ...] = ()
    since: str = ""
    changes: tuple[str, ...] = ()
    gaps: tuple[str, ...] = ()
