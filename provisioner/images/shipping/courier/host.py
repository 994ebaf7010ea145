"""A courier on a real host: orders a line each, on the standard input of one command in its container."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable

from provisioner.images.archive import Archive, Layer
from provisioner.images.shipping.courier.conversation import Conversation
from provisioner.images.shipping.courier.engine_requests import load_parts, read_load_answer
from provisioner.images.shipping.courier.orders import PIECE, WINDOW, Held, ParcelName
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
        return frozenset(name for name in self._talk.ask("layers").split() if "." not in name and name != "*")

    def held(self, parcel: ParcelName) -> Held:
        """Return what it holds of a parcel."""
        size, digest = self._talk.ask(f"held {parcel.name}").split()
        return Held(int(size), digest)

    def discard(self, parcel: ParcelName) -> None:
        """Forget a parcel."""
        self._talk.ask(f"discard {parcel.name}")

    def append(self, parcel: ParcelName, pieces: Iterable[bytes], told: Callable[[int], None]) -> None:
        """Append pieces to a parcel, telling after each the bytes it holds safely."""
        waiting: deque[int] = deque()
        for piece in pieces:
            self._talk.send(f"append {parcel.name} {len(piece)}\n".encode() + piece)
            waiting.append(len(piece))
            while sum(waiting) > WINDOW - PIECE:
                told(int(self._talk.answer()))
                waiting.popleft()
        for _ in waiting:
            told(int(self._talk.answer()))

    def recover(self, repository: str, layer: str) -> bool:
        """Have a layer (hex) dug out of the images the engine has in a repository; tell whether it is in the spool."""
        return self._talk.ask(f"recover {repository} {layer}") == layer

    def unpack(self, layer: Layer, parcel: ParcelName) -> None:
        """Make a layer of a parcel, which is gone afterwards. Raise EngineRefused where it becomes another layer."""
        hex_digits = layer.diff_id.removeprefix("sha256:")
        self._talk.ask(f"unpack {hex_digits} {layer.size} {parcel.name} {parcel.reference or '-'}")

    def load(self, archive: Archive) -> str:
        """Give the engine an archive, its layers out of the spool; return why it did not take it, empty if it did."""
        self._talk.send(b"engine\n")
        for part in load_parts(archive):
            if isinstance(part, bytes):
                self._talk.send(f"bytes {len(part)}\n".encode() + part)
            else:
                self._talk.send(f"layer {part.diff_id.removeprefix('sha256:')}\n".encode())
        self._talk.send(b"end\n")
        return read_load_answer(self._talk.content(int(self._talk.answer())))

    def keep(self, owner: str, layers: tuple[str, ...]) -> None:
        """Keep these layers (hex) for the owner's next time, and no others of his."""
        self._talk.ask(" ".join(("keep", owner, *layers)))
