"""Where a Debian root comes from: mmdebstrap here, else in a throw-away container of any Debian image."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import docker
from docker.errors import APIError

from provisioner.errors import BuildFailed

EPOCH = 1735689600
"""Seconds since 1970 that every younger file of a root is set back to, so that a root is reproducible."""

_OPTIONS = (
    "--variant=minbase",
    "--format=tar",
    "--skip=output/dev",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-include=/usr/share/doc/*/copyright",
    '--customize-hook=rm -f "$1/etc/hostname" "$1/etc/resolv.conf"',
)
_ROLLING = frozenset({"sid", "unstable", "experimental"})
_OUTPUT_LINES = 20


@dataclass(frozen=True, slots=True)
class DebianRoot:
    """What a root is made from: a suite, Debian's name of an architecture, the address of an archive or nothing."""

    suite: str
    architecture: str
    mirror: str = ""

    def recipe(self) -> list[str]:
        """Return everything the content depends on, apart from the archive's own."""
        return [str(EPOCH), self.architecture, *self.arguments("-")]

    def arguments(self, target: str) -> list[str]:
        """Return the arguments that make mmdebstrap write this root as a tar to `target`."""
        return [f"--architectures={self.architecture}", *_OPTIONS, self.suite, target, *self.sources()]

    def sources(self) -> list[str]:
        """Return apt's lines for a given mirror; none where the tool's own default is meant."""
        if not self.mirror:
            return []
        suites = [self.suite] if self.suite in _ROLLING else [self.suite, f"{self.suite}-updates"]
        return [f"deb {self.mirror} {suite} main" for suite in suites]


def make_root(
    engine: docker.APIClient,
    root: DebianRoot,
    target: Path,
    report: Callable[[str], None],
    *,
    installed: bool | None = None,
) -> Path:
    """Make a root as a tar at `target`, where there is none yet. Raise BuildFailed.

    `installed` says whether mmdebstrap is on this machine; where it is None we look.
    """
    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
    report(f"bootstrapping Debian {root.suite} for {root.architecture}")
    try:
        if installed or (installed is None and shutil.which("mmdebstrap")):
            _make_here(root, unfinished)
        else:
            _make_in_container(engine, root, unfinished)
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return target


def _make_here(root: DebianRoot, target: Path) -> None:
    argv = ["env", f"SOURCE_DATE_EPOCH={EPOCH}", "mmdebstrap", *root.arguments(str(target))]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise _failed(root, argv, done.stderr)


def _make_in_container(engine: docker.APIClient, root: DebianRoot, target: Path) -> None:
    image = _debian_image(engine) or _pulled_debian(engine, root)
    if image is None:
        raise BuildFailed(
            f"base {root.suite}",
            instruction="mmdebstrap",
            output=(),
            reason="mmdebstrap is not installed here, and the engine neither has nor gets a Debian image for it",
            hint="install mmdebstrap, or pull or load any Debian image",
        )
    argv = ["mmdebstrap", *root.arguments("/root.tar")]
    script = (
        "apt-get -qq update && apt-get -qq -y --no-install-recommends install mmdebstrap >/dev/null"
        f" && SOURCE_DATE_EPOCH={EPOCH} {shlex.join(argv)}"
    )
    with _container(engine, image, ["sh", "-c", script]) as container:
        engine.start(container)
        if engine.wait(container, timeout=None)["StatusCode"]:
            raise _failed(root, argv, engine.logs(container).decode(errors="replace"))
        _fetch_file(engine, container, "/root.tar", target)


def _debian_image(engine: docker.APIClient) -> str | None:
    by_size = sorted(engine.images(), key=lambda image: image["Size"])
    return next((str(image["Id"]) for image in by_size if _is_debian(engine, image["Id"])), None)


def _pulled_debian(engine: docker.APIClient, root: DebianRoot) -> str | None:
    """Return a Debian image from the engine's own registry, None where it cannot be had."""
    try:
        engine.pull("debian", tag=f"{root.suite}-slim")
    except APIError:
        return None
    return f"debian:{root.suite}-slim"


def _is_debian(engine: docker.APIClient, image: str) -> bool:
    try:
        with _container(engine, image, ["true"]) as container:
            release = _read_file(engine, container, "/usr/lib/os-release")
    except APIError:
        return False
    return "ID=debian" in release.splitlines()


@contextmanager
def _container(engine: docker.APIClient, image: str, command: list[str]) -> Iterator[str]:
    host_config = engine.create_host_config(
        network_mode="host",
        cap_add=["SYS_ADMIN"],
        security_opt=["apparmor=unconfined", "seccomp=unconfined"],
    )
    container = engine.create_container(image, entrypoint=command, command=[], user="0", host_config=host_config)["Id"]
    try:
        yield container
    finally:
        engine.remove_container(container, force=True, v=True)


def _read_file(engine: docker.APIClient, container: str, path: str) -> str:
    chunks, _ = engine.get_archive(container, path)
    with tarfile.open(fileobj=io.BytesIO(b"".join(chunks))) as archive:
        member = archive.extractfile(archive.getmembers()[0])
        return member.read().decode() if member else ""


def _fetch_file(engine: docker.APIClient, container: str, path: str, target: Path) -> None:
    chunks, _ = engine.get_archive(container, path)
    with tarfile.open(fileobj=_Chunks(chunks), mode="r|") as archive:
        for member in archive:
            source = archive.extractfile(member)
            if source is not None:
                with target.open("wb") as sink:
                    shutil.copyfileobj(source, sink)


class _Chunks(io.RawIOBase):
    """A readable file over pieces of bytes as they come."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self._rest = b""

    def read(self, size: int = -1) -> bytes:
        while len(self._rest) < size and (chunk := next(self._chunks, b"")):
            self._rest += chunk
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


def _failed(root: DebianRoot, argv: list[str], output: str) -> BuildFailed:
    lines = tuple(output.splitlines()[-_OUTPUT_LINES:])
    errors = [line.removeprefix("E: ") for line in lines if line.startswith("E:")]
    return BuildFailed(
        f"base {root.suite}",
        instruction=shlex.join(argv),
        output=lines,
        reason=errors[0] if errors else "mmdebstrap failed",
        hint="is the suite's name right and a Debian archive reachable? PROVISIONER_DEBIAN_MIRROR names another one",
    )
