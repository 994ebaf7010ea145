"""A plan as a file, and back."""

from __future__ import annotations

import json

from provisioner.errors import UsageError
from provisioner.model.plan import SavedPlan
from provisioner.spec.codec import Unreadable, decode, encode

SCHEMA = 1
_HINT = "make it again with `provisioner plan -o FILE`"


def encode_plan(saved: SavedPlan) -> bytes:
    """Return a plan as JSON: equal plans give equal bytes."""
    document = {"schema": SCHEMA, "plan": encode(saved, SavedPlan)}
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def decode_plan(content: bytes, path: str) -> SavedPlan:
    """Return the plan that a file holds. Raise UsageError where it holds none that this version knows."""
    try:
        document = json.loads(content)
        if not isinstance(document, dict) or document.get("schema") != SCHEMA:
            raise UsageError(f"{path} is no plan that this version knows", hint=_HINT)
        saved: SavedPlan = decode(document.get("plan"), SavedPlan)
    except (ValueError, RecursionError, Unreadable) as error:
        raise UsageError(f"{path} is no plan: {error}", hint=_HINT) from None
    return saved
