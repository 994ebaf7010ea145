"""A host's engine pulls an image by digest; who it is to the registry travels in a header and stays nowhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from provisioner.hosts.engine import Engine
from provisioner.hosts.refusals import refused
from provisioner.model.secret import Login
from provisioner.ports import Progress


def pull(engine: Engine, reference: str, login: Login | None, progress: Progress) -> int:
    """Pull an image and return the bytes of the layers that travelled. Raise EngineRefused."""
    layers: dict[str, tuple[int, int]] = {}
    auth = login.credentials() if login else None
    with engine.client(patient=True) as client:
        for answer in client.pull(reference, stream=True, decode=True, auth_config=auth):
            if error := read_pull_error(answer):
                raise refused(engine.host, f"pulling {reference}: {error}")
            hear(answer, layers)
            done, total = (sum(numbers) for numbers in zip(*layers.values(), strict=True)) if layers else (0, 0)
            progress(f"pulling {reference}", done, total)
    return sum(total for _, total in layers.values())


def read_pull_error(answer: Mapping[str, Any]) -> str:
    """Return why a pull failed, where a message of it says so."""
    return str(answer.get("error") or (answer.get("errorDetail") or {}).get("message") or "")


def hear(answer: Mapping[str, Any], layers: dict[str, tuple[int, int]]) -> None:
    """Note how far the download of a layer is, where a message of a pull says so."""
    detail = answer.get("progressDetail") or {}
    if answer.get("status") == "Downloading" and detail.get("total"):
        layers[str(answer["id"])] = (int(detail["current"]), int(detail["total"]))
