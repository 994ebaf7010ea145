"""Makes images, brings them to hosts, and leaves the release there."""

from __future__ import annotations

from provisioner.errors import ImageMissing
from provisioner.model.container import FLEET_LABEL, KIND_LABEL
from provisioner.model.image import Known, image_repository
from provisioner.model.plan import BuildImage, FetchImage, RecordRelease, RemoveImage, ShipImage
from provisioner.ports import Builder
from provisioner.reconcile.observe import CONTENT, DEPARTED_LABEL, ROUTES_LABEL
from provisioner.reconcile.run import Run, known_id
from provisioner.spec.release import encode_content, encode_routes


def build_image(action: BuildImage, run: Run) -> str:
    """Build an image; return its id in short."""
    made = _builder(run).build(run.inputs[action.tag], run.progress(action))
    run.made[action.tag] = made
    return made.facts.image_id[:19]


def fetch_image(action: FetchImage, run: Run) -> str:
    """Pull an image once; return its id in short."""
    return _builder(run).pull(action.reference, run.progress(action)).image_id[:19]


def _builder(run: Run) -> Builder:
    if run.world.builder is None:
        raise ImageMissing("no Docker Engine may build here", hint="start one on this machine, or add a host")
    return run.world.builder


def ship_image(action: ShipImage, run: Run) -> str:
    """Bring an image to a host; return what travelled."""
    image_id = known_id(action.image)
    tag = _own_tag(run.fleet, action, image_id)
    sent = run.world.shipper.ship(image_id, (tag,), run.hands(action.host), run.progress(action))
    return f"{sent / 1e6:.1f} MB sent" if sent else "it was there"


def _own_tag(fleet: str, action: ShipImage, image_id: str) -> str:
    repository = image_repository(fleet, action.service)
    reference = action.image.reference if isinstance(action.image, Known) else ""
    return reference if reference.startswith(repository) else f"{repository}:{image_id.removeprefix('sha256:')[:16]}"


def record_release(action: RecordRelease, run: Run) -> str:
    """Leave the release on a host as an image; return its name."""
    release = run.release
    files = {CONTENT: encode_content(release.content)}
    for each in release.content.files:
        files[f"files/{each.path.lstrip('/')}"] = each.text.encode()
    labels = {
        KIND_LABEL: "release",
        FLEET_LABEL: run.fleet,
        "provisioner.number": str(release.number),
        "provisioner.digest": release.digest,
        "provisioner.created": release.created or run.world.clock.now(),
        "provisioner.author": release.author,
        "provisioner.commit": release.commit,
        ROUTES_LABEL: encode_routes(release.routes),
        DEPARTED_LABEL: encode_routes(release.departed),
    }
    tag = f"{image_repository(run.fleet, 'release')}:{release.name}"
    run.world.shipper.record(files, labels, tag, run.hands(action.host).images)
    return release.name


def remove_image(action: RemoveImage, run: Run) -> str:
    """Remove an image of ours from a host."""
    run.hands(action.host).images.remove(action.image)
    return ""
