"""The universal partial archive."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from typing import Any

import pytest

from provisioner.errors import ArchiveBroken
from provisioner.images.archive import chain_ids, digest_of, full_name, missing_layers, pack

Make = Callable[..., Any]


def unpacked(content: bytes) -> dict[str, bytes]:
    """Return the files of a tar in their order."""
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {member.name: archive.extractfile(member).read() for member in archive}  # type: ignore[union-attr]


def test_a_chain_id_covers_a_layer_and_all_below() -> None:
    """The first chain id is the diff id; each further one is the digest of the one below and the diff id."""
    assert chain_ids(["sha256:a", "sha256:b"]) == ("sha256:a", digest_of(b"sha256:a sha256:b"))
    assert chain_ids([]) == ()


def test_only_layers_with_an_absent_chain_are_missing(make: Make) -> None:
    """A layer that the receiver has upon another base does not count: it is sent again."""
    image = make("base", "app").content
    base, whole = chain_ids(image.diff_ids)
    assert missing_layers(image, {base, whole}) == ()
    assert missing_layers(image, {base}) == image.layers[1:]
    assert missing_layers(image, {image.diff_ids[1]}) == image.layers


def test_a_partial_archive_names_all_layers_and_holds_the_missing(make: Make) -> None:
    """Both manifests name every layer with its size; only the missing one's bytes are there."""
    image = make("base", "app")
    archive = pack(image.content, ("web:1",), image.content.layers[1:])
    files = unpacked(b"".join(archive.stream(image.read)))
    config, base, app = (
        digest.replace("sha256:", "blobs/sha256/") for digest in (image.content.image_id, *image.content.diff_ids)
    )
    assert list(files) == [app, config, list(files)[2], "oci-layout", "index.json", "manifest.json"]
    assert json.loads(files["manifest.json"]) == [{"Config": config, "RepoTags": ["web:1"], "Layers": [base, app]}]
    manifest = json.loads(files[list(files)[2]])
    assert [(layer["digest"], layer["size"]) for layer in manifest["layers"]] == [
        (layer.diff_id, layer.size) for layer in image.content.layers
    ]
    descriptor = json.loads(files["index.json"])["manifests"][0]
    assert descriptor["digest"] == digest_of(files[list(files)[2]])
    assert descriptor["annotations"]["io.containerd.image.name"] == "docker.io/library/web:1"


def test_the_length_is_known_beforehand(make: Make) -> None:
    """What progress is measured against is exactly what is sent, in pieces none of which is empty."""
    image = make("base", "x" * 5000)
    archive = pack(image.content, ("web:1", "web:2"), image.content.layers)
    pieces = list(archive.stream(image.read))
    assert archive.size == sum(map(len, pieces))
    assert all(pieces)


def test_a_layer_that_occurs_twice_is_sent_once(make: Make) -> None:
    """An image may hold the same layer at two heights; an archive holds its bytes once."""
    image = make("a").content
    twice = type(image)(image.config, image.layers * 2)
    assert missing_layers(twice, ()) == image.layers


@pytest.mark.parametrize(
    "fault", [lambda layer: layer[:-1], lambda layer: layer + b"\0", lambda layer: b"!" + layer[1:]]
)
def test_a_damaged_layer_ends_the_stream_before_any_document(make: Make, fault: Callable[[bytes], bytes]) -> None:
    """A layer that is shorter, longer or other than its diff id says is noticed before the receiver can tag it."""
    image = make("base", "app")
    sent: list[bytes] = []
    stream = pack(image.content, ("web:1",), image.content.layers).stream(lambda diff: (fault(image.read(diff)[0]),))
    with pytest.raises(ArchiveBroken, match=image.content.diff_ids[0]):
        sent.extend(stream)
    assert b"manifest.json" not in b"".join(sent)
    assert b"index.json" not in b"".join(sent)


@pytest.mark.parametrize(
    ("tag", "full"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.27", "docker.io/library/nginx:1.27"),
        ("provisioner/shop-web:0123", "docker.io/provisioner/shop-web:0123"),
        ("registry.example.com/a/b:1", "registry.example.com/a/b:1"),
        ("localhost:5000/a", "localhost:5000/a:latest"),
        ("localhost/a:2", "localhost/a:2"),
    ],
)
def test_tags_are_given_as_registries_know_them(tag: str, full: str) -> None:
    """The containerd store keeps only a name that is written out."""
    assert full_name(tag) == full
