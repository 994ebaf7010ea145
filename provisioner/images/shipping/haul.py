"""Bringing a big archive through a courier: in parcels that survive a cut, put together on the host."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from provisioner.errors import EngineRefused, NoRoom
from provisioner.images.archive import Archive, ImageContent, Layer
from provisioner.images.shipping.courier.orders import Courier, Delivery, Piece, Pull
from provisioner.images.shipping.parcels import Parcel, Parcels
from provisioner.images.shipping.relay import RELAYED_FROM, Hub, pulled
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
    hub: Hub | None = None

    def carry(self, courier: Courier) -> str:
        """Have the archive loaded while its layers are brought; return why the engine did not take it, empty if it did.

        May be called again after a cut: what is there is not sent again. Raise NoRoom before anything is sent.
        """
        there = courier.layers()
        absent = (layer for layer in self.layers if _hex(layer) not in there)
        parcels = {layer.diff_id: self._parcel(courier, layer, there) for layer in absent}
        self._check_room(courier, tuple(parcels.values()))
        tally = _Tally(self.progress, tuple(parcels.values()))
        held = {diff_id: self._held(courier, parcel) for diff_id, parcel in parcels.items()}
        self._hand_on(parcels, held)

        def bring(layer: Layer) -> Delivery | None:
            parcel = parcels.get(layer.diff_id)
            return self._delivery(parcel, held[layer.diff_id], tally) if parcel else None

        try:
            return courier.load(self.archive, bring)
        except EngineRefused as error:
            for parcel in parcels.values():
                self.parcels.forget(parcel)
            if not any(parcel.name.reference for parcel in parcels.values()):
                raise
            self.progress(f"the patch does not do ({error.reason}); sending the whole layer", 0, 0)
        return replace(self, older=Older()).carry(courier)

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

    def _check_room(self, courier: Courier, parcels: tuple[Parcel, ...]) -> None:
        unpacked = sum(parcel.layer.size for parcel in parcels)
        largest = max((parcel.bound for parcel in parcels), default=0)
        needed = unpacked + largest + _COPIES * sum(layer.size for layer in self.layers)
        free = courier.room()
        if needed > free:
            raise NoRoom(self.host, needed=needed, free=free)

    def _held(self, courier: Courier, parcel: Parcel) -> int:
        """Return how many bytes of a parcel the host has; what is no beginning of it is thrown away."""
        held = courier.held(parcel.name)
        if held.size and not parcel.begins_with(held):
            courier.discard(parcel.name)
            return 0
        return held.size

    def _hand_on(self, parcels: Mapping[str, Parcel], held: Mapping[str, int]) -> None:
        """Let peers have what this host gets, where it is the hub."""
        if self.hub is not None and self.hub.host == self.host:
            shared = {parcel.name: held[diff_id] for diff_id, parcel in parcels.items() if _relayed(parcel)}
            self.hub.share(shared, self.progress)

    def _delivery(self, parcel: Parcel, held: int, tally: _Tally) -> Delivery:
        title = "sending layers, going on where it ended" if held else "sending layers"
        told, layer, hub = tally.told(parcel, title, held), parcel.layer, self.hub
        if hub is None or not _relayed(parcel):
            return Delivery(layer, parcel.name, self._measured(parcel.pieces(held)), parcel.digest, told)
        if hub.host != self.host:
            pieces = pulled(hub, parcel, held, lambda: tally.arrived(parcel), self.progress)
            return Delivery(layer, parcel.name, self._measured(pieces), parcel.digest, told)

        def tell(done: int) -> None:
            told(done)
            hub.tell(parcel.name, done)

        def digest() -> str:
            # Peers that have all of it wait to hear that it was all.
            hub.tell(parcel.name, parcel.size)
            return parcel.digest()

        return Delivery(layer, parcel.name, self._measured(parcel.pieces(held)), digest, tell)

    def _measured(self, pieces: Iterable[Piece]) -> Iterator[Piece]:
        for piece in pieces:
            self.spent(piece.count if isinstance(piece, Pull) else len(piece))
            yield piece


def _relayed(parcel: Parcel) -> bool:
    return not parcel.name.reference and parcel.layer.size >= RELAYED_FROM


class _Tally:
    """Tells how much of all parcels is there; nobody knows of how much while one is still being made."""

    def __init__(self, progress: Progress, parcels: tuple[Parcel, ...]) -> None:
        self._progress = progress
        self._parcels = parcels
        self._done: dict[str, int] = {}

    def arrived(self, parcel: Parcel) -> int:
        """Return how many bytes of a parcel are there."""
        return self._done.get(parcel.name.name, 0)

    def told(self, parcel: Parcel, title: str, held: int) -> Callable[[int], None]:
        """Return what hears of one parcel how many bytes of it are there; `held` are there already."""
        self._done[parcel.name.name] = held

        def tell(done: int) -> None:
            self._done[parcel.name.name] = done
            sizes = [each.size for each in self._parcels]
            total = sum(sizes) if all(sizes) else 0
            self._progress(title, sum(self._done.values()), total)

        return tell


def _hex(layer: Layer) -> str:
    return layer.diff_id.removeprefix("sha256:")
