"""What image id a manifest stands for, read from no more of a saved image than it takes."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from provisioner.hosts.byte_stream import ByteStream
from provisioner.hosts.saved_image import BROKEN, ImageDamaged

_LONGEST = 4 << 20
_BLOBS = "blobs/sha256/"
_ATTESTATION = "vnd.docker.reference.type"


def image_id_of(own_id: str, pieces: Iterable[bytes]) -> str:
    """Return the config digest of the image whose manifest, or index, has the digest `own_id`. Raise ImageDamaged.

    Reading stops as soon as it is known. A manifest is believed because its bytes have the digest it is named by.
    """
    documents: dict[str, Any] = {}
    try:
        for name, content in _documents(pieces):
            documents[_checked_name(name, content)] = json.loads(content)
            if found := _config_of(own_id, documents):
                return found
    except BROKEN as error:
        raise ImageDamaged(f"the image cannot be read: {error}") from error
    raise ImageDamaged(f"the engine gives no manifest of {own_id}")


def _documents(pieces: Iterable[bytes]) -> Iterator[tuple[str, bytes]]:
    """Yield the JSON objects and lists of an archive as they come, layers left out."""
    with tarfile.open(fileobj=ByteStream(pieces), mode="r|") as archive:
        for member in archive:
            source = archive.extractfile(member) if member.isfile() and member.size <= _LONGEST else None
            content = source.read() if source else b""
            if content.startswith((b"{", b"[")):
                yield member.name, content


def _checked_name(name: str, content: bytes) -> str:
    if not name.startswith(_BLOBS):
        return name
    digest = hashlib.sha256(content).hexdigest()
    if digest != name.removeprefix(_BLOBS):
        raise ImageDamaged(f"{name} has another content")
    return f"sha256:{digest}"


def _config_of(digest: str, documents: Mapping[str, Any]) -> str:
    """Return the config digest of a manifest or an index, empty while it cannot be told."""
    document = documents.get(digest)
    if document is None:
        return ""
    if "config" in document:
        return str(document["config"]["digest"])
    images = [each for each in document["manifests"] if _ATTESTATION not in (each.get("annotations") or {})]
    found = [_config_of(each["digest"], documents) for each in images]
    if len(found) == 1:
        return found[0]
    return next((each for each in found if each and each == _stated(documents)), "")


def _stated(documents: Mapping[str, Any]) -> str:
    """Return which of several images the engine itself would run: the one it states for older readers."""
    stated = documents.get("manifest.json")
    return f"sha256:{stated[0]['Config'].removeprefix(_BLOBS)}" if stated else ""
