"""Bringing images to hosts: only what is missing, in one archive, and verified where it arrived."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from threading import Lock

from provisioner.errors import ArchiveBroken, EngineRefused, EngineUnavailable, HostError, ImageMissing, ShippingFailed
from provisioner.images.archive import Archive, ImageContent, Layer, LayerReader, missing_layers, pack
from provisioner.images.cache import LayerCache
from provisioner.images.engine import ImageSource
from provisioner.images.shipping.record import record_image
from provisioner.ports import ImageStore, Progress

_DISK_FULL = "no space left on device"

Sources = Callable[[], Iterable[ImageSource]]
"""Gives, when they are needed, the engines that may have an image, the likeliest first."""


@dataclass(frozen=True, slots=True)
class Shipment:
    """An image on its way: what it is, the tags it is to have there, where its layers are read."""

    image: ImageContent
    tags: tuple[str, ...]
    read_layer: LayerReader


class CacheShipper:
    """Ships images out of a cache on this machine's disk, which it fills from the engines that have them."""

    def __init__(self, cache: LayerCache, sources: Sources, platform: str = "linux/amd64") -> None:
        self._cache = cache
        self._sources = sources
        self._platform = platform
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)

    def ship(self, image_id: str, tags: tuple[str, ...], to: ImageStore, progress: Progress) -> int:
        """Make an engine have an image under `tags`; return the bytes sent, 0 where it had it.

        Raise ImageMissing where no source has it, ShippingFailed where it did not arrive.
        """
        if _has(to, image_id, tags):
            return 0
        image = self._content(image_id, progress)
        try:
            return send(Shipment(image, tags, self._cache.layer), to, progress)
        except ArchiveBroken as error:
            progress(f"{error.message}; fetching the image again", 0, 0)
            self._cache.forget(image)
            image = self._content(image_id, progress)
            return send(Shipment(image, tags, self._cache.layer), to, progress)

    def record(self, files: Mapping[str, bytes], labels: Mapping[str, str], tag: str, to: ImageStore) -> str:
        """Make an engine have an image of these files and labels and nothing else; return its id.

        Nothing is sent where it has it. Raise ShippingFailed.
        """
        image, layer = record_image(files, labels, self._platform)
        if not _has(to, image.image_id, (tag,)):
            send(Shipment(image, (tag,), lambda _: (layer,)), to, lambda *_: None)
        return image.image_id

    def _content(self, image_id: str, progress: Progress) -> ImageContent:
        # Several hosts may want one image at once: the first one fetches it.
        with self._locks[image_id]:
            return self._cache.find(image_id) or self._fetch(image_id, progress)

    def _fetch(self, image_id: str, progress: Progress) -> ImageContent:
        reasons = []
        for source in self._sources():
            try:
                if image := self._fetch_from(source, image_id, progress):
                    return image
                reasons.append(f"{source.host} has no such image")
            except (HostError, ArchiveBroken) as error:
                reasons.append(error.message)
        asked = "; ".join(reasons) or "there is no engine to ask"
        raise ImageMissing(
            f"nobody has the image {image_id}: {asked}",
            hint="build it again with `provisioner apply`, or load it into the Docker Engine of this machine",
        )

    def _fetch_from(self, source: ImageSource, image_id: str, progress: Progress) -> ImageContent | None:
        facts = source.inspect(image_id)
        if facts is None:
            return None
        told = _bytes_told(progress, f"reading the image from {source.host}", facts.size)
        pieces = counted(source.save(image_id), told)
        for image in self._cache.absorb(pieces):
            if image.image_id == image_id:
                return image
        raise ArchiveBroken(f"{source.host} gave another image than {image_id}")


def send(shipment: Shipment, to: ImageStore, progress: Progress) -> int:
    """Load a shipment into an engine and verify that it is there; return the bytes sent.

    First only the layers that the engine lacks. Where that fails, what it has is asked again, because others may
    have removed layers meanwhile; at last every layer is sent. Raise ShippingFailed.
    """
    sent, reason = 0, ""
    for title, missing in _rungs(shipment.image, to):
        archive = pack(shipment.image, shipment.tags, missing)
        progress(f"{title} ({reason})" if reason else title, 0, archive.size)
        sent += archive.size
        reason = _attempt(shipment, archive, to, _bytes_told(progress, title, archive.size))
        if not reason:
            return sent
        if _DISK_FULL in reason.lower():
            break
    raise ShippingFailed(to.host, f"image {shipment.image.image_id} did not arrive: {reason}", hint=_hint(reason))


def counted(pieces: Iterable[bytes], told: Callable[[int], None]) -> Iterator[bytes]:
    """Pass pieces on, telling after each how many bytes have gone."""
    done = 0
    for piece in pieces:
        yield piece
        done += len(piece)
        told(done)


def _bytes_told(progress: Progress, title: str, total: int) -> Callable[[int], None]:
    return lambda done: progress(title, done, total)


def _rungs(image: ImageContent, to: ImageStore) -> Iterator[tuple[str, tuple[Layer, ...]]]:
    """Yield what to send, each time only if it is something else than what has failed already."""
    tried = missing_layers(image, to.chains())
    yield _title(tried, image), tried
    again = missing_layers(image, to.chains())
    if again != tried:
        yield "sending what is missing now", again
    everything = missing_layers(image, ())
    if everything not in (tried, again):
        yield "sending every layer", everything


def _title(missing: tuple[Layer, ...], image: ImageContent) -> str:
    return f"sending {len(missing)} of {len(image.layers)} layers"


def _attempt(shipment: Shipment, archive: Archive, to: ImageStore, told: Callable[[int], None]) -> str:
    """Load once; return why the image is not there, empty where it is."""
    before = {tag: to.inspect(tag) for tag in shipment.tags}
    try:
        to.load(counted(archive.stream(shipment.read_layer), told))
        reason = _fault(shipment, to)
    except (EngineRefused, EngineUnavailable) as error:
        # An engine may end the connection in the middle of a load it cannot finish.
        reason = error.reason
    if reason:
        _remove_broken(to, [tag for tag in shipment.tags if to.inspect(tag) != before[tag]])
    return reason


def _fault(shipment: Shipment, to: ImageStore) -> str:
    wanted = shipment.image
    for reference in shipment.tags or (wanted.image_id,):
        found = to.inspect(reference)
        if found is None:
            return f"the engine took the archive and has no image {reference}"
        if found.image_id != wanted.image_id:
            return f"{reference} is {found.image_id} there"
        if found.layers != wanted.diff_ids:
            return f"{reference} has other layers there"
    return ""


def _remove_broken(to: ImageStore, tags: list[str]) -> None:
    for tag in tags:
        try:
            to.remove(tag)
        except EngineRefused:
            # It is in use, so it is not the one that has just failed to arrive.
            continue


def _has(to: ImageStore, image_id: str, tags: tuple[str, ...]) -> bool:
    """Tell whether an engine has an image under all of these tags; a tag may be held there in a longer form."""
    return to.inspect(image_id) is not None and all(
        (found := to.inspect(tag)) is not None and found.image_id == image_id for tag in tags
    )


def _hint(reason: str) -> str:
    if _DISK_FULL in reason.lower():
        return "make room on that host: `docker system df` shows what takes it, `docker image prune` frees some"
    return "does `docker load` work there? The engine's log says more"
