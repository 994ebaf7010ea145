"""Bringing a big archive through a courier: in parcels that survive a cut, put together on the host."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from provisioner.errors import EngineRefused, NoRoom
from provisioner.images.archive import Archive, ImageContent, Layer
from provisioner.images.shipping.courier.orders import Courier, Held
from provisioner.images.shipping.parcels import Parcel, Parcels
from provisioner.ports import Progress

KEPT_FROM = 1 << 20
"""Bytes from which a layer is kept on the host: a later one may be sent as a patch against it."""

_COPIES = 2
"""How often an engine holds a new layer while it loads it: as it came in, and unpacked."""


@dataclass(frozen=True, slots=True)
class Older:
    """The layers a host has of the service's last image: by the diff id of the layer that takes the place of each."""

    repository: str = ""
    layers: Mapping[str, str] = field(default_factory=dict)


def older_layers(image: ImageContent, repository: str, stacks: tuple[tuple[str, ...], ...]) -> Older:
    """Return which layer of the newest of a repository's stacks each layer of an image takes the place of."""
    stack = stacks[0] if stacks else ()
    pairs = zip(image.diff_ids, stack, strict=False)
    return Older(repository, {new: old for new, old in pairs if old not in image.diff_ids})


@dataclass(slots=True)
class Haul:
    """What has to be brought to one host: the archive, the layers in it, and who is told.

    `spent` is called with the bytes of every piece that leaves this machine.
    """

    host: str
    archive: Archive
    layers: tuple[Layer, ...]
    older: Older
    parcels: Parcels
    progress: Progress
    spent: Callable[[int], None]

    def carry(self, courier: Courier) -> str:
        """Bring the layers and have the archive loaded; return why the engine did not take it, empty if it did.

        May be called again after a cut: what is there is not sent again. Raise NoRoom before anything is sent.
        """
        there = courier.layers()
        absent = tuple(layer for layer in self.layers if _hex(layer) not in there)
        self.progress(f"preparing {len(absent)} layers", 0, 0)
        parcels = tuple(self._parcel(courier, layer, there) for layer in absent)
        self._check_room(courier, parcels)
        total, before = sum(parcel.size for parcel in parcels), 0
        for parcel in parcels:
            self._bring(courier, parcel, before, total)
            before += parcel.size
        self.progress("the engine loads the image", total, total)
        return courier.load(self.archive)

    def keep(self, courier: Courier, owner: str, layers: Iterable[Layer]) -> None:
        """Leave the big layers of the image on the host, in place of those of the owner's last image."""
        courier.keep(owner, tuple(_hex(layer) for layer in layers if layer.size >= KEPT_FROM))

    def _parcel(self, courier: Courier, layer: Layer, there: frozenset[str]) -> Parcel:
        """Return how a layer travels: as a patch against an older one, or whole."""
        reference = self.older.layers.get(layer.diff_id, "")
        if reference:
            patch = self.parcels.patch(layer, reference)
            origin = reference.removeprefix("sha256:")
            if patch and (origin in there or courier.recover(self.older.repository, origin)):
                return patch
        return self.parcels.full(layer)

    def _bring(self, courier: Courier, parcel: Parcel, before: int, total: int) -> None:
        """Deliver a parcel; a patch that makes another layer there is followed by the whole one."""
        try:
            self._deliver(courier, parcel, before, total)
        except EngineRefused as error:
            if not parcel.name.reference:
                raise
            self.parcels.forget(parcel)
            whole = self.parcels.full(parcel.layer)
            self.progress(f"the patch does not do ({error.reason}); sending the whole layer", 0, 0)
            self._deliver(courier, whole, before, before + whole.size)

    def _check_room(self, courier: Courier, parcels: tuple[Parcel, ...]) -> None:
        unpacked = sum(parcel.layer.size for parcel in parcels)
        largest = max((parcel.size for parcel in parcels), default=0)
        needed = unpacked + largest + _COPIES * sum(layer.size for layer in self.layers)
        free = courier.room()
        if needed > free:
            raise NoRoom(self.host, needed=needed, free=free)

    def _deliver(self, courier: Courier, parcel: Parcel, before: int, total: int) -> None:
        """Send what the host lacks of a parcel and have it unpacked."""
        held = courier.held(parcel.name)
        if held.size and not parcel.begins_with(held):
            courier.discard(parcel.name)
            held = Held(0, "")
        title = "sending layers, going on where it ended" if held.size else "sending layers"
        pieces = self._measured(parcel.pieces(held.size))
        courier.append(parcel.name, pieces, lambda done: self.progress(title, before + done, total))
        self.progress("the layer is unpacked", before + parcel.size, total)
        courier.unpack(parcel.layer, parcel.name)

    def _measured(self, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            self.spent(len(piece))
            yield piece


def _hex(layer: Layer) -> str:
    return layer.diff_id.removeprefix("sha256:")
