"""What a courier can be told to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from provisioner.images.archive import Archive, Layer

PIECE = 1 << 18
"""Bytes of a parcel that are sent with one order."""

WINDOW = 1 << 20
"""Bytes of a parcel that may be on their way without being acknowledged; no more is ever sent twice."""


@dataclass(frozen=True, slots=True)
class Held:
    """What a courier holds of a parcel: how many bytes, and the BLAKE2b of them in hex (`-` where there are none)."""

    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class ParcelName:
    """How a courier knows a parcel: `name`, and the hex of the layer it is a patch against, empty for none."""

    name: str
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Pull:
    """Bytes of a parcel that a courier gets from a peer, behind those it holds: where the peer serves them."""

    offset: int
    count: int
    address: str
    port: int
    path: str


Piece = bytes | Pull


@dataclass(frozen=True, slots=True)
class Delivery:
    """A layer that is brought as a parcel while the engine already takes it.

    `pieces` come behind what the courier holds of the parcel, sent from here or pulled from a peer; a pull that brings
    less than was asked for is no error, and all that came before it has been told when it ends. `digest` is asked
    after the last of them for the BLAKE2b (hex) of the whole parcel; `told` hears after each piece how many bytes the
    courier holds safely.
    """

    layer: Layer
    parcel: ParcelName
    pieces: Iterable[Piece]
    digest: Callable[[], str]
    told: Callable[[int], None]


class Courier(Protocol):
    """A courier at work on one host. All raise EngineRefused, and HostUnreachable where the connection is lost."""

    def room(self) -> int:
        """Return the bytes that are free where its spool and the engine's images lie."""

    def layers(self) -> frozenset[str]:
        """Return the layers that lie whole in its spool, by the hex of their diff id."""

    def held(self, parcel: ParcelName) -> Held:
        """Return what it holds of a parcel."""

    def discard(self, parcel: ParcelName) -> None:
        """Forget a parcel."""

    def recover(self, repository: str, layer: str) -> bool:
        """Have a layer (hex) dug out of the images the engine has in a repository; tell whether it is in the spool."""

    def load(self, archive: Archive, bring: Callable[[Layer], Delivery | None]) -> str:
        """Give the engine an archive; return why it did not take it, empty if it did.

        `bring` says of each layer how it is brought, None where it lies in the spool. A parcel is gone once it has
        become a layer of the spool. Raise EngineRefused, and give the engine no more, where a parcel does not.
        """

    def keep(self, owner: str, layers: tuple[str, ...]) -> None:
        """Keep these layers (hex) for the owner's next time, and no others of his."""


class Relay(Protocol):
    """A server on a host that hands parcels of its spool to peers who know its token, for as long as it is touched.

    It ends two minutes after the last touch, whatever became of its controller. All raise EngineRefused and
    HostUnreachable.
    """

    def share(self, parcel: ParcelName) -> None:
        """Serve a parcel from now on, as far as it is there."""

    def touch(self) -> None:
        """Give a sign of life."""

    def address(self, parcel: ParcelName) -> tuple[str, int, str]:
        """Return address, port and path under which peers get a parcel."""

    def end(self) -> None:
        """Share nothing any more."""


OpenCourier = Callable[[str], AbstractContextManager[Courier]]
"""Lends a courier on the host of a shipment and on a network there, fresh each time; what its spool holds stays."""
