"""A courier in memory on a store in memory, and what may befall it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import zstandard

from provisioner.errors import EngineRefused, HostUnreachable
from provisioner.images.archive import Archive, Layer
from provisioner.images.shipping.courier.orders import Delivery, Held, ParcelName, Pull
from provisioner.images.shipping.shipment import Receiver
from provisioner.ports import ImageStore, Progress

MemoryNetwork = dict[tuple[str, int], dict[str, bytearray]]
"""What relays serve: by address and port, and by path."""

_PORT = 8080


@dataclass(slots=True)
class MemorySpool:
    """The spool of a host and its faults; it outlives couriers.

    The line is cut once more bytes than the first of `cuts` have come since the last cut. `free` bytes are told to
    be free, and no parcel grows beyond `capacity`. `recoverable` holds what the engine gives, by `repository layer`.
    With `flips` that many parcels arrive with a wrong byte.
    """

    parcels: dict[str, bytes] = field(default_factory=dict)
    unpacked: dict[str, bytes] = field(default_factory=dict)
    kept: dict[str, tuple[str, ...]] = field(default_factory=dict)
    recoverable: dict[str, bytes] = field(default_factory=dict)
    cuts: list[int] = field(default_factory=list)
    free: int = 1 << 40
    capacity: int = 1 << 40
    flips: int = 0
    couriers: int = 0
    since_cut: int = 0
    pulled: int = 0
    shared: dict[str, bytearray] = field(default_factory=dict)


@dataclass(slots=True)
class MemoryCourier:
    """A courier in memory."""

    images: ImageStore
    spool: MemorySpool
    network: MemoryNetwork = field(default_factory=dict)

    def room(self) -> int:
        """Return the bytes that are told to be free."""
        return self.spool.free

    def layers(self) -> frozenset[str]:
        """Return the layers that lie whole in its spool, by the hex of their diff id."""
        return frozenset(self.spool.unpacked)

    def held(self, parcel: ParcelName) -> Held:
        """Return what it holds of a parcel."""
        content = self.spool.parcels.get(parcel.name, b"")
        return Held(len(content), hashlib.blake2b(content).hexdigest() if content else "-")

    def discard(self, parcel: ParcelName) -> None:
        """Forget a parcel."""
        self.spool.parcels.pop(parcel.name, None)

    def recover(self, repository: str, layer: str) -> bool:
        """Tell whether the engine's images had the layer, and put it into the spool."""
        found = self.spool.recoverable.get(f"{repository} {layer}")
        if found is not None:
            self.spool.unpacked[layer] = found
        return found is not None

    def load(self, archive: Archive, bring: Callable[[Layer], Delivery | None]) -> str:
        """Give the engine an archive, its layers out of the spool or brought now; return why it did not take it."""

        def read(diff_id: str) -> Iterable[bytes]:
            size = next(member.size for member in archive.members if member.diff_id == diff_id)
            delivery = bring(Layer(diff_id, size))
            if delivery is not None:
                self._bring(delivery)
            return (self.spool.unpacked[diff_id.removeprefix("sha256:")],)

        try:
            self.images.load(archive.stream(read))
        except Refused as error:
            raise error.cause from error
        except EngineRefused as error:
            return error.reason
        return ""

    def _bring(self, delivery: Delivery) -> None:
        for piece in delivery.pieces:
            self._append(delivery.parcel, self._pulled(piece) if isinstance(piece, Pull) else piece)
            delivery.told(len(self.spool.parcels[delivery.parcel.name]))
        content = self.spool.parcels.pop(delivery.parcel.name)
        unpacked = _expanded(content, self.spool.unpacked.get(delivery.parcel.reference, b""))
        arrived = hashlib.blake2b(content).hexdigest()
        if arrived != delivery.digest() or len(unpacked) != delivery.layer.size:
            raise Refused(EngineRefused(self.images.host, "the courier answers: it was unpacked to other bytes"))
        self.spool.unpacked[delivery.layer.diff_id.removeprefix("sha256:")] = unpacked

    def _pulled(self, pull: Pull) -> bytes:
        shared = self.network.get((pull.address, pull.port), {}).get(pull.path, bytearray())
        content = bytes(shared[pull.offset : pull.offset + pull.count])
        self.spool.pulled += len(content)
        return content

    def _append(self, parcel: ParcelName, piece: bytes) -> None:
        """Append a piece, until the line is cut or the disk is full."""
        left = self.spool.cuts[0] - self.spool.since_cut if self.spool.cuts else len(piece)
        content = self.spool.parcels.get(parcel.name, b"") + self._garbled(piece[:left])
        if len(content) > self.spool.capacity:
            raise Refused(EngineRefused(self.images.host, "the courier answers: dd: No space left on device"))
        self.spool.parcels[parcel.name] = content
        if parcel.name in self.spool.shared:
            self.spool.shared[parcel.name][:] = content
        self.spool.since_cut += len(piece)
        if left < len(piece):
            del self.spool.cuts[0]
            self.spool.since_cut = 0
            raise HostUnreachable(self.images.host, "the connection to the courier was lost")

    def keep(self, owner: str, layers: tuple[str, ...]) -> None:
        """Keep these layers (hex) for the owner's next time, and no others of his."""
        self.spool.kept[owner] = layers
        wanted = {layer for each in self.spool.kept.values() for layer in each}
        self.spool.unpacked = {layer: content for layer, content in self.spool.unpacked.items() if layer in wanted}

    def _garbled(self, piece: bytes) -> bytes:
        if not self.spool.flips or not piece:
            return piece
        self.spool.flips -= 1
        return piece[:-1] + bytes([piece[-1] ^ 1])


