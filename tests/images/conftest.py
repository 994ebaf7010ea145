"""Small images made in memory, and archives of them as `docker save` writes them."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import zstandard

from provisioner.images.archive import ImageContent, Layer, digest_of
from provisioner.images.cache import LayerCache

Compress = Callable[[bytes], bytes]


@dataclass(frozen=True)
class MadeImage:
    """An image and the bytes of its layers, bottom-up."""

    content: ImageContent
    layers: tuple[bytes, ...]

    def read(self, diff_id: str) -> tuple[bytes, ...]:
        """Give a layer by its diff id."""
        return tuple(layer for layer in self.layers if digest_of(layer) == diff_id)[:1]


def tar(files: Mapping[str, bytes]) -> bytes:
    """Return a tar of files."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def linked(name: str, target: str) -> tarfile.TarInfo:
    """Return a symbolic link as a tar member."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = tarfile.SYMTYPE, target
    return member


@pytest.fixture
def make() -> Callable[..., MadeImage]:
    """Make an image: each argument is a layer, given as the text of its only file."""

    def image(*texts: str, command: str = "x") -> MadeImage:
        layers = tuple(tar({f"file-{number}": text.encode()}) for number, text in enumerate(texts))
        config = {
            "architecture": "amd64",
            "os": "linux",
            "config": {"Cmd": [command], "Labels": {"made": "here"}},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
        }
        described = tuple(Layer(digest_of(layer), len(layer)) for layer in layers)
        return MadeImage(ImageContent(json.dumps(config).encode(), described), layers)

    return image


@pytest.fixture
def legacy_save() -> Callable[[MadeImage], bytes]:
    """Write an image as engines up to 24 save it: a folder per layer, a repeated layer as a link."""

    def save(image: MadeImage, name: str = "web:1") -> bytes:
        target, seen = io.BytesIO(), dict[bytes, str]()
        config = f"{image.content.image_id.removeprefix('sha256:')}.json"
        paths = [f"{number:064x}/layer.tar" for number in range(len(image.layers))]
        manifest = [{"Config": config, "RepoTags": [name], "Layers": paths}]
        with tarfile.open(fileobj=target, mode="w") as archive:
            for path, layer in zip(paths, image.layers, strict=True):
                add(archive, path.replace("layer.tar", "VERSION"), b"1.0")
                if layer in seen:
                    archive.addfile(linked(path, f"../{seen[layer]}"))
                else:
                    add(archive, path, layer)
                    seen[layer] = path
            add(archive, config, image.content.config)
            add(archive, "manifest.json", json.dumps(manifest).encode())
            add(archive, "repositories", b"{}")
        return target.getvalue()

    return save


@pytest.fixture(params=["plain", "gzip", "zstd"])
def oci_save(request: pytest.FixtureRequest) -> Callable[[MadeImage], bytes]:
    """Write an image as engines from 25 on save it; the containerd store keeps the layers compressed."""
    methods: dict[str, Compress] = {
        "plain": bytes,
        "gzip": gzip.compress,
        "zstd": zstandard.ZstdCompressor().compress,
    }
    compress = methods[request.param]

    def save(image: MadeImage) -> bytes:
        target = io.BytesIO()
        blobs = [compress(layer) for layer in image.layers]
        paths = [digest_of(blob).replace("sha256:", "blobs/sha256/") for blob in blobs]
        config = image.content.image_id.replace("sha256:", "blobs/sha256/")
        manifest = [{"Config": config, "RepoTags": ["web:1"], "Layers": paths}]
        with tarfile.open(fileobj=target, mode="w") as archive:
            add(archive, config, image.content.config)
            for path, blob in dict(zip(paths, blobs, strict=True)).items():
                add(archive, path, blob)
            add(archive, "index.json", b"{}")
            add(archive, "manifest.json", json.dumps(manifest).encode())
            add(archive, "oci-layout", b"{}")
        return target.getvalue()

    return save


@pytest.fixture
def cache(tmp_path: Path) -> LayerCache:
    """An empty cache."""
    return LayerCache(tmp_path / "cache")


@pytest.fixture
def pieces() -> Callable[[bytes], Iterator[bytes]]:
    """Cut bytes into pieces of a size that divides nothing."""

    def cut(content: bytes) -> Iterator[bytes]:
        return (content[start : start + 777] for start in range(0, len(content), 777))

    return cut


def add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    """Add a file to a tar."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
