"""A courier on a real host: orders a line each, on the standard input of one command in its container."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress

from provisioner.errors import ArchiveBroken, EngineRefused
from provisioner.images.archive import Archive, Layer, Member
from provisioner.images.shipping.courier.conversation import Conversation
from provisioner.images.shipping.courier.engine_requests import load_parts, read_load_answer
from provisioner.images.shipping.courier.orders import PIECE, WINDOW, Delivery, Held, ParcelName, Piece, Pull
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

    def recover(self, repository: str, layer: str) -> bool:
        """Have a layer (hex) dug out of the images the engine has in a repository; tell whether it is in the spool."""
        return self._talk.ask(f"recover {repository} {layer}") == layer

    def load(self, archive: Archive, bring: Callable[[Layer], Delivery | None]) -> str:
        """Give the engine an archive, its layers out of the spool or brought now; return why it did not take it."""
        self._talk.send(b"engine\n")
        try:
            for part in load_parts(archive):
                self._give(part, bring)
        except (EngineRefused, ArchiveBroken):
            self._end()
            raise
        return read_load_answer(self._end())

    def _give(self, part: bytes | Member, bring: Callable[[Layer], Delivery | None]) -> None:
        if isinstance(part, bytes):
            self._talk.send(f"bytes {len(part)}\n".encode() + part)
            return
        delivery = bring(Layer(part.diff_id, part.size))
        if delivery is None:
            self._talk.send(f"layer {_hex(part.diff_id)}\n".encode())
        else:
            self._bring(delivery)

    def _bring(self, delivery: Delivery) -> None:
        layer, parcel = delivery.layer, delivery.parcel
        self._talk.send(f"parcel {_hex(layer.diff_id)} {layer.size} {parcel.name} {parcel.reference or '-'}\n".encode())
        waiting: deque[int] = deque()
        try:
            for piece in delivery.pieces:
                self._hand(piece, waiting)
                while waiting and (isinstance(piece, Pull) or sum(waiting) > WINDOW - PIECE):
                    self._hear(waiting, delivery)
            while waiting:
                self._hear(waiting, delivery)
            digest = delivery.digest()
        except (EngineRefused, ArchiveBroken):
            self._give_up(len(waiting))
            raise
        self._talk.ask(f"finish {digest}")

    def _hand(self, piece: Piece, waiting: deque[int]) -> None:
        if isinstance(piece, Pull):
            self._talk.send(f"pull {piece.offset} {piece.count} {piece.address} {piece.port} {piece.path}\n".encode())
            waiting.append(0)
        else:
            self._talk.send(f"append {len(piece)}\n".encode() + piece)
            waiting.append(len(piece))

    def _hear(self, waiting: deque[int], delivery: Delivery) -> None:
        waiting.popleft()
        delivery.told(int(self._talk.answer()))

    def _give_up(self, unanswered: int) -> None:
        """Leave a parcel as it is; what is still answered is of no interest."""
        self._talk.send(b"leave\n")
        for _ in range(unanswered + 1):
            with suppress(EngineRefused):
                self._talk.answer()

    def _end(self) -> bytes:
        """Give the engine nothing more; return what it answers."""
        self._talk.send(b"end\n")
        return self._talk.content(int(self._talk.answer()))

    def keep(self, owner: str, layers: tuple[str, ...]) -> None:
        """Keep these layers (hex) for the owner's next time, and no others of his."""
        self._talk.ask(" ".join(("keep", owner, *layers)))


def _hex(diff_id: str) -> str:
    return diff_id.removeprefix("sha256:")