@dataclass(frozen=True, slots=True)
class MemoryCouriers:
    """Lends couriers that work on one spool, or on that of each host in `spools`; relays answer on `network`.

    A host in `deaf` cannot be reached by its peers.
    """

    spool: MemorySpool = field(default_factory=MemorySpool)
    spools: Mapping[str, MemorySpool] = field(default_factory=dict)
    network: MemoryNetwork = field(default_factory=dict)
    deaf: frozenset[str] = frozenset()

    @contextmanager
    def at(self, to: Receiver, task: str, progress: Progress, network: str = "none") -> Iterator[MemoryCourier]:
        """Lend a courier on a host."""
        progress(f"a courier for {task}", 0, 0)
        spool = self._spool(to)
        spool.couriers += 1
        yield MemoryCourier(to.images, spool, self.network if network != "none" else {})

    @contextmanager
    def relay(self, to: Receiver, address: str, progress: Progress) -> Iterator[MemoryRelay]:
        """Lend a relay on a host."""
        progress(f"a relay on {address}", 0, 0)
        served: dict[str, bytearray] = {}
        if to.images.host not in self.deaf:
            self.network[address, _PORT] = served
        yield MemoryRelay(address, self._spool(to), served)
        self.network.pop((address, _PORT), None)

    def _spool(self, to: Receiver) -> MemorySpool:
        return self.spools.get(to.images.host, self.spool)


@dataclass(frozen=True, slots=True)
class MemoryRelay:
    """A relay in memory."""

    place: str
    spool: MemorySpool
    served: dict[str, bytearray]

    def share(self, parcel: ParcelName) -> None:
        """Serve a parcel from now on, as far as it is there."""
        content = bytearray(self.spool.parcels.get(parcel.name, b""))
        self.spool.shared[parcel.name] = self.served[f"token/{parcel.name}"] = content

    def touch(self) -> None:
        """Give a sign of life."""

    def address(self, parcel: ParcelName) -> tuple[str, int, str]:
        """Return address, port and path under which peers get a parcel."""
        return self.place, _PORT, f"token/{parcel.name}"

    def end(self) -> None:
        """Share nothing any more."""
        self.served.clear()


class Refused(Exception):
    """What the courier refuses while the engine reads: not the engine's own refusal."""

    def __init__(self, cause: EngineRefused) -> None:
        super().__init__(cause.message)
        self.cause = cause


def _expanded(content: bytes, reference: bytes) -> bytes:
    """Return what a frame stands for, nothing where it is broken; `reference` is what a patch refers to."""
    raw = zstandard.ZstdCompressionDict(reference, dict_type=zstandard.DICT_TYPE_RAWCONTENT) if reference else None
    try:
        return zstandard.ZstdDecompressor(dict_data=raw, max_window_size=1 << 31).decompressobj().decompress(content)
    except zstandard.ZstdError:
        return b""
