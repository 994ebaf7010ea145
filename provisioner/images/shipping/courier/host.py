"""A courier on a real host: orders a line each, on the standard input of one command in its container."""

from __future__ import annotations

from collections.abc import Callable

from provisioner.images.archive import Archive, Layer
from provisioner.images.shipping.courier.conversation import Conversation
from provisioner.images.shipping.courier.loading import Loading
from provisioner.images.shipping.courier.orders import Delivery, Held, ParcelName
from provisioner.ports import Stream


class HostCourier:
    """Gives orders to a courier and reads its answers. For one thread."""

    def __init__(self, host: str, stream: Stream) -> None:
        self._talk = Conversation(host, stream)

    def room(self) -> int:
        """Return the bytes that are free where its spool and the engine's images lie."""
        return int(self._talk.ask("room"))

    def layers(self) -> frozenset[str]:
        """Return the layers that lie whole in its spool, by the hex of their diff id."""
        names = (name.removesuffix(".zst") for name in self._talk.ask("layers").split())
        return frozenset(name for name in names if "." not in name and name != "*")

    def held(self, parcel: ParcelName) -> Held:
        """Return what it holds of a parcel."""
        size, digest = self._talk.ask(f"held {parcel.name}").split()
        return Held(int(size), digest)

    def discard(self, parcel: ParcelName) -> None:
        """Forget a parcel."""
        self._talk.ask(f"discard {parcel.name}")

    def recover(self, repository: str, layer: str) -> bool:
        """Have a layer (hex) dug out of the images the engine has in a repository; tell whether it is in the spool."""
        return self._talk.ask(f"recover {repository} {layer}") == layer

    def load(self, archive: Archive, bring: Callable[[Layer], Delivery | None]) -> str:
        """Give the engine an archive, its layers out of the spool or brought now; return why it did not take it."""
        return Loading(self._talk).load(archive, bring)

    def keep(self, owner: str, layers: tuple[str, ...]) -> None:
        """Keep these layers (hex) for the owner's next time, and no others of his."""
        self._talk.ask(" ".join(("keep", owner, *layers)))
