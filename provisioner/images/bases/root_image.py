"""A Debian root as an image of one layer, whose id depends on nothing but the root's content."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import docker

from provisioner.errors import BuildFailed
from provisioner.images.archive import member_padding
from provisioner.images.bases.artefacts import file_pieces
from provisioner.images.bases.debian_root import EPOCH
from provisioner.model.lock import LockedSuite

REPOSITORY = "provisioner/base"

_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def has_image(engine: docker.APIClient, tag: str) -> bool:
    """Tell whether an engine has an image of this tag."""
    return bool(engine.images(name=tag))


def load_root(engine: docker.APIClient, tar: Path, tag: str, pins: LockedSuite) -> None:
    """Give an engine the image of a root. Raise BuildFailed where it does not have it then."""
    for _ in engine.load_image(image_archive(tar, tag, pins)):  # type: ignore[no-untyped-call]  # so its stubs say
        pass
    if not has_image(engine, tag):
        reason = "the engine took the archive and has no such image"
        raise BuildFailed(
            tag, instruction="docker load", output=(), reason=reason, hint="does the engine's disk have room?"
        )


def image_archive(tar: Path, tag: str, pins: LockedSuite) -> Iterator[bytes]:
    """Return an image archive as `docker load` reads it."""
    with tar.open("rb") as stream:
        layer = hashlib.file_digest(stream, "sha256").hexdigest()
    config = _image_config(pins, layer)
    name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": name, "RepoTags": [tag], "Layers": [f"{layer}/layer.tar"]}]
    yield from _member(name, config)
    yield from _member("manifest.json", json.dumps(manifest).encode())
    size = tar.stat().st_size
    yield _header(f"{layer}/layer.tar", size)
    yield from file_pieces(tar)
    yield member_padding(size)
    yield bytes(2 * tarfile.BLOCKSIZE)


def _image_config(pins: LockedSuite, layer: str) -> bytes:
    created = datetime.fromtimestamp(EPOCH, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    os_name, architecture, *variant = pins.platform.split("/")
    config = {
        "architecture": architecture,
        "os": os_name,
        **({"variant": variant[0]} if variant else {}),
        "created": created,
        "config": {"Env": [_PATH], "Cmd": ["/bin/sh"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
        "history": [{"created": created, "created_by": f"mmdebstrap {pins.suite}"}],
    }
    return json.dumps(config, sort_keys=True).encode()


def _member(name: str, content: bytes) -> Iterator[bytes]:
    yield _header(name, len(content))
    yield content
    yield member_padding(len(content))


def _header(name: str, size: int) -> bytes:
    member = tarfile.TarInfo(name)
    member.size = size
    return member.tobuf(tarfile.USTAR_FORMAT)
