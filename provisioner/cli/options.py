"""The options every verb takes, before the verb or after it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from provisioner.views.view import View


@dataclass(frozen=True, slots=True)
class Common:
    """What the user said that no single verb owns; None where he said nothing."""

    file: str | None = None
    env: str | None = None
    inventory: str | None = None
    limit: str | None = None
    json: bool | None = None
    no_color: bool | None = None
    quiet: bool | None = None
    verbose: int | None = None
    forks: int | None = None
    no_input: bool | None = None


@dataclass(slots=True)
class Door:
    """What one run of the command line keeps: the options before the verb, and the view once it is chosen."""

    common: Common = Common()
    view: View | None = None


OPTIONS: dict[str, Any] = {
    "file": Annotated[str | None, typer.Option("--file", "-f", help="The spec. [default: fleet.yaml]", metavar="FILE")],
    "env": Annotated[
        str | None, typer.Option("--env", "-e", help="The environment: picks the inventory.", metavar="ENV")
    ],
    "inventory": Annotated[
        str | None, typer.Option("--inventory", "-i", help="The inventory. [default: inventories/]", metavar="FILE")
    ],
    "limit": Annotated[str | None, typer.Option("--limit", help="Only these hosts.", metavar="PATTERN")],
    "json": Annotated[bool | None, typer.Option("--json", help="Print JSON on stdout.")],
    "no_color": Annotated[bool | None, typer.Option("--no-color", help="No colours.")],
    "quiet": Annotated[bool | None, typer.Option("--quiet", "-q", help="Only results and errors.")],
    "verbose": Annotated[int | None, typer.Option("--verbose", "-v", count=True, help="More of what happens.")],
    "forks": Annotated[
        int | None, typer.Option("--forks", min=1, help="Hosts worked on together. [default: 10]", metavar="N")
    ],
    "no_input": Annotated[bool | None, typer.Option("--no-input", help="Never ask.")],
}


Without = Annotated[
    list[str] | None,
    typer.Option("--without", help="Take no lease on this host: it is dead for good.", metavar="HOST"),
]
Locked = Annotated[bool, typer.Option("--locked", help="Refuse a name that moves and is not in the lock file.")]


def takes_common(verb: Callable[..., int]) -> Callable[..., int]:
    """Give a verb the common options; what stands after the verb wins over what stands before it."""
    inner = inspect.signature(verb, eval_str=True)
    own = [parameter for name, parameter in inner.parameters.items() if name != "common"]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)
        for name, annotation in OPTIONS.items()
    ]

    @functools.wraps(verb)
    def with_common(**given: Any) -> int:
        context: typer.Context = given.pop("context")
        mine = {name: given.pop(name) for name in OPTIONS}
        return verb(context, merge(door(context).common, mine), **given)

    own = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in own]
    with_common.__signature__ = inspect.Signature([*own, *added], return_annotation=int)  # type: ignore[attr-defined]
    with_common.__annotations__ = {each.name: each.annotation for each in (*own, *added)}
    return with_common


def door(context: typer.Context) -> Door:
    """Return what this run keeps."""
    kept = context.find_root().obj
    return kept if isinstance(kept, Door) else Door()


def merge(before: Common, given: dict[str, Any]) -> Common:
    """Return the options with those that were given in place of those before."""
    said = {
        each.name: given[each.name] for each in fields(Common) if given.get(each.name) or given.get(each.name) == ""
    }
    return replace(before, **said)
