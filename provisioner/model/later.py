"""Fields that came into the model after releases had been recorded without them."""

from __future__ import annotations

from dataclasses import Field, field
from typing import Any

_LATER = "later"


def later(default: Any) -> Any:
    """Return a dataclass field that a release leaves out where it has its default.

    So a release whose fleet does not use it keeps the digest it had before the field was known.
    """
    return field(default=default, metadata={_LATER: True})


def is_later(declared: Field[Any]) -> bool:
    """Tell whether a field was declared so."""
    return _LATER in declared.metadata
