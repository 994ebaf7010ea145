"""One load of an engine through a courier: the archive's documents, and its layers while they come in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress

from provisioner.errors import ArchiveBroken, EngineRefused
from provisioner.images.archive import Archive, Layer, Member
from provisioner.images.shipping.courier.conversation import Conversation
from provisioner.images.shipping.courier.engine_requests import load_parts, read_load_answer
from provisioner.images.shipping.courier.orders import PIECE, WINDOW, Delivery, Piece, Pull


class Loading:
    """The orders of one load. For one thread."""

    def __init__(self, talk: Conversation) -> None:
        self._talk = talk

    def load(self, archive: Archive, bring: Callable[[Layer], Delivery | None]) -> str:
        """Give the engine an archive, its layers out of the spool or brought now; return why it did not take it."""
        self._talk.send(b"load\n")
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


def _hex(diff_id: str) -> str:
    return diff_id.removeprefix("sha256:")
