"""Couriers for hosts: their image made once, brought once, and one container for each task."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from importlib import resources
from threading import Lock

from provisioner.errors import HostError, ImageMissing
from provisioner.images.shipping.courier.host import HostCourier
from provisioner.images.shipping.courier.orders import Courier
from provisioner.images.shipping.shipment import Receiver
from provisioner.model.container import KIND_LABEL, ContainerOptions, ContainerRequest, Mount, TmpfsMount
from provisioner.model.image import COURIER_REPOSITORY, SPOOL_VOLUME, BuildInputs, RenderedFile
from provisioner.model.spec import SuiteBase
from provisioner.ports import Builder, Progress

_BASE = SuiteBase("bookworm", ("busybox-static", "netcat-openbsd", "zstd"))
_PROGRAMS = ("serve", "watch")
_DIGITS = 16
_PROCESSES = 64

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
    def at(self, to: Receiver, task: str, progress: Progress) -> Iterator[Courier]:
        """Lend a courier on a host for one task, its container gone afterwards.

        Raise BuildFailed or ImageMissing where there is no courier, EngineRefused where none may run there.
        """
        image_id = self._image(progress)
        tag = courier_inputs().tag
        sent = self._bring(image_id, (tag,), to, progress)
        if sent:
            progress(f"the courier travelled first: {sent / 1e6:.1f} MB, once", sent, sent)
        request = courier_request(image_id, task, to.engine_socket)
        to.containers.remove(request.name)
        container = to.containers.create(request)
        try:
            to.containers.start(container)
            with closing(to.shell.open(container, ("/bin/serve",))) as stream:
                yield HostCourier(to.images.host, stream)
        finally:
            with suppress(HostError):
                to.containers.remove(container)

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


def courier_request(image_id: str, task: str, engine_socket: str) -> ContainerRequest:
    """Return a courier's container: no network, nothing writable but its spool, and the engine's socket."""
    options = ContainerOptions(
        mounts=(Mount("volume", SPOOL_VOLUME, "/spool"), Mount("bind", engine_socket, "/run/engine.sock")),
        tmpfs=(TmpfsMount("/run", "mode=755"), TmpfsMount("/tmp", "mode=755")),  # noqa: S108 - in the container
        network="none",
        pids=_PROCESSES,
        read_only=True,
        no_new_privileges=True,
        cap_drop=("ALL",),
        restart="no",
        stop_timeout=1,
        log_driver="none",
    )
    name = f"provisioner-courier-{task}"
    return ContainerRequest(name, image_id, options, "courier", labels={KIND_LABEL: "courier"}, temporary=True)
