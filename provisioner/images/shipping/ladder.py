"""The ladder of ways to send an image: what is missing, what is missing now, every layer; each rung is told."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from provisioner.errors import (
    BuildFailed,
    EngineRefused,
    EngineUnavailable,
    HostUnreachable,
    ImageMissing,
    ShippingFailed,
)
from provisioner.images.archive import Archive, ImageContent, Layer, chain_ids, missing_layers, pack
from provisioner.images.shipping.arrival import clear, settle
from provisioner.images.shipping.courier.orders import OpenCourier
from provisioner.images.shipping.haul import Haul, older_layers
from provisioner.images.shipping.parcels import Parcels
from provisioner.images.shipping.relay import JoinHub
from provisioner.images.shipping.shipment import Shipment, bytes_told, counted
from provisioner.ports import Containers, ImageStore, Progress

NEGLIGIBLE = 1 << 20
"""Bytes of missing layers for which nobody looks through all images of an engine."""

HAULED_FROM = 4 << 20
"""Bytes of missing layers from which a courier carries them."""

PAUSES = (0.5, 2.0, 4.0)
"""Seconds to wait before a connection that was lost is made again."""

_DISK_FULL = "no space left on device"
_GZIP = 31


@dataclass(slots=True)
class Journey:
    """One shipment to one engine: where it goes, who is told, and the bytes that have gone so far.

    Without `courier` everything is sent straight to the engine, without `containers` no container is tried; `hub` is
    the host that hands parcels on; `saved` gives the image as the engine that has it writes it.
    """

    shipment: Shipment
    to: ImageStore
    containers: Containers | None
    progress: Progress
    courier: OpenCourier | None = None
    parcels: Parcels | None = None
    pauses: tuple[float, ...] = PAUSES
    hub: JoinHub = lambda: None
    saved: Callable[[], Iterable[bytes]] | None = None
    sent: int = 0


@dataclass(frozen=True, slots=True)
class Rung:
    """A way to send an image: what it is called, which layers go, and whether a courier carries them.

    A `foreign` one sends what another engine writes, in that engine's own form.
    """

    title: str
    missing: tuple[Layer, ...]
    hauled: bool = False
    foreign: bool = False


def send(journey: Journey) -> int:
    """Load a shipment into an engine and prove that it is there; return the bytes sent.

    First only the layers that the engine lacks, where they are big through a courier. Where that fails, what it
    has is asked again, because others may have removed layers meanwhile; at last every layer is sent. Raise
    ShippingFailed, and NoRoom before anything is sent.
    """
    reason = ""
    for rung in _rungs(journey):
        if reason:
            journey.progress(f"{rung.title} ({reason})", 0, 0)
        fault = _attempt(journey, rung)
        if not fault:
            return journey.sent
        reason = f"{reason}; as another engine saves it: {fault}" if rung.foreign else fault
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


def _rungs(journey: Journey) -> Iterator[Rung]:
    """Yield what to send, each time only if it is something else than what has failed already."""
    image, to = journey.shipment.image, journey.to
    tried = lacking(image, journey.shipment.repository, to)
    title = f"sending {len(tried)} of {len(image.layers)} layers"
    if journey.courier is not None and sum(layer.size for layer in tried) >= HAULED_FROM:
        yield Rung(title, tried, hauled=True)
        title = "sending straight to the engine"
        tried = missing_layers(image, to.chains())
    yield Rung(title, tried)
    again = missing_layers(image, to.chains())
    if again != tried:
        yield Rung("sending what is missing now", again)
    everything = missing_layers(image, ())
    if everything not in (tried, again):
        yield Rung("sending every layer", everything)
    if journey.saved is not None:
        yield Rung("sending it as another engine saves it", everything, foreign=True)


def _attempt(journey: Journey, rung: Rung) -> str:
    """Climb a rung, and again where the connection is lost; return why the image is not there."""
    archive = pack(journey.shipment.image, (journey.shipment.provisional,), rung.missing)
    for pause in journey.pauses if rung.hauled else journey.pauses[:1]:
        try:
            return _load_and_settle(journey, rung, archive)
        except HostUnreachable as error:
            journey.progress(f"{error.reason}; trying again", 0, 0)
            time.sleep(pause)
    return _load_and_settle(journey, rung, archive)


def _load_and_settle(journey: Journey, rung: Rung, archive: Archive) -> str:
    shipment, to = journey.shipment, journey.to
    try:
        reason = _carried(journey, rung, archive)
        return reason or settle(shipment, shipment.provisional, to, journey.containers)
    except (EngineRefused, EngineUnavailable) as error:
        # An engine may end the connection in the middle of a load it cannot finish.
        return error.reason
    except (BuildFailed, ImageMissing) as error:
        if not rung.hauled and not rung.foreign:
            raise
        return f"there is no courier: {error.message}" if rung.hauled else error.message
    finally:
        clear(shipment, to)


def _carried(journey: Journey, rung: Rung, archive: Archive) -> str:
    if rung.hauled:
        return _haul(journey, rung, archive)
    if rung.foreign and journey.saved is not None:
        journey.progress(rung.title, 0, 0)
        journey.to.load(_measured(journey, compressed(journey.saved())))
        image_id = journey.shipment.image.image_id
        if journey.to.inspect(image_id) is None:
            return "the engine took it and does not have it"
        journey.to.tag(image_id, journey.shipment.provisional)
        return ""
    return _load(journey, rung.title, archive)


def _load(journey: Journey, title: str, archive: Archive) -> str:
    journey.progress(title, 0, archive.size)
    told = bytes_told(journey.progress, title, archive.size)
    journey.to.load(_measured(journey, compressed(counted(archive.stream(journey.shipment.read_layer), told))))
    return ""


def _haul(journey: Journey, rung: Rung, archive: Archive) -> str:
    if journey.courier is None or journey.parcels is None:
        return "there is no courier"

    def spent(size: int) -> None:
        journey.sent += size

    shipment = journey.shipment
    older = older_layers(shipment.image, shipment.repository, journey.to.stacks(shipment.repository))
    hub = journey.hub()
    haul = Haul(journey.to.host, archive, rung.missing, older, journey.parcels, journey.progress, spent, hub)
    with journey.courier("none" if hub is None or hub.host == journey.to.host else "bridge") as courier:
        reason = haul.carry(courier)
        if not reason:
            haul.keep(courier, shipment.owner, shipment.image.layers)
        return reason


def _measured(journey: Journey, pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        journey.sent += len(piece)
        yield piece


def _hint(reason: str) -> str:
    if _DISK_FULL in reason.lower():
        return "make room on that host: `docker system df` shows what takes it, `docker image prune` frees some"
    return "does `docker load` work there? The engine's log says more"
