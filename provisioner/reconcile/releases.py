"""A release as it is kept: its content byte for byte and the labels beside it, and back."""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.model.container import FLEET_LABEL, KIND_LABEL, OUTCOME_LABEL
from provisioner.model.observed import ObservedRelease, release_outcome
from provisioner.model.release import KeptRelease, Release
from provisioner.spec.release import decode_content, decode_routes, digest, encode_content, encode_routes

ROUTES_LABEL = "provisioner.routes"
DEPARTED_LABEL = "provisioner.departed"
INPUTS_LABEL = "provisioner.inputs"
CONTENT = "release.json"
KIND = "release"


def kept_release(release: Release) -> KeptRelease:
    """Return a release as it is kept in an image."""
    labels = {
        KIND_LABEL: KIND,
        FLEET_LABEL: release.content.desired.fleet,
        "provisioner.number": str(release.number),
        "provisioner.digest": release.digest,
        "provisioner.created": release.created,
        "provisioner.author": release.author,
        "provisioner.commit": release.commit,
        OUTCOME_LABEL: release.outcome,
        ROUTES_LABEL: encode_routes(release.routes),
        DEPARTED_LABEL: encode_routes(release.departed),
        **({INPUTS_LABEL: release.inputs} if release.inputs else {}),
    }
    return KeptRelease(encode_content(release.content), labels)


def release_files(release: Release, content: bytes) -> Mapping[str, bytes]:
    """Return the files of a release's image: its content, and for whoever looks inside every rendered file."""
    files = {CONTENT: content}
    for each in release.content.files:
        files[f"files/{each.path.lstrip('/')}"] = each.text.encode()
    for build in release.content.builds:
        for each in build.inputs.files:
            files[f"files/{build.inputs.service}/{each.path.lstrip('/')}"] = each.text.encode()
    return files


def described(labels: Mapping[str, str]) -> ObservedRelease:
    """Return what the labels of a kept release claim."""
    number = labels.get("provisioner.number", "")
    return ObservedRelease(
        image_id="",
        reference="",
        number=int(number) if number.isascii() and number.isdigit() else 0,
        digest=labels.get("provisioner.digest", ""),
        created=labels.get("provisioner.created", ""),
        author=labels.get("provisioner.author", ""),
        commit=labels.get("provisioner.commit", ""),
        outcome=release_outcome(labels),
    )


def read_kept(kept: KeptRelease) -> Release | None:
    """Return a release from what was kept of it, None where its content is not what its labels claim.

    Raise ProvisionerError where a newer version wrote it.
    """
    claimed = described(kept.labels)
    if digest(kept.content) != claimed.digest:
        return None
    return Release(
        number=claimed.number,
        digest=claimed.digest,
        content=decode_content(kept.content),
        created=claimed.created,
        author=claimed.author,
        commit=claimed.commit,
        outcome=claimed.outcome,
        routes=decode_routes(kept.labels.get(ROUTES_LABEL, "[]")),
        departed=decode_routes(kept.labels.get(DEPARTED_LABEL, "[]")),
        inputs=kept.labels.get(INPUTS_LABEL, ""),
    )
