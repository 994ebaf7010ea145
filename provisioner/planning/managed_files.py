"""In what a managed file of a container differs from what its release rendered."""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.model.deviation import Deviation
from provisioner.model.file_state import FileState
from provisioner.model.image import RenderedFile
from provisioner.planning.fields import ABSENT, CHANGED, PRESENT
from provisioner.planning.unified import unified

AS_RENDERED = "as rendered"


def file_deviations(wanted: RenderedFile, seen: FileState | None) -> Iterator[Deviation]:
    """Yield how a file differs: missing, something else in its place, another content, another mode or owner."""
    if seen is None:
        yield Deviation("files", wanted.path, PRESENT, ABSENT)
        return
    if seen.link:
        yield Deviation("files", wanted.path, AS_RENDERED, f"a link to {seen.link}")
        return
    if seen.content != wanted.text.encode():
        detail = unified(wanted.path, wanted.text, seen.text) if seen.text is not None else ""
        yield Deviation("files", wanted.path, AS_RENDERED, CHANGED, detail)
    usual = FileState(None, wanted.mode, 0, 0)
    if seen.rights != usual.rights:
        yield Deviation("files", f"{wanted.path} mode", usual.rights, seen.rights)
