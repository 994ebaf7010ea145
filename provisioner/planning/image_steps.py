"""The steps that make images and bring them to the hosts that lack them."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.model.image import ImageTarget, Known, ToBuild, ToFetch
from provisioner.model.plan import Action, BuildImage, FetchImage, ShipImage, Step
from provisioner.model.spec import LOAD_BALANCER
from provisioner.planning.keeping import tag_astray
from provisioner.planning.pairing import has_image
from provisioner.planning.scene import Scene


def image_steps(scene: Scene) -> Iterator[Step]:
    """Yield the building of every image that is not known yet, then the shipping of all that hosts lack."""
    wanted = _wanted(scene)
    makes = tuple(
        action
        for image, service in dict.fromkeys((image, service) for _, image, service in wanted)
        for action in _make(image, service, scene.builder)
    )
    if makes:
        yield Step("make images", makes)
    ships: tuple[Action, ...] = tuple(
        ShipImage(host, service, image) for host, image, service in wanted if _lacks(scene, host, image)
    )
    if ships:
        yield Step("ship images", ships)


def _wanted(scene: Scene) -> tuple[tuple[str, ImageTarget, str], ...]:
    balancers = [(each.host, each.image, LOAD_BALANCER) for each in scene.desired.balancers]
    nodes = [
        (each.node.host, each.image, each.node.service)
        for each in scene.desired.nodes
        if scene.in_scope(each.node.host)
    ]
    return tuple(dict.fromkeys(balancers + nodes))


def _make(image: ImageTarget, service: str, builder: str) -> Iterator[Action]:
    match image:
        case Known():
            return
        case ToBuild(tag=tag):
            yield BuildImage(builder, service, tag)
        case ToFetch(reference=reference):
            yield FetchImage(builder, service, reference)


def _lacks(scene: Scene, name: str, image: ImageTarget) -> bool:
    host = scene.observed.host(name)
    if host is None:
        return False
    return not (isinstance(image, Known) and has_image(host, image.image_id) and not tag_astray(host, image))
