"""Where Debian's tools run: this machine where they are installed, else a throw-away container of a Debian image."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol, cast

import docker
from docker.errors import APIError

from provisioner.errors import InputMissing
from provisioner.images.archive import member_padding
from provisioner.images.bases.artefacts import file_pieces
from provisioner.ports import Completed

_TOOLS = ("mmdebstrap", "apt-get")
_PIECE = 1 << 20
_INSIDE = "/provisioner"
_LEAST_ROOM = 8 << 20
"""Bytes of the smallest Debian image there is, and more than an image of ours without a system in it."""


class Workshop(Protocol):
    """A place with apt and mmdebstrap, and a folder there that is gone afterwards."""

    @property
    def folder(self) -> str:
        """Return the folder, absolute, as the tools there see it."""

    def run(self, *argv: str) -> Completed:
        """Run a tool in that folder and wait for its end."""

    def put(self, files: Mapping[str, Path | bytes]) -> None:
        """Write files by their path below the folder."""

    def take(self, name: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield a file of the folder, or each file of one below it: its name, and its bytes in pieces."""


@dataclass(frozen=True, slots=True)
class OnThisMachine:
    """A temporary folder, and the tools that are installed."""

    folder: str

    def run(self, *argv: str) -> Completed:
        """Run a tool in that folder and wait for its end."""
        done = subprocess.run(argv, cwd=self.folder, stdin=subprocess.DEVNULL, capture_output=True, check=False)
        return Completed(done.returncode, done.stdout, done.stderr)

    def put(self, files: Mapping[str, Path | bytes]) -> None:
        """Write files by their path below the folder; others may read them, since mmdebstrap may run as another."""
        for name, content in files.items():
            target = Path(self.folder, name)
            target.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                target.write_bytes(content)
            else:
                shutil.copyfile(content, target)

    def take(self, name: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield a file of the folder, or each file of one below it: its name, and its bytes in pieces."""
        path = Path(self.folder, name)
        for file in sorted(path.iterdir()) if path.is_dir() else [path]:
            yield file.name, file_pieces(file)


@dataclass(frozen=True, slots=True)
class InContainer:
    """A folder of a container that runs until it is not needed any more."""

    engine: docker.APIClient
    container: str
    folder: str = _INSIDE

    def run(self, *argv: str) -> Completed:
        """Run a tool in that folder and wait for its end."""
        made = self.engine.exec_create(self.container, list(argv), workdir=self.folder)
        stdout, stderr = self.engine.exec_start(made["Id"], demux=True)
        status = self.engine.exec_inspect(made["Id"])["ExitCode"]
        return Completed(int(status or 0), stdout or b"", stderr or b"")

    def put(self, files: Mapping[str, Path | bytes]) -> None:
        """Write files by their path below the folder."""
        self.engine.put_archive(self.container, self.folder, cast(Any, _tar(files)))

    def take(self, name: str) -> Iterator[tuple[str, Iterator[bytes]]]:
        """Yield a file of the folder, or each file of one below it: its name, and its bytes in pieces."""
        chunks, _ = self.engine.get_archive(self.container, f"{self.folder}/{name}")
        with tarfile.open(fileobj=Pieces(chunks), mode="r|") as archive:
            for member in archive:
                source = archive.extractfile(member)
                if source is not None:
                    yield member.name.rpartition("/")[2], _pieces(source)


@contextmanager
def open_workshop(
    engine: docker.APIClient, proxies: Mapping[str, str], *, installed: bool | None = None
) -> Iterator[Workshop]:
    """Lend a workshop. Raise InputMissing where there can be none.

    `installed` says whether the tools are on this machine; where it is None we look.
    """
    if installed or (installed is None and all(map(shutil.which, _TOOLS))):
        with tempfile.TemporaryDirectory(prefix="provisioner-") as folder:
            Path(folder).chmod(0o755)
            yield OnThisMachine(folder)
    else:
        with open_container(engine, _image(engine), proxies) as workshop:
            _equip(workshop)
            yield workshop


@contextmanager
def open_container(engine: docker.APIClient, image: str, proxies: Mapping[str, str]) -> Iterator[InContainer]:
    """Lend a running container of an image, with an empty folder, for tools of the image's own."""
    with _container(engine, image, ["sleep", "infinity"], proxies) as container:
        engine.start(container)
        engine.put_archive(container, "/", _folder(_INSIDE))
        yield InContainer(engine, container)


def _equip(workshop: InContainer) -> None:
    script = "apt-get -qq update && apt-get -qq -y --no-install-recommends install mmdebstrap >/dev/null"
    done = workshop.run("sh", "-c", f"command -v mmdebstrap >/dev/null || {{ {script}; }}")
    if done.status:
        raise InputMissing(
            f"mmdebstrap could not be installed in a container: {last_words(done)}",
            hint="install mmdebstrap on this machine, or see that its engine reaches a Debian archive",
        )


def last_words(done: Completed) -> str:
    """Return the first error that a tool of Debian's named, else the last line it wrote."""
    lines = [line.strip() for line in done.stderr.decode(errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix("E: ") for line in lines if line.startswith("E: ")]
    return (errors[:1] or lines[-1:] or [f"exit status {done.status}"])[0]


def _image(engine: docker.APIClient) -> str:
    by_size = sorted(engine.images(), key=lambda image: image["Size"])
    large = [image for image in by_size if image["Size"] > _LEAST_ROOM]
    found = next((str(image["Id"]) for image in large if _is_debian(engine, image["Id"])), None)
    if found is not None:
        return found
    try:
        engine.pull("debian", tag="stable-slim")
    except APIError as error:
        raise InputMissing(
            "mmdebstrap is not installed here, and the engine neither has nor gets a Debian image to run it in",
            hint="install mmdebstrap, or pull or load any Debian image",
        ) from error
    return "debian:stable-slim"


def _is_debian(engine: docker.APIClient, image: str) -> bool:
    try:
        with _container(engine, image, ["true"], {}) as container:
            release = _read_file(engine, container, "/usr/lib/os-release")
    except APIError:
        return False
    return "ID=debian" in release.splitlines()


@contextmanager
def _container(
    engine: docker.APIClient, image: str, command: list[str], environment: Mapping[str, str]
) -> Iterator[str]:
    host_config = engine.create_host_config(
        network_mode="host",
        cap_add=["SYS_ADMIN"],
        security_opt=["apparmor=unconfined", "seccomp=unconfined"],
    )
    container = engine.create_container(
        image, entrypoint=command, command=[], user="0", environment=dict(environment), host_config=host_config
    )["Id"]
    try:
        yield container
    finally:
        engine.remove_container(container, force=True, v=True)


def _read_file(engine: docker.APIClient, container: str, path: str) -> str:
    chunks, _ = engine.get_archive(container, path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        member = archive.extractfile(archive.getmembers()[0])
        return member.read().decode() if member else ""


def _folder(name: str) -> bytes:
    member = tarfile.TarInfo(name.lstrip("/"))
    member.type, member.mode = tarfile.DIRTYPE, 0o755
    return member.tobuf() + bytes(2 * tarfile.BLOCKSIZE)


def _tar(files: Mapping[str, Path | bytes]) -> Iterator[bytes]:
    for name, content in files.items():
        member = tarfile.TarInfo(name)
        member.size = len(content) if isinstance(content, bytes) else content.stat().st_size
        yield member.tobuf()
        yield from [content] if isinstance(content, bytes) else file_pieces(content)
        yield member_padding(member.size)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _pieces(source: IO[bytes]) -> Iterator[bytes]:
    while piece := source.read(_PIECE):
        yield piece


class Pieces(io.RawIOBase):
    """A readable file over pieces of bytes as they come."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        """Return as many bytes as were asked for, fewer at the end."""
        while len(self._rest) < size and (chunk := next(self._chunks, b"")):
            self._rest += chunk
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken
