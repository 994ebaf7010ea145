"""Bringing images to hosts: out of a cache that is filled from whoever has them."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, suppress
from threading import Lock

from provisioner.errors import ArchiveBroken, HostError, ImageMissing
from provisioner.images.archive import ImageContent, manifest_digest
from provisioner.images.cache import LayerCache
from provisioner.images.engine import ImageSource
from provisioner.images.shipping.arrival import has, settle
from provisioner.images.shipping.courier.orders import Courier
from provisioner.images.shipping.ladder import PAUSES, Journey, send
from provisioner.images.shipping.parcels import PATCH_LIMIT, Parcels
from provisioner.images.shipping.record import record_image
from provisioner.images.shipping.relay import Relays
from provisioner.images.shipping.shipment import Receiver, Shipment, bytes_told, counted
from provisioner.ports import ImageIds, ImageStore, Progress

Sources = Callable[[], Iterable[ImageSource]]
"""Gives, when they are needed, the engines that may have an image, the likeliest first."""

LendCourier = Callable[[Receiver, str, Progress, str], AbstractContextManager[Courier]]
"""Lends a courier on a host for one task, on a network of the engine's."""


class CacheShipper:
    """Ships images out of a cache on this machine's disk, which it fills from the engines that have them.

    `ids` hears what a containerd store will call an image, so that nobody has to read the image to find out; `lend`
    lends couriers for what is big; `relays` finds who hands it on, None where every host is served from here;
    `pauses` are seconds before a lost connection is made again; `patch_limit` is the bytes of a layer above which no
    patch is made, None for the usual.
    """

    def __init__(
        self,
        cache: LayerCache,
        sources: Sources,
        platform: str = "linux/amd64",
        *,
        ids: ImageIds | None = None,
        lend: LendCourier | None = None,
        pauses: tuple[float, ...] = PAUSES,
        patch_limit: int | None = None,
        relays: Relays | None = None,
    ) -> None:
        self._cache = cache
        self._sources = sources
        self._platform = platform
        self._ids = ids
        self._lend = lend
        self._pauses = pauses
        self._relays = relays
        self._parcels = Parcels(cache.folder / "parcels", cache, PATCH_LIMIT if patch_limit is None else patch_limit)
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)

    def holds(self, image_id: str) -> bool:
        """Tell whether the cache has an image, whole."""
        return self._cache.find(image_id) is not None

    def hold(self, image_id: str, progress: Progress) -> ImageContent:
        """Have an image in the cache. Raise ImageMissing where no source has it."""
        return self._content(image_id, progress)

    def ship(self, image_id: str, tags: tuple[str, ...], to: Receiver, progress: Progress) -> int:
        """Make a host have an image under `tags`; return the bytes sent, 0 where it had it.

        Raise ImageMissing where no source has it, ShippingFailed where it did not arrive, NoRoom.
        """
        if has(to.images, image_id, tags):
            return 0
        # Of two images for one host the second may do with layers of the first.
        with self._locks[f"host {to.images.host}"]:
            return self._bring(image_id, tags, to, progress)

    def record(self, files: Mapping[str, bytes], labels: Mapping[str, str], tag: str, to: ImageStore) -> str:
        """Make an engine have an image of these files and labels and nothing else; return its id.

        Nothing is sent where it has it. Raise ShippingFailed.
        """
        image, layer = record_image(files, labels, self._platform)
        self._announce(image)
        if not has(to, image.image_id, (tag,)):
            send(Journey(Shipment(image, (tag,), lambda _: (layer,)), to, None, lambda *_: None))
        return image.image_id

    def _bring(self, image_id: str, tags: tuple[str, ...], to: Receiver, progress: Progress) -> int:
        shipment = Shipment(self._content(image_id, progress), tags, self._cache.layer)
        if _was_there(shipment, to):
            return 0
        courier = functools.partial(self._lend, to, shipment.name, progress) if self._lend else None
        journey = Journey(shipment, to.images, to.containers, progress, courier, self._parcels, self._pauses)
        journey.saved = functools.partial(self._saved, image_id)
        if self._relays is not None:
            journey.hub = functools.partial(self._relays.join, image_id, to, progress)
        try:
            return send(journey)
        except ArchiveBroken as error:
            progress(f"{error.message}; fetching the image again", 0, 0)
            self._cache.forget(shipment.image)
            self._content(image_id, progress)
            return send(journey)

    def _content(self, image_id: str, progress: Progress) -> ImageContent:
        # Several hosts may want one image at once: the first one fetches it.
        with self._locks[image_id]:
            image = self._cache.find(image_id) or self._fetch(image_id, progress)
        self._announce(image)
        return image

    def _announce(self, image: ImageContent) -> None:
        if self._ids is not None:
            self._ids.remember(manifest_digest(image), image.image_id)

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

    def _saved(self, image_id: str) -> Iterator[bytes]:
        """Yield an image as the first engine that has it writes it. Raise ImageMissing."""
        for source in self._sources():
            with suppress(HostError):
                if source.inspect(image_id) is not None:
                    yield from source.save(image_id)
                    return
        raise ImageMissing(f"no engine has the image {image_id}", hint="build it again with `provisioner apply`")

    def _fetch_from(self, source: ImageSource, image_id: str, progress: Progress) -> ImageContent | None:
        facts = source.inspect(image_id)
        if facts is None:
            return None
        told = bytes_told(progress, f"reading the image from {source.host}", facts.size)
        pieces = counted(source.save(image_id), told)
        for image in self._cache.absorb(pieces):
            if image.image_id == image_id:
                return image
        raise ArchiveBroken(f"{source.host} gave another image than {image_id}")


def _was_there(shipment: Shipment, to: Receiver) -> bool:
    """Give an image its tags where the host has it under others; tell whether that was all there was to do."""
    image_id = shipment.image.image_id
    if to.images.inspect(image_id) is None:
        return False
    return not settle(shipment, image_id, to.images, to.containers)
