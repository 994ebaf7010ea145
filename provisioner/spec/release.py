"""A release's content as canonical bytes, and back."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from typing import Any

from provisioner.errors import ProvisionerError
from provisioner.model.observed import HostRoute
from provisioner.model.release import ReleaseContent
from provisioner.spec.codec import Unreadable, decode, encode

SCHEMA = 2
READABLE = frozenset({1, SCHEMA})
_HINT = "update provisioner on this machine, or use the one that made the release"


def encode_content(content: ReleaseContent) -> bytes:
    """Return a release's content as JSON: sorted keys, no spaces, UTF-8; equal contents give equal bytes."""
    return _canonical({"schema": SCHEMA, "content": encode(content, ReleaseContent)}).encode()


def digest(encoded: bytes) -> str:
    """Return the digest that names a release's content: sha256 in hex."""
    return hashlib.sha256(encoded).hexdigest()


@lru_cache(maxsize=8)
def decode_content(encoded: bytes) -> ReleaseContent:
    """Return the content that bytes hold. Raise ProvisionerError where a newer version wrote them, or none of ours.

    The last few are remembered: a run reads the same release off its hosts again and again.
    """
    document = _parsed(encoded, "a release")
    if not isinstance(document, dict) or document.get("schema") not in READABLE:
        raise ProvisionerError("reading a release: it has another form than this version knows", hint=_HINT)
    content: ReleaseContent = _decoded(document.get("content"), ReleaseContent, "a release")
    return content


def encode_routes(routes: tuple[HostRoute, ...]) -> str:
    """Return how hosts were reached, as JSON for a label."""
    return _canonical(encode(routes, tuple[HostRoute, ...]))


def decode_routes(text: str) -> tuple[HostRoute, ...]:
    """Return how hosts were reached. Raise ProvisionerError where the text is not ours."""
    found: tuple[HostRoute, ...] = _decoded(_parsed(text.encode(), "host routes"), tuple[HostRoute, ...], "host routes")
    return found


def _canonical(document: Any) -> str:
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def _parsed(encoded: bytes, what: str) -> Any:
    try:
        return json.loads(encoded)
    except (ValueError, RecursionError):
        raise ProvisionerError(f"reading {what}: it is not JSON") from None


def _decoded(document: Any, kind: Any, what: str) -> Any:
    try:
        return decode(document, kind)
    except Unreadable as error:
        raise ProvisionerError(f"reading {what}: {error}", hint=_HINT) from None
