"""A release with all it is made from in one file: an archive of two images, which any engine could load, compressed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import zstandard

from provisioner.errors import ArchiveBroken
from provisioner.images.archive import Archive, ImageContent, Member, pack
from provisioner.images.cache import LayerCache
from provisioner.images.disk import told_as_storage
from provisioner.images.inputs.gather import Hold
from provisioner.images.inputs.stored import stored_in
from provisioner.images.shipping.record import record_image
from provisioner.model.release import KeptRelease
from provisioner.ports import Progress

_CONTENT = "release.json"
_KIND, _RELEASE = "provisioner.kind", "release"
_PIECE = 1 << 20


@dataclass(frozen=True, slots=True)
class Bundles:
    """Writes and reads bundles through a cache. All raise StorageFailed."""

    cache: LayerCache
    hold: Hold
    platform: str = "linux/amd64"

    def write(self, path: Path, kept: KeptRelease, inputs: str, progress: Progress) -> None:
        """Write a release and the image of its inputs (empty: it has none). Raise ImageMissing."""
        release, layer = record_image({_CONTENT: kept.content}, kept.labels, self.platform)
        others = (self.hold(inputs, progress),) if inputs else ()
        archive = _together((release, *others))
        own = {release.layers[0].diff_id: (layer,)}
        pieces = archive.stream(lambda diff_id: own.get(diff_id) or self.cache.layer(diff_id))
        unfinished = path.with_name(f"{path.name}.part")
        with told_as_storage(path):
            try:
                with unfinished.open("wb") as sink, zstandard.ZstdCompressor().stream_writer(sink) as packed:
                    for piece in pieces:
                        packed.write(piece)
                unfinished.replace(path)
            finally:
                unfinished.unlink(missing_ok=True)

    def read(self, path: Path) -> KeptRelease:
        """Take a bundle into the cache and return its release. Raise ArchiveBroken."""
        for image in self.cache.absorb(_unpacked(path)):
            labels = (json.loads(image.config).get("config") or {}).get("Labels") or {}
            content = stored_in(self.cache, image).get(_CONTENT)
            if labels.get(_KIND) == _RELEASE and content is not None:
                return KeptRelease(b"".join(content.pieces()), labels)
        raise ArchiveBroken(f"{path} holds no release", hint="`provisioner rebuild RELEASE --bundle FILE` writes one")


def _unpacked(path: Path) -> Iterator[bytes]:
    with told_as_storage(path), path.open("rb") as source:
        try:
            with zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True) as reader:
                while piece := reader.read(_PIECE):
                    yield piece
        except zstandard.ZstdError as error:
            raise ArchiveBroken(f"{path} cannot be read: {error}", hint="copy it here again") from error


def _together(images: tuple[ImageContent, ...]) -> Archive:
    """Return one archive of several images."""
    members: dict[str, Member] = {}
    entries: list[object] = []
    for image in images:
        for member in pack(image, (), tuple(dict.fromkeys(image.layers))).members:
            if member.name == "manifest.json":
                entries += json.loads(member.content)
            elif member.name.startswith("blobs/"):
                members[member.name] = member
    listed = json.dumps(entries).encode()
    return Archive((*members.values(), Member("manifest.json", len(listed), listed)))
