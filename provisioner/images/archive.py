"""Image archives in the one form every engine takes, with only those layers that its receiver lacks.

The archive is a docker-archive (`manifest.json`) and an OCI layout (`index.json`) at once: the classic store reads
the first, the containerd store takes a partial archive only as the second. All layers lie there uncompressed, so the
digest of a blob is its diff id and the manifest is a function of the image alone.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass

from provisioner.errors import ArchiveBroken

LayerReader = Callable[[str], Iterable[bytes]]
"""Gives the bytes of a layer, uncompressed, by its diff id."""

_MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"
_CONFIG_TYPE = "application/vnd.oci.image.config.v1+json"
_LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar"
_INDEX_TYPE = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer by its diff id (`sha256:…`); `size` is the bytes of its uncompressed tar."""

    diff_id: str
    size: int


@dataclass(frozen=True, slots=True)
class ImageContent:
    """An image without its layers' bytes: the config exactly as it is hashed, and the layers bottom-up."""

    config: bytes
    layers: tuple[Layer, ...]

    @property
    def image_id(self) -> str:
        """Return the config digest, which is the image's id."""
        return digest_of(self.config)

    @property
    def diff_ids(self) -> tuple[str, ...]:
        """Return the diff ids of the layers, bottom-up."""
        return tuple(layer.diff_id for layer in self.layers)


@dataclass(frozen=True, slots=True)
class Member:
    """A file of an archive: a document whose bytes are here, or a layer that is read when its turn comes."""

    name: str
    size: int
    content: bytes = b""
    diff_id: str = ""


@dataclass(frozen=True, slots=True)
class Archive:
    """The members of an archive in the order they are sent: layers, then documents, `manifest.json` last.

    An engine tags nothing before it has read the last member, so a stream that is cut leaves nothing behind.
    """

    members: tuple[Member, ...]

    @property
    def size(self) -> int:
        """Return the length of the whole archive in bytes."""
        return sum(tarfile.BLOCKSIZE + _padded(member.size) for member in self.members) + 2 * tarfile.BLOCKSIZE

    def stream(self, read_layer: LayerReader) -> Iterator[bytes]:
        """Yield the archive in pieces, none of them empty.

        Raise ArchiveBroken, before any document was sent, where a layer is not what its diff id says.
        """
        for part in self.parts():
            if isinstance(part, Member):
                yield from _checked(part, read_layer(part.diff_id))
            else:
                yield part

    def parts(self) -> Iterator[bytes | Member]:
        """Yield what the archive consists of: bytes, none of them empty, and layers that have to be read."""
        for member in self.members:
            yield member_header(member.name, member.size)
            yield member if member.diff_id else member.content
            if padding := member_padding(member.size):
                yield padding
        yield bytes(2 * tarfile.BLOCKSIZE)


def digest_of(content: bytes) -> str:
    """Return the sha256 of bytes as `sha256:…`."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def chain_ids(diff_ids: Iterable[str]) -> tuple[str, ...]:
    """Return the chain id of every layer of an image, bottom-up: a layer together with all below it."""
    chains: list[str] = []
    for diff_id in diff_ids:
        chains.append(digest_of(f"{chains[-1]} {diff_id}".encode()) if chains else diff_id)
    return tuple(chains)


def missing_layers(image: ImageContent, present: Collection[str]) -> tuple[Layer, ...]:
    """Return the layers whose chain is not among the `present` chain ids, bottom-up, each once."""
    chains = chain_ids(image.diff_ids)
    absent = (layer for layer, chain in zip(image.layers, chains, strict=True) if chain not in present)
    return tuple(dict.fromkeys(absent))


def pack(image: ImageContent, tags: tuple[str, ...], missing: tuple[Layer, ...]) -> Archive:
    """Return the archive that gives an engine an image under `tags` when it lacks the layers in `missing` only."""
    layers = tuple(Member(_blob(layer.diff_id), layer.size, diff_id=layer.diff_id) for layer in missing)
    manifest = _manifest(image)
    documents = (
        (_blob(image.image_id), image.config),
        (_blob(digest_of(manifest)), manifest),
        ("oci-layout", b'{"imageLayoutVersion":"1.0.0"}'),
        ("index.json", _index(manifest, tags)),
        ("manifest.json", _docker_manifest(image, tags)),
    )
    return Archive(layers + tuple(Member(name, len(content), content) for name, content in documents))


def manifest_digest(image: ImageContent) -> str:
    """Return the digest of the manifest in our archives: what a containerd store calls the image by then."""
    return digest_of(_manifest(image))


def full_name(tag: str) -> str:
    """Return a tag as registries know it: `nginx` is `docker.io/library/nginx:latest`.

    The containerd store drops a tag that is given in any shorter form.
    """
    first, slash, _ = tag.partition("/")
    named = tag if ":" in tag.rpartition("/")[2] else f"{tag}:latest"
    if slash and (first == "localhost" or "." in first or ":" in first):
        return named
    return f"docker.io/{named}" if slash else f"docker.io/library/{named}"


def member_header(name: str, size: int) -> bytes:
    """Return the tar header of a regular file that depends on nothing but its name and size."""
    member = tarfile.TarInfo(name)
    member.size = size
    return member.tobuf(tarfile.GNU_FORMAT)


def member_padding(size: int) -> bytes:
    """Return the zeros that fill the last block of a member of `size` bytes."""
    return bytes(_padded(size) - size)


def _padded(size: int) -> int:
    return size + -size % tarfile.BLOCKSIZE


def _blob(digest: str) -> str:
    return digest.replace("sha256:", "blobs/sha256/")


def _checked(member: Member, pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Pass a layer on, holding back its last piece until the whole of it has proven to be what it should be."""
    held, hasher, size = b"", hashlib.sha256(), 0
    for piece in pieces:
        if held:
            yield held
        held = bytes(piece)
        hasher.update(held)
        size += len(held)
    if size != member.size or f"sha256:{hasher.hexdigest()}" != member.diff_id:
        raise ArchiveBroken(f"layer {member.diff_id} was read as other bytes than it is named for")
    if held:
        yield held


def _manifest(image: ImageContent) -> bytes:
    layers = [{"mediaType": _LAYER_TYPE, "digest": layer.diff_id, "size": layer.size} for layer in image.layers]
    config = {"mediaType": _CONFIG_TYPE, "digest": image.image_id, "size": len(image.config)}
    return _json({"schemaVersion": 2, "mediaType": _MANIFEST_TYPE, "config": config, "layers": layers})


def _index(manifest: bytes, tags: tuple[str, ...]) -> bytes:
    descriptor = {"mediaType": _MANIFEST_TYPE, "digest": digest_of(manifest), "size": len(manifest)}
    named = [{**descriptor, "annotations": _annotations(tag)} for tag in tags]
    return _json({"schemaVersion": 2, "mediaType": _INDEX_TYPE, "manifests": named or [descriptor]})


def _annotations(tag: str) -> dict[str, str]:
    name = full_name(tag)
    return {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}


def _docker_manifest(image: ImageContent, tags: tuple[str, ...]) -> bytes:
    paths = [_blob(layer.diff_id) for layer in image.layers]
    return _json([{"Config": _blob(image.image_id), "RepoTags": list(tags), "Layers": paths}])


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
