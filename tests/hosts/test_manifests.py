"""What image a manifest stands for, read from what a containerd store saves."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.hosts.byte_stream import ByteStream
from provisioner.hosts.manifests import image_id_of
from provisioner.hosts.saved_image import ImageDamaged

CONFIGS = tuple(f"sha256:{number:064x}" for number in (1, 2))


def blob(document: object) -> tuple[str, bytes]:
    """Return a document's digest and bytes."""
    content = json.dumps(document).encode()
    return f"sha256:{hashlib.sha256(content).hexdigest()}", content


def manifest(config: str) -> tuple[str, bytes]:
    """Return the manifest of an image."""
    return blob({"config": {"digest": config}, "layers": []})


def index(*digests: str, attested: str = "") -> tuple[str, bytes]:
    """Return an index of manifests, and of a build's attestation."""
    entries: list[dict[str, Any]] = [{"digest": digest} for digest in digests]
    if attested:
        entries.append({"digest": attested, "annotations": {"vnd.docker.reference.type": "attestation-manifest"}})
    return blob({"manifests": entries})


def archive(*blobs: tuple[str, bytes], **documents: bytes) -> bytes:
    """Return an archive of blobs and of documents that are named."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as opened:
        named = {digest.replace("sha256:", "blobs/sha256/"): content for digest, content in blobs}
        for name, content in (named | {f"{name}.json": content for name, content in documents.items()}).items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            opened.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def test_a_manifest_names_its_config() -> None:
    """The image id is the digest of the config, whether the config itself is in the archive or not."""
    own_id, content = manifest(CONFIGS[0])
    assert image_id_of(own_id, [archive((own_id, content))]) == CONFIGS[0]


def test_nothing_is_read_beyond_the_manifest() -> None:
    """A big image costs no more than what stands before its manifest."""
    whole = archive(wanted := manifest(CONFIGS[0]), ("sha256:" + "f" * 64, bytes(1 << 20)))
    read = 0

    def pieces() -> Iterator[bytes]:
        nonlocal read
        for start in range(0, len(whole), 512):
            read += 512
            yield whole[start : start + 512]

    assert image_id_of(wanted[0], pieces()) == CONFIGS[0]
    assert read < 20 * 1024


@pytest.mark.parametrize("first", [True, False])
def test_an_index_stands_for_the_image_in_it(*, first: bool) -> None:
    """The attestation a build leaves beside its image is no image, and order does not matter."""
    image, attestation = manifest(CONFIGS[0]), manifest(CONFIGS[1])
    own = index(image[0], attested=attestation[0])
    blobs = (own, attestation, image) if first else (attestation, image, own)
    assert image_id_of(own[0], [archive(*blobs)]) == CONFIGS[0]


def test_of_several_platforms_the_engines_own_counts() -> None:
    """What an engine would run it states for older readers; another platform's image is not mistaken for it."""
    images = [manifest(config) for config in CONFIGS]
    own = index(*(digest for digest, _ in images))
    stated = json.dumps([{"Config": CONFIGS[1].replace("sha256:", "blobs/sha256/"), "Layers": []}]).encode()
    assert image_id_of(own[0], [archive(own, *images, manifest=stated)]) == CONFIGS[1]
    with pytest.raises(ImageDamaged):
        image_id_of(own[0], [archive(own, *images)])


def test_a_manifest_is_believed_by_its_digest_only() -> None:
    """Bytes under a name that is not their digest are damage, and so is an archive without the manifest."""
    own_id, _ = manifest(CONFIGS[0])
    with pytest.raises(ImageDamaged, match="another content"):
        image_id_of(own_id, [archive((own_id, manifest(CONFIGS[1])[1]))])
    for damaged in (archive(), archive(manifest(CONFIGS[1])), b"", archive(manifest(CONFIGS[0]))[:600]):
        with pytest.raises(ImageDamaged):
            image_id_of(own_id, [damaged])


@given(st.lists(st.binary()), st.lists(st.integers(0, 20)))
def test_a_stream_gives_its_bytes_in_order(pieces: list[bytes], sizes: list[int]) -> None:
    """However it is cut and read, what is read is what was there, and short only at the end."""
    stream, whole = ByteStream(pieces), io.BytesIO(b"".join(pieces))
    for size in sizes:
        assert stream.read(size) == whole.read(size)
