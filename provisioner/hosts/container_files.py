"""Reads one file out of a container, running or not."""

from __future__ import annotations

import tarfile

import docker.errors

from provisioner.errors import EngineRefused
from provisioner.hosts.archives import unpack_first
from provisioner.hosts.engine import Engine

_LINKS = 8


def read_file(engine: Engine, container_id: str, path: str) -> bytes | None:
    """Return a file of a container, symbolic links followed; None where there is none. Raise EngineRefused."""
    for _ in range(_LINKS):
        archive = _archive(engine, container_id, path)
        if archive is None:
            return None
        try:
            content, path = unpack_first(archive, path)
        except tarfile.TarError as error:
            raise EngineRefused(engine.host, f"the archive of {path} cannot be read: {error}") from error
        if not path:
            return content
    return None


def _archive(engine: Engine, container_id: str, path: str) -> bytes | None:
    with engine.client(patient=True) as client:
        try:
            pieces, _ = client.get_archive(container_id, path)
            return b"".join(pieces)
        except docker.errors.NotFound:
            return None
