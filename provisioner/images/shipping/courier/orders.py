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
    """What a courier holds of a parcel: how many bytes, and the sha256 of them in hex (`-` where there are none)."""

    size: int
    digest: str


@dataclass(frozen=True, slots=True)
class ParcelName:
    """How a courier knows a parcel: `name`, and the hex of the layer it is a patch against, empty for none."""

    name: str
    reference: str = ""


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

    def append(self, parcel: ParcelName, pieces: Iterable[bytes], told: Callable[[int], None]) -> None:
        """Append pieces to a parcel, telling after each the bytes it holds safely."""

    def recover(self, repository: str, layer: str) -> bool:
        """Have a layer (hex) dug out of the images the engine has in a repository; tell whether it is in the spool."""

    def unpack(self, layer: Layer, parcel: ParcelName) -> None:
        """Make a layer of a parcel, which is gone afterwards. Raise EngineRefused where it becomes another layer."""

    def load(self, archive: Archive) -> str:
        """Give the engine an archive, its layers out of the spool; return why it did not take it, empty if it did."""

    def keep(self, owner: str, layers: tuple[str, ...]) -> None:
        """Keep these layers (hex) for the owner's next time, and no others of his."""


OpenCourier = Callable[[], AbstractContextManager[Courier]]
"""Lends a courier on the host of a shipment, fresh each time; what its spool holds stays."""
