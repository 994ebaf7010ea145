"""The arguments of a build: what the user gives for `ARG`, and what a template reads as `args`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from provisioner.errors import Diagnostic, InvalidInput
from provisioner.render.quoting import UnsafeValue, quote_dockerfile
from provisioner.render.structure import instructions
from provisioner.render.templates import Rendered


def with_arguments(dockerfile: str, arguments: Mapping[str, str], path: str) -> str:
    """Return a Dockerfile whose `ARG NAME` and `ARG NAME=default` have the values that were given.

    Raise InvalidInput, at the template's `path`, where a value cannot be written into a Dockerfile.
    """
    if not arguments:
        return dockerfile
    lines = dockerfile.split("\n")
    for each in instructions(dockerfile):
        name = each.arguments.partition("=")[0].strip()
        if each.keyword == "ARG" and name in arguments and not lines[each.line - 1].rstrip().endswith("\\"):
            lines[each.line - 1] = f"ARG {name}={_quoted(name, arguments[name], path)}"
    return "\n".join(lines)


def _quoted(name: str, value: str, path: str) -> str:
    try:
        return quote_dockerfile(value)
    except UnsafeValue as error:
        raise InvalidInput((Diagnostic(path, 0, 0, f"argument `{name}`: {error}"),)) from error


def refuse_unused_arguments(arguments: Mapping[str, str], rendered: Iterable[Rendered]) -> None:
    """Raise InvalidInput for arguments that no template of the build mentions: a name may be mistyped."""
    sources = [source for each in rendered for source in each.sources]
    text = "\n".join(source.text for source in sources)
    unused = [name for name in arguments if not re.search(rf"\b{re.escape(name)}\b", text)]
    if unused:
        path = sources[0].path
        raise InvalidInput(tuple(Diagnostic(path, 0, 0, f"the template reads no argument `{name}`") for name in unused))
