"""Turns what the local Docker Engine refuses into the lab's own error."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from docker.errors import APIError, DockerException
from requests.exceptions import RequestException

from provisioner.errors import LabError


@contextmanager
def explained(doing: str, *, hint: str = "") -> Iterator[None]:
    """Raise LabError, saying what was being done, where the engine refuses or does not answer."""
    try:
        yield
    except APIError as refusal:
        raise LabError(f"{doing}: {refusal.explanation or refusal}", hint=hint) from refusal
    except (DockerException, RequestException) as silence:
        hint = "is the Docker Engine of this machine running, and may you use its socket?"
        raise LabError(f"{doing}: no Docker Engine answers ({silence})", hint=hint) from silence
