"""Images: what each is made of, and what was left out of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict

from rich.console import RenderableType
from rich.text import Text

from provisioner.model.image import Dropped, Made, PathDifference, Rewritten
from provisioner.views.page import clean, indented
from provisioner.views.tables import table
from provisioner.views.words import plural, short, size

Differences = Mapping[str, tuple[PathDifference, ...]]
"""By service, in what two builds of its image differ."""

SCHEMA = 1
HEADERS = ("layer", "size", "entries", "diff id")
DIFFERENCE_HEADERS = ("service", "layer", "path", "difference")
SHOWN = 12
"""Paths that are named for one rule before the rest is only counted."""


def images_page(images: Mapping[str, Made], width: int, *, every_path: bool) -> Iterator[RenderableType]:
    """Yield each image by its tag: its layers bottom-up, what was left out by rule, what was set back by rule."""
    if not images:
        yield "No images."
    for number, (tag, made) in enumerate(images.items()):
        if number:
            yield ""
        yield Text.assemble((tag, "strong"), f"  {short(made.facts.image_id)}")
        yield from _layers(made, width)
        for dropped in made.explanation.dropped:
            yield from _paths("left out", dropped, every_path=every_path)
        for rewritten in made.explanation.rewritten:
            yield from _paths("set back", rewritten, every_path=every_path)


def images_object(images: Mapping[str, Made]) -> dict[str, object]:
    """Return `build --explain --json`."""
    described = [
        {"tag": tag, "image_id": made.facts.image_id, "platform": made.facts.platform, **asdict(made.explanation)}
        for tag, made in images.items()
    ]
    return {"schema": SCHEMA, "images": described}


def differences_page(found: Differences, width: int) -> Iterator[RenderableType]:
    """Yield in what two builds of each image differ, and how many of them came out equal."""
    rows = tuple(_rows(found))
    if rows:
        yield from table(DIFFERENCE_HEADERS, rows, width)
    equal = sum(not paths for paths in found.values())
    yield Text(f"{equal} of {plural(len(found), 'image')} came out equal.", style="strong")


def differences_object(found: Differences) -> dict[str, object]:
    """Return `build --check --json`."""
    rows = [dict(zip(DIFFERENCE_HEADERS, row, strict=True)) for row in _rows(found)]
    return {"schema": SCHEMA, "checked": list(found), "differences": rows}


def _rows(found: Differences) -> Iterator[tuple[str, str, str, str]]:
    for service, paths in found.items():
        for each in paths:
            yield service, each.section, clean(each.path), each.how


def _layers(made: Made, width: int) -> Iterator[RenderableType]:
    if not made.explanation.layers:
        yield indented(Text("made elsewhere: nothing is known here but its layers", style="faint"))
        yield from table(("diff id",), [(short(diff_id),) for diff_id in made.facts.layers], width)
        return
    rows = [
        (each.section, size(each.size), str(each.entries or ""), short(each.diff_id))
        for each in made.explanation.layers
    ]
    yield from table(HEADERS, rows, width)


def _paths(what: str, paths: Dropped | Rewritten, *, every_path: bool) -> Iterator[RenderableType]:
    yield Text.assemble((f"{what}: ", "faint"), f"{paths.rule} ({plural(len(paths.paths), 'path')})")
    shown = paths.paths if every_path else paths.paths[:SHOWN]
    for path in shown:
        yield indented(clean(f"/{path}"))
    if len(shown) < len(paths.paths):
        yield indented(Text(f"and {len(paths.paths) - len(shown)} more, which -v names", style="faint"))
