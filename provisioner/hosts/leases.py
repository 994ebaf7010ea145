"""The leases on a real host: containers that are created, put into, and never started."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from provisioner.errors import EngineRefused
from provisioner.hosts.archives import pack
from provisioner.hosts.container_files import read_file
from provisioner.hosts.engine import Engine
from provisioner.hosts.image_lookup import ImageLookup
from provisioner.hosts.image_reading import Answer
from provisioner.hosts.one_write import Question, Reply, ask
from provisioner.model.container import (
    EPOCH_LABEL,
    FLEET_LABEL,
    KIND_LABEL,
    LEASE_LABEL,
    OWNER_LABEL,
    RUN_LABEL,
    TERM_LABEL,
)
from provisioner.model.lease import RELEASED, USUAL_TERM, LeaseClaim, LeaseSight, ObservedLease
from provisioner.ports import FileContent

FOLDER = "/l"
"""The folder whose modification time is the last sign of life. Never `/`: newer engines touch that when they look."""

_SECONDS = 10.0
_NOT_FOUND = 404
_TRIES = 3
_STAT = "x-docker-container-path-stat"


class EngineLeases:
    """The leases on one engine. All raise HostError.

    The host's kernel sets the time of `/l` at each put, and the engine tells both that and its own time of day: no
    clock of ours takes part.
    """

    def __init__(self, engine: Engine, images: ImageLookup) -> None:
        self._engine = engine
        self._images = images

    def look(self, fleet: str) -> LeaseSight:
        """Return the leases of a fleet, and how old the latest one's last sign of life is by the host's clock."""
        for _ in range(_TRIES):
            with self._engine.client() as client:
                listed = client.containers(all=True)
            leases, floor = read_leases(listed, fleet), read_floor(listed, fleet)
            if not leases:
                return LeaseSight(self._engine.host, 0.0, (), floor)
            told = self._head(leases[0].lease_id, FOLDER)
            if told is not None:
                released = self._head(leases[0].lease_id, f"{FOLDER}/{RELEASED}") is not None
                return seen(self._engine.host, leases, floor, told.headers, released=released)
        raise EngineRefused(self._engine.host, "its lease is removed again and again while it is looked at")

    def read(self, lease_id: str, name: str) -> bytes | None:
        """Return a file of a lease, None where there is none."""
        return read_file(self._engine, lease_id, f"{FOLDER}/{name}")

    def create(self, image_id: str, claim: LeaseClaim) -> str:
        """Take an epoch and return the lease's id. Raise EngineRefused with 409 where somebody has taken it."""
        body = {
            "Image": self._images.own_id(image_id),
            "Cmd": ["x"],
            "Labels": claim_labels(claim),
            "HostConfig": {"NetworkMode": "none"},
        }
        path = f"/containers/create?name={quote(lease_name(claim))}"
        return str(json.loads(self._ask("POST", path, json.dumps(body).encode()).body)["Id"])

    def put(self, lease_id: str, name: str, content: bytes) -> None:
        """Write a file into a lease, which is its sign of life. Raise EngineRefused with 404 where it is gone."""
        archive = pack((FileContent(name, content),))
        self._ask("PUT", f"/containers/{lease_id}/archive?path={FOLDER}", archive, "application/x-tar")

    def remove(self, lease_id: str) -> None:
        """Remove a lease; one that is gone already is removed."""
        try:
            self._ask("DELETE", f"/containers/{lease_id}?force=1")
        except EngineRefused as error:
            if error.status != _NOT_FOUND:
                raise

    def _head(self, lease_id: str, path: str) -> Reply | None:
        try:
            return self._ask("HEAD", f"/containers/{lease_id}/archive?path={path}")
        except EngineRefused as error:
            if error.status != _NOT_FOUND:
                raise
            return None

    def _ask(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> Reply:
        with self._engine.talking():
            route = self._engine.find()
            question = Question(method, f"/v{route.api_version}{path}", body, kind)
            return ask(self._engine.host, route.opener, question, _SECONDS)


def lease_name(claim: LeaseClaim) -> str:
    """Return the name of a lease's container: of two who take one epoch the engine gives it to one."""
    return f"provisioner-{claim.fleet}-lease-{claim.epoch}"


def claim_labels(claim: LeaseClaim) -> dict[str, str]:
    """Return what a lease's container is labelled with."""
    return {
        LEASE_LABEL: claim.fleet,
        EPOCH_LABEL: str(claim.epoch),
        RUN_LABEL: claim.run,
        OWNER_LABEL: claim.owner,
        TERM_LABEL: f"{claim.term:g}",
        KIND_LABEL: "lease",
    }


def read_claim(labels: Mapping[str, str]) -> LeaseClaim:
    """Return what the labels of a lease say; a term that cannot be read is the usual one."""
    term = labels.get(TERM_LABEL, "").replace(".", "", 1)
    return LeaseClaim(
        fleet=labels.get(LEASE_LABEL, ""),
        epoch=_number(labels.get(EPOCH_LABEL, "")),
        run=labels.get(RUN_LABEL, ""),
        owner=labels.get(OWNER_LABEL, ""),
        term=float(labels[TERM_LABEL]) if term.isascii() and term.isdecimal() else USUAL_TERM,
    )


def read_leases(listed: Iterable[Answer], fleet: str) -> tuple[ObservedLease, ...]:
    """Return the leases of a fleet in an answer to `GET /containers/json`, the latest first."""
    found = [each for each in listed if _labels(each).get(LEASE_LABEL) == fleet]
    leases = [ObservedLease(each["Id"], read_claim(_labels(each)), float(each["Created"])) for each in found]
    return tuple(sorted(leases, key=lambda lease: -lease.claim.epoch))


def read_floor(listed: Iterable[Answer], fleet: str) -> int:
    """Return the highest epoch on any lease and any container of a fleet."""
    labels = [_labels(each) for each in listed]
    stamped = [each for each in labels if fleet in {each.get(FLEET_LABEL), each.get(LEASE_LABEL)}]
    return max((_number(each.get(EPOCH_LABEL, "")) for each in stamped), default=0)


def seen(
    host: str, leases: tuple[ObservedLease, ...], floor: int, headers: Mapping[str, str], *, released: bool
) -> LeaseSight:
    """Return what the headers of an answer about the latest lease's folder tell of it."""
    mark = str(json.loads(base64.b64decode(headers[_STAT]))["mtime"])
    now = parsedate_to_datetime(headers["date"]).timestamp()
    first = leases[0]
    # Before the first put the folder is as old as its image.
    beaten = max(first.taken, datetime.fromisoformat(mark).timestamp())
    latest = ObservedLease(first.lease_id, first.claim, first.taken, beaten, mark, released)
    return LeaseSight(host, now, (latest, *leases[1:]), floor)


def _labels(entry: Answer) -> Mapping[str, str]:
    found: Any = entry.get("Labels")
    return found or {}


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() else 0
