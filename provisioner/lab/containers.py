"""What a lab needs of containers beyond hosts: short-lived ones, and files going in and out."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import docker
from docker.errors import NotFound

from provisioner.lab.labels import labelled


@contextmanager
def lone_container(
    engine: docker.APIClient, lab: str, image: str, command: list[str], **host_config: Any
) -> Iterator[str]:
    """Lend a container without a network for one question; `lab down` finds it should we not come back."""
    config = engine.create_host_config(network_mode="none", **host_config)
    container = engine.create_container(
        image, entrypoint=command, command=[], labels=labelled(lab), host_config=config
    )["Id"]
    try:
        yield container
    finally:
        engine.remove_container(container, force=True, v=True)


def read_file(engine: docker.APIClient, container: str, path: str) -> bytes:
    """Return a file of a host, running or not; empty where there is none."""
    try:
        chunks, _ = engine.get_archive(container, path)
    except NotFound:
        return b""
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        member = archive.extractfile(archive.getmembers()[0])
        return member.read() if member else b""


def write_file(engine: docker.APIClient, container: str, path: str, content: bytes) -> None:
    """Write a file of root's into a host, running or not, and the folder it lies in; nobody else may read them."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        folder = tarfile.TarInfo(path.rpartition("/")[0].lstrip("/"))
        folder.type, folder.mode = tarfile.DIRTYPE, 0o700
        archive.addfile(folder)
        file = tarfile.TarInfo(path.lstrip("/"))
        file.size, file.mode = len(content), 0o600
        archive.addfile(file, io.BytesIO(content))
    engine.put_archive(container, "/", stream.getvalue())
