"""Makes images, brings them to hosts, and leaves the release there."""

from __future__ import annotations

from dataclasses import replace

from provisioner.errors import ImageMissing
from provisioner.model.image import Known, image_repository
from provisioner.model.keeping import KeptInputs, WantedInputs
from provisioner.model.plan import BuildImage, FetchImage, RecordInputs, RecordRelease, RemoveImage, ShipImage
from provisioner.model.release import Release
from provisioner.planning.keeping import wanted_inputs
from provisioner.ports import Builder
from provisioner.reconcile.releases import kept_release, release_files
from provisioner.reconcile.run import Run, known_id


def build_image(action: BuildImage, run: Run) -> str:
    """Build an image; return its id in short."""
    with run.guard.effect("build_image", action.host, action.tag):
        made = _builder(run).build(run.inputs[action.tag], run.progress(action))
    run.made[action.tag] = made
    return made.facts.image_id[:19]


def fetch_image(action: FetchImage, run: Run) -> str:
    """Pull an image once; return its id in short."""
    with run.guard.effect("fetch_image", action.host, action.reference):
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


def record_inputs(action: RecordInputs, run: Run) -> str:
    """Leave what the release is made from on a host; return what travelled, and what could not be kept."""
    wanted = wanted_inputs(run.release.content)
    if wanted is None:
        return "it is made from nothing that has to be kept"
    kept = _kept(action, wanted, run)
    sent = run.world.shipper.ship(kept.image_id, (wanted.tag,), run.hands(action.host), run.progress(action))
    travelled = f"{sent / 1e6:.1f} MB sent" if sent else "it was there"
    return f"{travelled}; {len(kept.missing)} inputs are nowhere to be had" if kept.missing else travelled


def _kept(action: RecordInputs, wanted: WantedInputs, run: Run) -> KeptInputs:
    with run.keeping:
        if wanted.tag not in run.kept:
            known = action.image_id or run.release.inputs
            there = known if action.image_id or (known and run.world.shipper.holds(known)) else ""
            run.kept[wanted.tag] = KeptInputs(there) if there else _gathered(action, wanted, run)
        return run.kept[wanted.tag]


def _gathered(action: RecordInputs, wanted: WantedInputs, run: Run) -> KeptInputs:
    here = {entry.digest: entry.source for each in run.inputs.values() for entry in each.context if entry.source}
    earlier = (run.earlier.inputs,) if run.earlier and run.earlier.inputs else ()
    return run.world.storeroom.keeper.keep(wanted, here, earlier, run.progress(action))


def record_release(action: RecordRelease, run: Run) -> str:
    """Leave a release on a host as an image; return its name."""
    lost = run.earlier is not None and action.release == run.earlier.name
    release = run.earlier if lost and run.earlier else _with_inputs(run)
    kept, tag = kept_release(release), f"{image_repository(run.fleet, 'release')}:{release.name}"
    store = run.hands(action.host).images
    run.world.shipper.record(release_files(release, kept.content), kept.labels, tag, store)
    run.world.storeroom.shelf.put(run.fleet, release.name, kept)
    return release.name


def _with_inputs(run: Run) -> Release:
    """Return the release with the id of the image that holds what it is made from, and how its rollout went."""
    wanted = wanted_inputs(run.release.content)
    kept = run.kept.get(wanted.tag) if wanted else None
    release = replace(run.release, outcome="halted") if run.vigil.failures else run.release
    return replace(release, inputs=kept.image_id) if kept and not release.inputs else release


def remove_image(action: RemoveImage, run: Run) -> str:
    """Remove an image of ours from a host."""
    run.hands(action.host).images.remove(action.image)
    return ""
