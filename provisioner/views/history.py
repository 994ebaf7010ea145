"""Releases: all of a fleet, what one holds, in what two differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

from rich.console import RenderableType
from rich.text import Text

from provisioner.model.desired import DesiredNode
from provisioner.model.image import Known
from provisioner.model.lock import Pins
from provisioner.model.release import BuiltImage, Comparison, History, Release, ReleaseChange
from provisioner.views.marks import Marks
from provisioner.views.page import clean, indented
from provisioner.views.tables import table
from provisioner.views.words import names, plural, short, size

SCHEMA = 1
HEADERS = ("release", "when", "who", "commit", "outcome", "stable", "changed", "on")
_COMMIT = 12
_STYLES = {"+": "add", "-": "remove", "@": "faint"}


def history_page(history: History, width: int) -> Iterator[RenderableType]:
    """Yield every release, newest first."""
    if history.chapters:
        rows = [
            (
                each.name,
                each.created,
                each.author,
                _commit(each.commit),
                each.outcome.replace("_", " "),
                "yes" if each.stable else "no",
                each.changed,
                names(each.hosts),
            )
            for each in history.chapters
        ]
        yield from table(HEADERS, rows, width)
    else:
        yield f"No release of {history.fleet}."
    if history.unreachable:
        yield Text(f"not asked, because unreachable: {names(history.unreachable)}", style="warn")


def history_object(history: History) -> dict[str, object]:
    """Return `history --json`."""
    return {
        "schema": SCHEMA,
        "fleet": history.fleet,
        "releases": [{**asdict(each), "hosts": list(each.hosts)} for each in history.chapters],
        "unreachable": list(history.unreachable),
    }


def release_page(release: Release, width: int) -> Iterator[RenderableType]:
    """Yield what a release holds: its nodes, and what its images are made of."""
    yield Text.assemble((release.name, "strong"), f"  {release.created}  {release.author}  {_commit(release.commit)}")
    yield Text(f"digest {release.digest}", style="faint")
    yield ""
    content = release.content
    nodes = [(str(node.node), short(_image_id(node)), _slots(node)) for node in content.desired.nodes]
    nodes += [(f"{each.host}/load-balancer-1", short(_image_id(each)), each.name) for each in content.desired.balancers]
    yield from table(("node", "image", "slots"), nodes, width)
    if content.builds:
        yield ""
        rows = [
            (each.inputs.service, short(each.image_id), _context(each), str(len(each.inputs.files)), _pinned(each))
            for each in content.builds
        ]
        yield from table(("built", "image", "context", "files", "pinned"), rows, width)


def release_object(release: Release) -> dict[str, object]:
    """Return `history RELEASE --json`."""
    content = release.content
    return {
        "schema": SCHEMA,
        "fleet": content.desired.fleet,
        "release": {
            **{
                key: getattr(release, key)
                for key in ("name", "number", "digest", "created", "author", "commit", "outcome")
            },
            "inputs": release.inputs or None,
            "hosts": list(content.desired.hosts),
            "images": dict(content.desired.images),
            "nodes": [
                {"node": str(node.node), "image_id": _image_id(node), "slots": [asdict(at) for at in node.slots]}
                for node in content.desired.nodes
            ],
            "builds": [_build_object(each) for each in content.builds],
        },
    }


def comparison_page(comparison: Comparison, marks: Marks) -> Iterator[RenderableType]:
    """Yield every difference between two releases."""
    yield Text.assemble((f"{comparison.before} {marks.arrow} {comparison.after}", "strong"))
    for change in comparison.changes:
        what = " ".join(filter(None, (change.subject, change.kind, change.key)))
        yield Text.assemble(("~ ", "change"), what)
        if change.before or change.after:
            yield indented(short(f"{change.before} {marks.arrow} {change.after}"))
        yield from (_diff_line(line) for line in change.text.splitlines())
    count = len(comparison.changes)
    yield f"{plural(count, 'difference')}." if count else "They hold the same."


def comparison_object(comparison: Comparison) -> dict[str, object]:
    """Return `history RELEASE RELEASE --json`."""
    return {
        "schema": SCHEMA,
        "fleet": comparison.fleet,
        "before": comparison.before,
        "after": comparison.after,
        "changes": [_change_object(each) for each in comparison.changes],
    }


def _change_object(change: ReleaseChange) -> dict[str, object]:
    content: dict[str, object] = asdict(change)
    content["diff"] = content.pop("text") or None
    return content


def _build_object(build: BuiltImage) -> dict[str, object]:
    inputs = build.inputs
    return {
        "service": inputs.service,
        "image_id": build.image_id,
        "tag": inputs.tag,
        "platform": inputs.platform,
        "base": asdict(inputs.base) if inputs.base else None,
        "context": [{k: v for k, v in asdict(entry).items() if k != "source"} for entry in inputs.context],
        "files": [file.path for file in inputs.files],
        "pinned": _count(inputs.pins),
    }


def _diff_line(line: str) -> RenderableType:
    return indented(Text(clean(line), style=_STYLES.get(line[:1], "")))


def _image_id(node: object) -> str:
    image = getattr(node, "image", None)
    return image.image_id if isinstance(image, Known) else ""


def _slots(node: DesiredNode) -> str:
    return " ".join(f"{at.slot}={at.address}:{at.host_port}" for at in node.slots)


def _context(build: BuiltImage) -> str:
    entries = build.inputs.context
    return f"{plural(len(entries), 'file')}, {size(sum(entry.size for entry in entries))}" if entries else ""


def _pinned(build: BuiltImage) -> str:
    count = _count(build.inputs.pins)
    return plural(count, "artefact") if count else ""


def _count(pins: Pins) -> int:
    packages = sum(len(part.packages) for part in (pins.suite, pins.packages) if part)
    return packages + (len(pins.wheels.wheels) if pins.wheels else 0) + (1 if pins.image else 0)


def _commit(commit: str) -> str:
    head, dirty, _ = commit.partition("-dirty")
    return head[:_COMMIT] + dirty
