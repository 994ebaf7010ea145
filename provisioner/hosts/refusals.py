"""What went wrong while an engine was spoken to: every foreign exception on that way, mapped once."""

from __future__ import annotations

import http.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import docker.errors
import paramiko
import requests
import urllib3

from provisioner.errors import EngineRefused, EngineUnavailable, HostUnreachable, ProvisionerError

_LOST = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    paramiko.SSHException,
    EOFError,
    OSError,
)
_DISK_FULL = "no space left on device"


@contextmanager
def engine_errors(host: str, is_alive: Callable[[], bool]) -> Iterator[None]:
    """Turn what docker, requests, urllib3, paramiko and sockets raise into errors of ours that name the host.

    `is_alive` tells whether the way to the host still stands: then it is its engine that does not answer.
    """
    try:
        yield
    except ProvisionerError:
        raise
    except docker.errors.APIError as error:
        raise refused(host, error.explanation or str(error), error.status_code or 0) from error
    except docker.errors.DockerException as error:
        raise EngineRefused(host, str(error)) from error
    except _LOST as error:
        if is_alive():
            hint = "is dockerd running there? see its log, then run the same command again"
            raise EngineUnavailable(host, f"its engine does not answer ({_text(error)})", hint=hint) from error
        message = f"the connection was lost while its engine was asked ({_text(error)})"
        raise HostUnreachable(host, message, hint="run the same command again") from error


def refused(host: str, explanation: object, status: int = 0) -> EngineRefused:
    """Return an engine's refusal with its own words; a full disk gets its hint."""
    words = explanation.decode(errors="replace") if isinstance(explanation, bytes) else str(explanation)
    hint = "free some space on that host, then run the same command again" if _DISK_FULL in words else ""
    return EngineRefused(host, f"the engine answers: {words.strip()}", status=status, hint=hint)


def _text(error: BaseException) -> str:
    while error.__cause__ is not None or error.__context__ is not None:
        error = error.__cause__ or error.__context__ or error
    return str(error) or type(error).__name__
