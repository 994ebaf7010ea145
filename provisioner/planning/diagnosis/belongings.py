"""What a release gives to a service's containers, and what changed of it since the last release."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.model.desired import DesiredNode
from provisioner.model.evidence import Belongings, Evidence
from provisioner.model.image import Known
from provisioner.model.release import Release, ReleaseChange
from provisioner.model.secret import MASKED, SECRETS_FOLDER
from provisioner.planning.diagnosis.ends import MEBIBYTE
from provisioner.planning.fields import ABSENT

SECRETS = f"{SECRETS_FOLDER}/"
MOST_CHANGES = 8
_DIGEST = 12


def belongings(release: Release, service: str) -> Belongings | None:
    """Return what a release gives to the containers of a service, None where it has none of that name."""
    node = next((each for each in release.content.desired.nodes if each.node.service == service), None)
    if node is None:
        return None
    mounts = {mount.target: f"{mount.kind} {mount.source}" for mount in node.options.mounts}
    mounts |= {mount.target: "tmpfs" for mount in node.options.tmpfs}
    given = {secret.environment: MASKED for secret in node.secrets if secret.environment}
    return Belongings(
        release=release.name,
        environment={**node.options.environment, **given},
        mounts=mounts,
        files=tuple(sorted(_files(release, node))),
        secrets=tuple(sorted(secret.name for secret in node.secrets if not secret.environment)),
    )


def _files(release: Release, node: DesiredNode) -> Iterator[str]:
    image_id = node.image.image_id if isinstance(node.image, Known) else ""
    for built in release.content.builds:
        if built.image_id == image_id and built.inputs.service == node.node.service:
            yield from (file.path for file in built.inputs.files)
            yield from (file.path for file in built.inputs.context)


def changed(evidence: Evidence) -> tuple[str, ...]:
    """Return what changed since the last release, in a few words each; values of an environment are not among them."""
    told = [_told(change) for change in evidence.changes]
    more = len(told) - MOST_CHANGES
    return (*told[:MOST_CHANGES], *((f"and {more} more",) if more > 0 else ()))


def _told(change: ReleaseChange) -> str:
    what = f"{change.kind} {change.key}".strip()
    if ABSENT in {change.before, change.after}:
        return f"{what}: {'added' if change.before == ABSENT else 'removed'}"
    if change.kind in {"environment", "secret"} or change.text or not (change.before or change.after):
        return f"{what}: changed"
    said = _size if change.kind == "limits" and change.key == "memory" else _short
    return f"{what}: {said(change.before)} -> {said(change.after)}"


def _size(value: str) -> str:
    return f"{int(value) // MEBIBYTE}m" if value.isdigit() and int(value) >= MEBIBYTE else value


def _short(value: str) -> str:
    head, _, digest = value.rpartition("sha256:")
    is_long = len(digest.partition(" ")[0]) > _DIGEST
    return f"{head}{digest[:_DIGEST]}" if is_long and (head or value.startswith("sha256:")) else value or "none"
