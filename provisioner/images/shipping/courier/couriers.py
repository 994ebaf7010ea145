"""Couriers for hosts: their image made once, brought once, and one container for each task."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import replace
from importlib import resources
from threading import Lock

from provisioner.errors import EngineRefused, HostError, ImageMissing
from provisioner.images.shipping.courier.host import HostCourier
from provisioner.images.shipping.courier.host_relay import HostRelay
from provisioner.images.shipping.courier.orders import Courier, Relay
from provisioner.images.shipping.shipment import Receiver
from provisioner.model.container import KIND_LABEL, ContainerOptions, ContainerRequest, Mount, PublishedPort, TmpfsMount
from provisioner.model.image import COURIER_REPOSITORY, SPOOL_VOLUME, BuildInputs, RenderedFile
from provisioner.model.spec import SuiteBase
from provisioner.ports import Builder, Progress, Stream

_BASE = SuiteBase("bookworm", ("busybox-static", "zstd"))
_PROGRAMS = ("serve", "engine", "pieces", "parcel", "watch", "relay", "hub")
_DIGITS = 16
_PROCESSES = 64
_INSIDE = 8080
_PORTS = range(18950, 18958)
"""Ports of a host on one of which a relay answers."""


Bring = Callable[[str, tuple[str, ...], Receiver, Progress], int]
"""Makes a host have an image under tags, without a courier; returns the bytes sent."""


class Couriers:
    """Lends couriers; `bring` carries their image, `builder` makes it where it is not made yet."""

    def __init__(self, builder: Builder | None, bring: Bring) -> None:
        self._builder = builder
        self._bring = bring
        self._lock = Lock()
        self._image_id = ""

    @contextmanager
    def at(self, to: Receiver, task: str, progress: Progress, network: str = "none") -> Iterator[Courier]:
        """Lend a courier on a host for one task, its container gone afterwards; `network` is one of the engine's.

        Raise BuildFailed or ImageMissing where there is no courier, EngineRefused where none may run there.
        """
        request = courier_request(self._arrived(to, progress), task, to.engine_socket, network)
        with _running(to, request, ("/bin/serve",)) as stream:
            yield HostCourier(to.images.host, stream)

    @contextmanager
    def relay(self, to: Receiver, address: str, progress: Progress) -> Iterator[Relay]:
        """Lend a relay on a host, served on an address of it. Raise as `at` does.

        Its port is the first that is free of a few.
        """
        image_id = self._arrived(to, progress)
        with ExitStack() as stack:
            for port in _PORTS:
                try:
                    stream = stack.enter_context(_running(to, relay_request(image_id, address, port), ("/bin/relay",)))
                except EngineRefused:
                    if port == _PORTS[-1]:
                        raise
                else:
                    relay = HostRelay(to.images.host, stream, address, port)
                    yield relay
                    with suppress(HostError):
                        relay.end()
                    return

    def _arrived(self, to: Receiver, progress: Progress) -> str:
        """Have the courier's image on a host; return its id."""
        image_id = self._image(progress)
        sent = self._bring(image_id, (courier_inputs().tag,), to, progress)
        if sent:
            progress(f"the courier travelled first: {sent / 1e6:.1f} MB, once", sent, sent)
        return image_id

    def _image(self, progress: Progress) -> str:
        # Several hosts need it at once: the first one has it made.
        with self._lock:
            if not self._image_id:
                self._image_id = self._made(progress)
            return self._image_id

    def _made(self, progress: Progress) -> str:
        if self._builder is None:
            raise ImageMissing("there is no engine to build the courier on", hint="start one on this machine")
        inputs = courier_inputs()
        found = self._builder.find(inputs.tag)
        return (found or self._builder.build(inputs, progress).facts).image_id


def courier_inputs() -> BuildInputs:
    """Return what the courier is built from; its tag is the digest of that."""
    folder = resources.files("provisioner.images.shipping.courier")
    dockerfile = (folder / "Dockerfile").read_text()
    files = tuple(RenderedFile(f"/bin/{name}", (folder / name).read_text(), 0o755) for name in _PROGRAMS)
    digest = hashlib.sha256(repr((dockerfile, files, _BASE)).encode()).hexdigest()
    return BuildInputs("courier", f"{COURIER_REPOSITORY}:{digest[:_DIGITS]}", dockerfile, _BASE, files=files)


@contextmanager
def _running(to: Receiver, request: ContainerRequest, argv: tuple[str, ...]) -> Iterator[Stream]:
    """Lend the standard input and output of a command in a container of its own, which is gone afterwards."""
    to.containers.remove(request.name)
    container = to.containers.create(request)
    try:
        to.containers.start(container)
        with closing(to.shell.open(container, argv)) as stream:
            yield stream
    finally:
        with suppress(HostError):
            to.containers.remove(container)


def courier_request(image_id: str, task: str, engine_socket: str, network: str = "none") -> ContainerRequest:
    """Return a courier's container: nothing writable but its spool, the engine's socket, a network only to pull."""
    mounts = (Mount("volume", SPOOL_VOLUME, "/spool"), Mount("bind", engine_socket, "/run/engine.sock"))
    options = _options(mounts, network)
    name = f"provisioner-courier-{task}"
    return ContainerRequest(name, image_id, options, "courier", labels={KIND_LABEL: "courier"}, temporary=True)


def relay_request(image_id: str, address: str, port: int) -> ContainerRequest:
    """Return a relay's container: the spool, one port on one address of its host, and no engine."""
    options = replace(_options((Mount("volume", SPOOL_VOLUME, "/spool"),), "bridge"), command=("/bin/hub",))
    ports = (PublishedPort(_INSIDE, port, address),)
    labels = {KIND_LABEL: "courier"}
    return ContainerRequest("provisioner-relay", image_id, options, "relay", ports, labels, temporary=True)


def _options(mounts: tuple[Mount, ...], network: str) -> ContainerOptions:
    return ContainerOptions(
        mounts=mounts,
        tmpfs=(TmpfsMount("/run", "mode=755"), TmpfsMount("/tmp", "mode=755")),  # noqa: S108 - in the container
        network=network,
        pids=_PROCESSES,
        read_only=True,
        no_new_privileges=True,
        cap_drop=("ALL",),
        restart="no",
        stop_timeout=1,
        log_driver="none",
    )
