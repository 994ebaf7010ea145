"""The record of nodes that a person drained, which lies beside the balancer's file: values to JSON and back."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from provisioner.errors import BalancerRefused
from provisioner.model.balancer import Drained

RECORD = "/etc/haproxy/drained.json"
_SCHEMA = 1


def encode_drained(drained: tuple[Drained, ...]) -> bytes:
    """Return the record as JSON, the nodes in order."""
    content = {"schema": _SCHEMA, "drained": [asdict(each) for each in sorted(drained)]}
    return (json.dumps(content, indent=1, ensure_ascii=False) + "\n").encode()


def decode_drained(host: str, written: bytes | None) -> tuple[Drained, ...]:
    """Return what a record says, nothing where there is none. Raise BalancerRefused where it cannot be read.

    To take it for empty would let nodes in that somebody wants out.
    """
    if written is None:
        return ()
    try:
        return _read(json.loads(written))
    except (ValueError, KeyError, TypeError) as error:
        hint = f"put {RECORD} of the balancer's container right, or remove it when no node has to stay out"
        raise BalancerRefused(host, "its record of drained nodes cannot be read", hint=hint) from error


def _read(content: Any) -> tuple[Drained, ...]:
    if content["schema"] != _SCHEMA:
        raise ValueError(content["schema"])
    return tuple(sorted(Drained(**each) for each in content["drained"]))
