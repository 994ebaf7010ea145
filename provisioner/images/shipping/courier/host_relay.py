"""A relay on a real host: orders a line each, on the standard input of one command in its container."""

from __future__ import annotations

import secrets
from threading import Lock

from provisioner.images.shipping.courier.conversation import Conversation
from provisioner.images.shipping.courier.orders import ParcelName
from provisioner.ports import Stream

_TOKEN_BYTES = 16


class HostRelay:
    """Shares parcels of a host's spool under a token of its own; for several threads."""

    def __init__(self, host: str, stream: Stream, address: str, port: int) -> None:
        self._talk = Conversation(host, stream)
        self._lock = Lock()
        self._place = (address, port)
        self._token = secrets.token_hex(_TOKEN_BYTES)

    def share(self, parcel: ParcelName) -> None:
        """Serve a parcel from now on, as far as it is there."""
        with self._lock:
            self._talk.ask(f"share {self._token} {parcel.name}")

    def touch(self) -> None:
        """Give a sign of life."""
        with self._lock:
            self._talk.ask("touch")

    def address(self, parcel: ParcelName) -> tuple[str, int, str]:
        """Return address, port and path under which peers get a parcel."""
        return (*self._place, f"{self._token}/{parcel.name}")

    def end(self) -> None:
        """Share nothing any more."""
        with self._lock:
            self._talk.ask("end")
