"""Templates of this machine: the user's own before those that came with us."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import provisioner
from provisioner.errors import Diagnostic, InvalidInput
from provisioner.render.templates import TemplateSource

OVERRIDES = "templates"
"""The folder beside a spec whose templates take the place of ours of the same name."""


class TemplateFolders:
    """Finds templates: by their path from the spec's folder, in `templates/` beside it, then among ours."""

    def __init__(self, folder: Path, shipped: Path | None = None) -> None:
        self._folder = folder
        self._shipped = shipped or shipped_templates()

    def __call__(self, name: str) -> TemplateSource | None:
        """Return a template by name or path, None where there is none. Raise InvalidInput where it is no text."""
        for root in (self._folder, self._folder / OVERRIDES, self._shipped):
            path = root / name
            if path.is_file():
                _refuse_leading_out(path, root)
                return TemplateSource(str(path), _text(path))
        return None


def shipped_templates() -> Path:
    """Return the folder of the templates that came with us: inside the package, or beside it in a checkout."""
    inside = Path(str(resources.files(provisioner))) / "templates"
    return inside if inside.is_dir() else Path(provisioner.__file__).parents[1] / "templates"


def _refuse_leading_out(path: Path, root: Path) -> None:
    """Refuse a link that leads out of the folder in which the user named the template."""
    home = root if path.absolute().is_relative_to(root.absolute()) and ".." not in path.parts else path.parent
    if not path.resolve().is_relative_to(home.resolve()):
        raise InvalidInput((Diagnostic(str(path), 0, 0, f"is a link that leads out of {home}"),))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InvalidInput((Diagnostic(str(path), 0, 0, "a template has to be text in UTF-8"),)) from error
    except OSError as error:
        raise InvalidInput((Diagnostic(str(path), 0, 0, f"cannot be read: {error.strerror}"),)) from error
