"""What counts as arrived: proven under a provisional tag first, and only then under its own."""

from __future__ import annotations

from provisioner.errors import EngineRefused, HostUnreachable
from provisioner.images.shipping.shipment import Shipment
from provisioner.model.container import KIND_LABEL, ContainerOptions, ContainerRequest
from provisioner.ports import Containers, ImageStore

TRIAL = "trial"
"""The kind of a container that is created to prove an image, and never started."""

_TRIAL_NAME = "provisioner-trial-"
_CONFLICT = 409


def has(store: ImageStore, image_id: str, tags: tuple[str, ...]) -> bool:
    """Tell whether an engine has an image under all of these tags; a tag may be held there in a longer form."""
    if not tags:
        return store.inspect(image_id) is not None
    return all((found := store.inspect(tag)) is not None and found.image_id == image_id for tag in tags)


def settle(shipment: Shipment, loaded: str, store: ImageStore, containers: Containers | None) -> str:
    """Prove the image that was loaded as `loaded` and give it its tags; return what is wrong, empty where nothing is.

    A connection that is lost meanwhile is made again once. Without `containers` no container is tried.
    """
    try:
        return _settle(shipment, loaded, store, containers)
    except HostUnreachable:
        return _settle(shipment, loaded, store, containers)


def _settle(shipment: Shipment, loaded: str, store: ImageStore, containers: Containers | None) -> str:
    reason = fault(shipment, loaded, store)
    if not reason and containers is not None:
        reason = try_out(shipment.image.image_id, shipment.name, containers)
    if reason:
        return reason
    for tag in shipment.tags:
        store.tag(loaded, tag)
    wrong = (fault(shipment, tag, store) for tag in shipment.tags)
    return next(filter(None, wrong), "")


def fault(shipment: Shipment, reference: str, store: ImageStore) -> str:
    """Return in what the image under a reference is another than the shipment's, empty where it is the same."""
    found = store.inspect(reference)
    if found is None:
        return f"the engine took the archive and has no image {reference}"
    if found.image_id != shipment.image.image_id:
        return f"{reference} is {found.image_id} there"
    return "" if found.layers == shipment.image.diff_ids else f"{reference} has other layers there"


def try_out(image_id: str, task: str, containers: Containers) -> str:
    """Create a container of an image and remove it; return why none can be made, empty where one can.

    An engine may show an image whose layers it could not unpack; only a container tells. `task` is a name that two of
    them at once on one host never share.
    """
    name = f"{_TRIAL_NAME}{task}"
    options = ContainerOptions(command=("x",), network="none", restart="no", log_driver="none")
    request = ContainerRequest(name, image_id, options, "trial", labels={KIND_LABEL: TRIAL})
    containers.remove(name)
    try:
        containers.create(request)
    except EngineRefused as error:
        # Nobody else uses the name: taken, it is by this request, whose first answer was lost.
        if error.status != _CONFLICT:
            return f"no container can be made of it: {error.reason}"
    containers.remove(name)
    return ""


def clear(shipment: Shipment, store: ImageStore) -> None:
    """Take the provisional tag away, and with it an image that has no other."""
    try:
        store.remove(shipment.provisional)
    except EngineRefused:
        # Somebody has begun to use it by its id: then it goes with whatever uses it.
        return
