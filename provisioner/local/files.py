"""Writes files where the user asked for them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from provisioner.errors import StorageFailed


def write_tree(folder: Path, files: Mapping[str, str]) -> None:
    """Write files by their path below a folder, which is made. Raise StorageFailed."""
    for name, text in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        except OSError as error:
            raise StorageFailed(f"{path} cannot be written: {error.strerror}", hint="name another folder") from error


def replace_file(path: Path, text: str) -> None:
    """Write a file beside and rename it over the one before: readers find either, whole. Raise StorageFailed."""
    beside = path.with_name(f"{path.name}.new")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be written: {error.strerror}", hint="name another file") from error


def write_private(path: Path, content: bytes) -> None:
    """Write a file that its owner alone may read. Raise StorageFailed."""
    try:
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_bytes(content)
    except OSError as error:
        raise StorageFailed(f"{path} cannot be written: {error.strerror}", hint="name another file") from error


def own_folder(folder: Path) -> Path:
    """Make a folder of ours that git ignores, and return it. Raise StorageFailed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        ignore = folder / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        raise StorageFailed(f"{folder} cannot be made: {error.strerror}", hint="set PROVISIONER_CACHE") from error
    return folder
