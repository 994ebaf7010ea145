"""Compose's short forms, opened into the long ones."""

from __future__ import annotations

import re
import shlex
from typing import Any

from provisioner.spec.fields import Unfit, VolumeName, argument, one_line
from provisioner.spec.tree import Scalar, describe

_TMPFS_OPTION = re.compile(
    r"size=\d+[kmg%]?|mode=[0-7]{3,4}|(?:uid|gid|nr_inodes|nr_blocks)=\d+[kmg]?"
    r"|(?:no)?(?:exec|suid|dev|atime|diratime)|ro|rw"
)


def words(value: Any) -> Any:
    """Open a command written as one text into its words, as a shell would."""
    if not isinstance(value, Scalar):
        return value
    try:
        parts = shlex.split(argument(value))
    except ValueError as error:
        raise Unfit(f"the command cannot be split into words: {str(error).lower()}") from None
    return [_like(value, part) for part in parts]


def program(value: Any) -> Any:
    """Open a command as `words` does; there has to be one."""
    found = words(value)
    if isinstance(found, list) and not found:
        raise Unfit("there is no command", "[./hooks/check.sh, argument]")
    return found


def hook(value: Any) -> Any:
    """Open the command of a hook into a mapping."""
    return {"command": value} if isinstance(value, Scalar | list) else value


def health_test(value: Any) -> Any:
    """Open a health test written as one text into a shell's; check the first word of a list."""
    if isinstance(value, Scalar):
        return [_like(value, "CMD-SHELL"), value]
    first = value[0] if isinstance(value, list) and value else None
    if not isinstance(first, Scalar) or first.text not in {"CMD", "CMD-SHELL"}:
        raise Unfit("a test begins with CMD or CMD-SHELL", "[CMD, program, argument]")
    if len(value) == 1 or (first.text == "CMD-SHELL" and len(value) > 2):  # noqa: PLR2004 - the marker and one text
        raise Unfit(f"{first.text} takes {'one text' if first.text == 'CMD-SHELL' else 'a program and its arguments'}")
    return value


def pairs(value: Any) -> Any:
    """Open a list of `KEY=VALUE` into a mapping."""
    if not isinstance(value, list):
        return value
    found: dict[str, Scalar] = {}
    for item in value:
        if not isinstance(item, Scalar):
            raise Unfit(f"expected KEY=VALUE, found {describe(item)}")
        key, sign, text = item.text.partition("=")
        if key in found:
            raise Unfit(f"'{key}' is set twice", "keep one of them")
        found[key] = Scalar(item.place, text, text if sign else None)
    return found


def volume(value: Any) -> Any:
    """Open `source:/target[:ro]` into a mapping, and check a source by its kind."""
    if not isinstance(value, Scalar):
        return value
    source, *rest = one_line(value).split(":")
    modes = {"ro": True, "rw": False}
    if not rest or len(rest) > 2 or (len(rest) == 2 and rest[1] not in modes):  # noqa: PLR2004 - target and mode
        raise Unfit(f"expected NAME:/path or NAME:/path:ro, found {describe(value)}")
    read_only = modes[rest[1]] if len(rest) == 2 else False  # noqa: PLR2004 - target and mode
    flag = Scalar(value.place, str(read_only).lower(), read_only, plain=True)
    return {"source": _like(value, source), "target": _like(value, rest[0]), "read_only": flag}


def secret_use(value: Any) -> Any:
    """Open the name of a secret into a mapping."""
    return {"source": value} if isinstance(value, Scalar) else value


def volume_source(value: object) -> str:
    """Read the name of a volume or an absolute path of the host."""
    text = one_line(value)
    if text.startswith("/") and ".." not in text.split("/"):
        return text.rstrip("/") or "/"
    if text.startswith((".", "~", "/")):
        raise Unfit(f"a path on the host must be absolute, found {describe(value)}")
    return VolumeName(value)


def boolean(value: object) -> bool:
    """Read true or false."""
    found = value.value if isinstance(value, Scalar) else value
    if not isinstance(found, bool):
        raise Unfit(f"expected true or false, found {describe(value)}")
    return found


def one_or_more(value: Any) -> Any:
    """Open a single text into a list of it."""
    return [value] if isinstance(value, Scalar) else value


def tmpfs(value: object) -> tuple[str, str]:
    """Read `/path[:options]` as path and options."""
    path, _, options = one_line(value).partition(":")
    if not path.startswith("/") or ".." in path.split("/"):
        raise Unfit(f"expected an absolute path, found {describe(value)}")
    unknown = [option for option in options.split(",") if options and not _TMPFS_OPTION.fullmatch(option)]
    if unknown:
        raise Unfit(f"'{unknown[0]}' is not an option of a tmpfs", "such as size=16m,mode=1777,noexec")
    return path.rstrip("/") or "/", options


def _like(value: Scalar, text: str) -> Scalar:
    return Scalar(value.place, text, text)
