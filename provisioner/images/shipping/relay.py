"""From host to host: the first host that gets an image hands its parcels on to the others while they come in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from threading import Condition, Lock

from provisioner.errors import HostError, ProvisionerError
from provisioner.images.shipping.courier.orders import ParcelName, Pull, Relay
from provisioner.images.shipping.parcels import Parcel
from provisioner.images.shipping.shipment import Receiver
from provisioner.ports import Progress

RELAYED_FROM = 4 << 20
"""Bytes of a layer from which a parcel of it is handed on."""

CHUNK = 8 << 20
"""The most bytes a host gets from another with one order."""

PATIENCE = 20.0
"""Seconds without news of a parcel after which a host is served from here."""

LendRelay = Callable[[Receiver, str, Progress], AbstractContextManager[Relay]]
"""Lends a relay on a host, served on an address of it."""


@dataclass(slots=True)
class Hub:
    """The host that hands the parcels of one image on: how much of each has arrived there, and whether all are known.

    `patience` is how many seconds a peer waits for news.
    """

    host: str
    relay: Relay
    patience: float = PATIENCE
    arrived: dict[str, int] = field(default_factory=dict)
    known: bool = False
    changed: Condition = field(default_factory=Condition)

    def share(self, parcels: Mapping[ParcelName, int], progress: Progress) -> None:
        """Hand parcels on from now, of each of which so many bytes are there, and no others."""
        try:
            for parcel, held in parcels.items():
                self.relay.share(parcel)
                self.tell(parcel, held)
        except HostError as error:
            progress(f"what comes in cannot be handed on ({error.reason})", 0, 0)
        with self.changed:
            self.known = True
            self.changed.notify_all()

    def tell(self, parcel: ParcelName, done: int) -> None:
        """Hear how much of a parcel is there."""
        with self.changed:
            self.arrived[parcel.name] = done
            self.changed.notify_all()

    def beyond(self, parcel: Parcel, offset: int) -> int:
        """Return how much of a parcel is there as soon as that is more than `offset`, or all of it; 0 without news."""
        name = parcel.name.name
        with self.changed:
            self.changed.wait_for(lambda: self.known or name in self.arrived, self.patience)
            if name not in self.arrived:
                return 0

            def news() -> bool:
                return self.arrived[name] > offset or 0 < parcel.size == offset

            more = self.changed.wait_for(news, self.patience)
            return self.arrived[name] if more else 0


JoinHub = Callable[[], Hub | None]
"""Returns the hub of an image: the first host that asks becomes it. None where there is none."""


class Relays:
    """Finds, for hosts that are served at once, the one that hands on; `addresses` are where peers reach each host."""

    def __init__(self, lend: LendRelay, addresses: Mapping[str, str], patience: float = PATIENCE) -> None:
        self._lend = lend
        self._addresses = addresses
        self._patience = patience
        self._stack = ExitStack()
        self._lock = Lock()
        self._relays: dict[str, Relay] = {}
        self._hubs: dict[str, Hub | None] = {}

    def join(self, image_id: str, to: Receiver, progress: Progress) -> Hub | None:
        """Return the hub of an image; the first host that asks becomes it. None where it could not."""
        with self._lock:
            if image_id not in self._hubs:
                self._hubs[image_id] = self._opened(to, progress)
            return self._hubs[image_id]

    def close(self) -> None:
        """End every relay."""
        self._stack.close()

    def _opened(self, to: Receiver, progress: Progress) -> Hub | None:
        host = to.images.host
        try:
            if host not in self._relays:
                lent = self._lend(to, self._addresses[host], progress)
                self._relays[host] = self._stack.enter_context(lent)
        except (ProvisionerError, KeyError) as error:
            progress(f"{host} cannot hand on what it gets ({error}); every host is served from here", 0, 0)
            return None
        return Hub(host, self._relays[host], self._patience)


def pulled(
    hub: Hub, parcel: Parcel, held: int, arrived: Callable[[], int], progress: Progress
) -> Iterator[bytes | Pull]:
    """Yield a parcel as pulls from the hub, and from where the hub cannot be reached as bytes from here.

    `held` bytes are there already; `arrived` tells, after each pull, how many are.
    """
    offset = held
    while (there := hub.beyond(parcel, offset)) > offset:
        with suppress(HostError):
            hub.relay.touch()
        yield Pull(offset, min(CHUNK, there - offset), *hub.relay.address(parcel.name))
        if arrived() <= offset:
            progress(f"{hub.host} cannot be reached from here; served by the controller", 0, 0)
            break
        offset = arrived()
    if not parcel.size or offset < parcel.size:
        yield from parcel.pieces(offset)
