"""Bases without a registry: one bootstrapped Debian root per suite and platform, as an image."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import docker

from provisioner.errors import BuildFailed
from provisioner.images.bases.debian_root import EPOCH, DebianRoot, make_root

Report = Callable[[str], None]

REPOSITORY = "provisioner/base"

_ARCHITECTURES = {
    "linux/amd64": "amd64",
    "linux/arm64": "arm64",
    "linux/arm64/v8": "arm64",
    "linux/arm/v7": "armhf",
    "linux/386": "i386",
    "linux/ppc64le": "ppc64el",
    "linux/s390x": "s390x",
    "linux/riscv64": "riscv64",
}
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_BLOCK = 1 << 20


def suite_base(
    engine: docker.APIClient,
    suite: str,
    *,
    cache: Path,
    platform: str = "",
    mirror: str = "",
    report: Report = lambda _: None,
) -> str:
    """Make sure the engine has the image of a bootstrapped suite; return its tag.

    `platform` is the engine's own where empty. `mirror` is the address of a Debian archive; where empty, the
    bootstrapping tool takes its own default. The root is kept as a tar below `cache` and reused. Raise BuildFailed.
    """
    platform = platform or engine_platform(engine)
    root = debian_root(suite, platform, mirror)
    tag = base_tag(root)
    if not has_image(engine, tag):
        tar = make_root(engine, root, cache / f"{_file_stem(root)}.tar", report)
        report(f"loading {tag}")
        _load(engine, tar, tag, root, platform)
    return tag


def debian_root(suite: str, platform: str, mirror: str = "") -> DebianRoot:
    """Return what a base of this suite is made from. Raise BuildFailed for a platform Debian does not have."""
    architecture = _ARCHITECTURES.get(platform)
    if architecture is None:
        known = ", ".join(sorted(_ARCHITECTURES))
        reason = f"Debian has no port for the platform {platform}"
        raise BuildFailed(f"base {suite}", instruction="", output=(), reason=reason, hint=f"known platforms: {known}")
    return DebianRoot(suite, architecture, mirror)


def base_tag(root: DebianRoot) -> str:
    """Return the tag of the image made from a root: the same inputs give the same tag."""
    return f"{REPOSITORY}:{_file_stem(root)}"


def engine_platform(engine: docker.APIClient) -> str:
    """Return the platform an engine runs, in Docker's words: `linux/amd64`."""
    version = engine.version()
    return f"{version['Os']}/{version['Arch']}"


def has_image(engine: docker.APIClient, tag: str) -> bool:
    """Tell whether an engine has an image of this tag."""
    return bool(engine.images(name=tag))


def _file_stem(root: DebianRoot) -> str:
    digest = hashlib.sha256(json.dumps(root.recipe()).encode()).hexdigest()
    return f"{root.suite}-{root.architecture}-{digest[:12]}"


def _load(engine: docker.APIClient, tar: Path, tag: str, root: DebianRoot, platform: str) -> None:
    archive = image_archive(tar, tag, root, platform)
    for _ in engine.load_image(archive):  # type: ignore[no-untyped-call]  # so its stubs say
        pass
    if not has_image(engine, tag):
        reason = "the engine took the archive and has no such image"
        raise BuildFailed(
            tag, instruction="docker load", output=(), reason=reason, hint="does the engine's disk have room?"
        )


def image_archive(tar: Path, tag: str, root: DebianRoot, platform: str) -> Iterator[bytes]:
    """Return an image archive as `docker load` reads it; its image id depends on nothing but the root's content."""
    return _archive(tar, _sha256(tar), tag, root, platform)


def _archive(tar: Path, layer: str, tag: str, root: DebianRoot, platform: str) -> Iterator[bytes]:
    config = _image_config(root, platform, layer)
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [tag], "Layers": [f"{layer}/layer.tar"]}]
    yield from _member(name, config)
    yield from _member("manifest.json", json.dumps(manifest).encode())
    size = tar.stat().st_size
    yield _header(f"{layer}/layer.tar", size)
    yield from _blocks(tar)
    yield _padding(size)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _image_config(root: DebianRoot, platform: str, layer: str) -> bytes:
    created = datetime.fromtimestamp(EPOCH, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    os_name, architecture, *variant = platform.split("/")
    config = {
        "architecture": architecture,
        "os": os_name,
        **({"variant": variant[0]} if variant else {}),
        "created": created,
        "config": {"Env": [_PATH], "Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
        "history": [{"created": created, "created_by": f"mmdebstrap {root.suite}"}],
    }
    return json.dumps(config, sort_keys=True).encode()


def _member(name: str, content: bytes) -> Iterator[bytes]:
    yield _header(name, len(content))
    yield content
    yield _padding(len(content))


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size
    return member.tobuf(tarfile.USTAR_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)


def _blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            yield block


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
