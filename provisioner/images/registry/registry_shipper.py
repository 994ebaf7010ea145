"""Brings images to hosts through a registry, and over SSH where that fails."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from threading import Lock
from typing import Protocol

from provisioner.errors import EngineRefused, EngineUnavailable, HostError, ShippingFailed
from provisioner.images.registry.account import Account
from provisioner.images.shipping.arrival import has, try_out
from provisioner.images.shipping.shipment import Receiver
from provisioner.model.secret import Login
from provisioner.ports import ImageStore, Progress

_DIGITS = 16


class Pushes(Protocol):
    """Pushes images of the engine that builds."""

    def push(self, image_id: str, name: str, login: Login | None, progress: Progress) -> str:
        """Push an image as `name` and return the name with its digest. Raise HostError."""


class OverSsh(Protocol):
    """The shipper that needs no registry: a `Shipper`, whoever receives."""

    def holds(self, image_id: str) -> bool:
        """Tell whether this machine's cache has an image, whole."""

    def ship(self, image_id: str, tags: tuple[str, ...], to: Receiver, progress: Progress) -> int:
        """Make a host have an image; return the bytes sent."""

    def record(self, files: Mapping[str, bytes], labels: Mapping[str, str], tag: str, to: ImageStore) -> str:
        """Make an engine have an image of these files and labels; return its id."""


class RegistryShipper:
    """Ships as another shipper does, but for images that hosts can pull; each is pushed once a run."""

    def __init__(self, over_ssh: OverSsh, pushes: Pushes, account: Account) -> None:
        self._over_ssh = over_ssh
        self._pushes = pushes
        self._account = account
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)
        self._pushed: dict[str, str] = {}

    def holds(self, image_id: str) -> bool:
        """Tell whether this machine's cache has an image, whole."""
        return self._over_ssh.holds(image_id)

    def ship(self, image_id: str, tags: tuple[str, ...], to: Receiver, progress: Progress) -> int:
        """Make a host have an image under `tags`; return the bytes that went to it, 0 where it had it.

        Raise ImageMissing, ShippingFailed, SecretMissing.
        """
        if has(to.images, image_id, tags):
            return 0
        if not tags:
            return self._over_ssh.ship(image_id, tags, to, progress)
        try:
            return self._pull(image_id, tags, to, progress)
        except (EngineRefused, EngineUnavailable, ShippingFailed) as error:
            progress(f"{error.message}; it goes over SSH instead", 0, 0)
        return self._over_ssh.ship(image_id, tags, to, progress)

    def record(self, files: Mapping[str, bytes], labels: Mapping[str, str], tag: str, to: ImageStore) -> str:
        """Make an engine have an image of these files and labels and nothing else, over SSH; return its id."""
        return self._over_ssh.record(files, labels, tag, to)

    def _pull(self, image_id: str, tags: tuple[str, ...], to: Receiver, progress: Progress) -> int:
        reference = self._push_once(image_id, tags[0], progress)
        store = to.images
        travelled = store.pull(reference, self._account.login(), progress)
        try:
            found = store.inspect(reference)
            if found is None or found.image_id != image_id:
                raise ShippingFailed(store.host, f"{reference} is {found.image_id if found else 'nothing'} there")
            if reason := try_out(image_id, image_id.removeprefix("sha256:")[:_DIGITS], to.containers):
                raise ShippingFailed(store.host, reason)
            for tag in tags:
                store.tag(reference, tag)
        finally:
            # The tags keep the image; the name in the registry would keep it beyond them.
            store.remove(reference)
        if not has(store, image_id, tags):
            raise ShippingFailed(store.host, f"{tags[0]} is another image there")
        return travelled

    def _push_once(self, image_id: str, tag: str, progress: Progress) -> str:
        # Several hosts want one image at once: the first one has it pushed, and the others wait for the outcome.
        with self._locks[image_id]:
            found = self._pushed.get(image_id, "")
            if found.startswith("!"):
                raise EngineRefused(self._account.server, found.removeprefix("!"))
            if not found:
                name = f"{self._account.server}/{tag.rpartition(':')[0]}:{image_id.removeprefix('sha256:')[:_DIGITS]}"
                try:
                    found = self._pushes.push(image_id, name, self._account.login(), progress)
                except HostError as error:
                    self._pushed[image_id] = f"!{error.reason}"
                    raise
                self._pushed[image_id] = found
            return found
