"""What pydantic found wrong, said in the words of the spec and put in its place."""

from __future__ import annotations

import typing
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from provisioner.errors import Diagnostic
from provisioner.spec.fields import Unfit, nearest, not_carried_out
from provisioner.spec.schema import FleetText, Strict
from provisioner.spec.tree import Location, Positions, Table, describe

_KEY_MARK = "[key]"
_WANTED = {"dict_type": "a mapping", "model_type": "a mapping", "list_type": "a list"}


def explain(error: ErrorDetails, positions: Positions) -> Diagnostic:
    """Return one fault of a spec with its place: a key's for a key, a value's for a value."""
    location: Location = error["loc"]
    if location and location[-1] == _KEY_MARK:
        return positions.at_key(location[:-1], *_sentence(error))
    if error["type"] == "extra_forbidden":
        return positions.at_key(location, *_unknown_key(location))
    if error["type"] == "missing":
        return _missing(location, positions)
    return positions.at_value(location, *_sentence(error))


def _sentence(error: ErrorDetails) -> tuple[str, str]:
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, Unfit):
        return cause.message, cause.suggestion
    wanted = _WANTED.get(error["type"])
    found = describe(error["input"])
    return (f"expected {wanted}, found {found}" if wanted else f"{error['msg']}, found {found}"), ""


def _missing(location: Location, positions: Positions) -> Diagnostic:
    message = f"'{location[-1]}' is missing"
    above = positions.find(location[:-1])
    written = [entry.key for entry in above.entries] if isinstance(above, Table) else []
    model = _model_at(location[:-1])
    unknown = [key for key in written if key not in model.model_fields]
    near = next(iter(get_close_matches(str(location[-1]), unknown, n=1)), "")
    return positions.at_key(location[:-1], message, f"is '{near}' a slip of it?" if near else "")


def _unknown_key(location: Location) -> tuple[str, str]:
    model, key = _model_at(location[:-1]), str(location[-1])
    if key in model.later:
        return not_carried_out(key), ""
    return f"unknown key '{key}'", nearest(key, list(model.model_fields))


def _model_at(location: Location) -> type[Strict]:
    """Return the mapping of the language that stands at a location."""
    here: Any = FleetText
    for part in location:
        here = _below(here, part)
    return _bare(here) if issubclass(_bare(here), Strict) else Strict


def _below(annotation: Any, part: str | int) -> Any:
    here = _bare(annotation)
    if isinstance(here, type) and issubclass(here, BaseModel):
        return here.model_fields[str(part)].annotation
    return typing.get_args(here)[-1]


def _bare(annotation: Any) -> Any:
    is_annotated = typing.get_origin(annotation) is typing.Annotated
    return _bare(typing.get_args(annotation)[0]) if is_annotated else annotation
