"""Build contexts: what a build reads from a folder of the user, entry by entry, whatever the times and owners."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from provisioner.errors import Diagnostic, InvalidInput
from provisioner.local.dockerignore import NAME, IgnoreRules, parse_rules
from provisioner.model.image import ContextFile

_EXECUTABLE = 0o755
_PLAIN = 0o644


def read_context(folder: Path) -> tuple[ContextFile, ...]:
    """Return every file and symbolic link of a build context, sorted by path.

    What its `.dockerignore` names is left out, and that file itself, which is no content but an instruction. Links
    stay links. Of a mode only the right to execute counts. Empty folders do not count, as in git. Raise InvalidInput,
    with every entry that cannot be sent, and where there is no such folder.
    """
    if not folder.is_dir():
        reason = "the build context is not a folder" if folder.exists() else "there is no such build context"
        raise InvalidInput((Diagnostic(str(folder), 0, 0, reason, "a folder"),))
    entries: list[ContextFile] = []
    faults: list[Diagnostic] = []
    for path in _paths(folder, "", _rules(folder), faults):
        try:
            entries.append(_entry(folder, path))
        except OSError as error:
            faults.append(_fault(folder, path, f"cannot be read: {error.strerror}"))
        except ValueError as error:
            faults.append(_fault(folder, path, str(error)))
    if faults:
        raise InvalidInput(tuple(faults))
    return tuple(sorted(entries, key=lambda entry: entry.path))


def _rules(folder: Path) -> IgnoreRules:
    path = folder / NAME
    try:
        return parse_rules(path.read_text(encoding="utf-8"), str(path))
    except FileNotFoundError:
        return IgnoreRules()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput((_fault(folder, NAME, f"cannot be read: {error}"),)) from error


def _paths(folder: Path, prefix: str, rules: IgnoreRules, faults: list[Diagnostic]) -> Iterator[str]:
    """Yield the path of every entry that is no folder, without following links."""
    try:
        found = list(os.scandir(folder / prefix))
    except OSError as error:
        faults.append(_fault(folder, prefix, f"cannot be read: {error.strerror}"))
        return
    for entry in found:
        path = f"{prefix}{entry.name}"
        ignored = rules.ignores(path)
        if entry.is_dir(follow_symlinks=False):
            if not ignored or rules.has_exceptions:
                yield from _paths(folder, f"{path}/", rules, faults)
        elif not ignored and path != NAME:
            yield path


def _entry(folder: Path, path: str) -> ContextFile:
    try:
        path.encode()
    except UnicodeEncodeError as error:
        raise ValueError("its name is not UTF-8") from error
    source = folder / path
    status = source.lstat()
    if stat.S_ISLNK(status.st_mode):
        return ContextFile(path, str(source), 0o777, 0, "", link=os.readlink(source))  # noqa: PTH115  # Path would tidy the target up
    if not stat.S_ISREG(status.st_mode):
        raise ValueError(f"is a {_kind(status.st_mode)}; only files, folders and links can be sent to a build")
    with source.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
        size = content.tell()
    mode = _EXECUTABLE if status.st_mode & stat.S_IXUSR else _PLAIN
    return ContextFile(path, str(source), mode, size, digest)


def _kind(mode: int) -> str:
    if stat.S_ISSOCK(mode):
        return "socket"
    return "pipe" if stat.S_ISFIFO(mode) else "device"


def _fault(folder: Path, path: str, message: str) -> Diagnostic:
    suggestion = f"remove it, or name it in {folder / NAME}"
    return Diagnostic(str(folder / path).encode(errors="backslashreplace").decode(), 0, 0, message, suggestion)
