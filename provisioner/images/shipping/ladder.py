"""The ladder of ways to send an image: what is missing, what is missing now, every layer; each rung is told."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from provisioner.errors import EngineRefused, EngineUnavailable, HostUnreachable, ShippingFailed
from provisioner.images.archive import Archive, ImageContent, Layer, chain_ids, missing_layers, pack
from provisioner.images.shipping.arrival import clear, settle
from provisioner.images.shipping.shipment import Shipment, bytes_told, counted
from provisioner.ports import Containers, ImageStore, Progress

NEGLIGIBLE = 1 << 20
"""Bytes of missing layers for which nobody looks through all images of an engine."""

_DISK_FULL = "no space left on device"
_GZIP = 31


@dataclass(slots=True)
class Journey:
    """One shipment to one engine: where it goes, who is told, and the bytes that have gone so far."""

    shipment: Shipment
    to: ImageStore
    containers: Containers | None
    progress: Progress
    sent: int = 0


def send(journey: Journey) -> int:
    """Load a shipment into an engine and prove that it is there; return the bytes sent.

    First only the layers that the engine lacks. Where that fails, what it has is asked again, because others may
    have removed layers meanwhile; at last every layer is sent. Raise ShippingFailed.
    """
    reason = ""
    for title, missing in _rungs(journey):
        if reason:
            journey.progress(f"{title} ({reason})", 0, 0)
        reason = _attempt(journey, title, missing)
        if not reason:
            return journey.sent
        if _DISK_FULL in reason.lower():
            break
    image_id, host = journey.shipment.image.image_id, journey.to.host
    raise ShippingFailed(host, f"image {image_id} did not arrive: {reason}", hint=_hint(reason))


def lacking(image: ImageContent, repository: str, to: ImageStore) -> tuple[Layer, ...]:
    """Return the layers an engine lacks. Images of `repository` are looked at first, the others only if need be."""
    if repository:
        near = {chain for stack in to.stacks(repository) for chain in chain_ids(stack)}
        missing = missing_layers(image, near)
        if near and sum(layer.size for layer in missing) < NEGLIGIBLE:
            return missing
    return missing_layers(image, to.chains())


def compressed(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield pieces as one gzip stream, which every engine takes for an archive."""
    packer = zlib.compressobj(level=1, wbits=_GZIP)
    for piece in pieces:
        if packed := packer.compress(piece):
            yield packed
    yield packer.flush()


def _rungs(journey: Journey) -> Iterator[tuple[str, tuple[Layer, ...]]]:
    """Yield what to send, each time only if it is something else than what has failed already."""
    image, to = journey.shipment.image, journey.to
    tried = lacking(image, journey.shipment.repository, to)
    yield f"sending {len(tried)} of {len(image.layers)} layers", tried
    again = missing_layers(image, to.chains())
    if again != tried:
        yield "sending what is missing now", again
    everything = missing_layers(image, ())
    if everything not in (tried, again):
        yield "sending every layer", everything


def _attempt(journey: Journey, title: str, missing: tuple[Layer, ...]) -> str:
    """Load once, and once more where the connection is lost; return why the image is not there."""
    archive = pack(journey.shipment.image, (journey.shipment.provisional,), missing)
    try:
        return _load_and_settle(journey, title, archive)
    except HostUnreachable:
        return _load_and_settle(journey, f"{title}, again after the connection was lost", archive)


def _load_and_settle(journey: Journey, title: str, archive: Archive) -> str:
    shipment, to = journey.shipment, journey.to
    try:
        _load(journey, title, archive)
        return settle(shipment, shipment.provisional, to, journey.containers)
    except (EngineRefused, EngineUnavailable) as error:
        # An engine may end the connection in the middle of a load it cannot finish.
        return error.reason
    finally:
        clear(shipment, to)


def _load(journey: Journey, title: str, archive: Archive) -> None:
    journey.progress(title, 0, archive.size)
    told = bytes_told(journey.progress, title, archive.size)
    journey.to.load(_measured(journey, compressed(counted(archive.stream(journey.shipment.read_layer), told))))


def _measured(journey: Journey, pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        journey.sent += len(piece)
        yield piece


def _hint(reason: str) -> str:
    if _DISK_FULL in reason.lower():
        return "make room on that host: `docker system df` shows what takes it, `docker image prune` frees some"
    return "does `docker load` work there? The engine's log says more"
