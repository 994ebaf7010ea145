"""What HAProxy says of its servers, read: the statistics as CSV, and the administrative states of its socket."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from provisioner.model.balancer import AdminState, ServerState

MAINTENANCE = 0x01 | 0x02 | 0x04 | 0x20 | 0x40
"""Bits of `srv_admin_state`: forced, inherited, configured, no address, unknown name (HAProxy's management guide)."""
DRAINING = 0x08 | 0x10
"""Bits of `srv_admin_state`: forced, inherited."""

_NOT_YET = ("", "INI", "UNK")
_RUNNING = ("1", "2")
_NO_SERVER = ("FRONTEND", "BACKEND")

Health = Literal["up", "down", "unchecked"]
_Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Judgement:
    """What a server's own checks say: the last result's code and words, and how many failed."""

    check: str
    failed: int
    answer: str


def servers_from_csv(text: str) -> tuple[ServerState, ...]:
    """Return every server of the statistics in CSV, as far as they tell.

    They do not tell a server that is drained and down from one that is merely down: it is given as ready.
    """
    rows = list(_rows(text))
    judgements = {_key(row): _Judgement(_check(row), _number(row, "chkfail"), _answer(row)) for row in rows}
    return tuple(_server(row, _judgement(row, judgements)) for row in rows)


def with_admin_states(servers: tuple[ServerState, ...], states: str) -> tuple[ServerState, ...]:
    """Return servers with what only `show servers state` tells: administrative state, and up or down for sure."""
    found = {(row["be_name"], row["srv_name"]): row for row in _table(states)}
    return tuple(_with_state(server, found.get((server.backend, server.name))) for server in servers)


def tracked_servers(text: str) -> dict[_Key, _Key]:
    """Return by backend and name the server whose checks count for another one."""
    pairs = ((_key(row), row.get("tracked", "").rpartition("/")) for row in _rows(text))
    return {key: (backend, name) for key, (backend, _, name) in pairs if name}


def _rows(text: str) -> Iterator[Mapping[str, str]]:
    lines = text.lstrip("# \n").splitlines()
    for row in csv.DictReader(line for line in lines if line.strip()):
        if row.get("svname") not in {*_NO_SERVER, None}:
            yield row


def _table(text: str) -> Iterator[Mapping[str, str]]:
    """Yield the rows of `show servers state`: a version, a line of names behind `#`, then one line per server."""
    names: list[str] = []
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["#"]:
            names = words[1:]
        elif len(words) > 1 and names:
            yield dict(zip(names, words, strict=False))


def _key(row: Mapping[str, str]) -> _Key:
    return row["pxname"], row["svname"]


def _judgement(row: Mapping[str, str], judgements: Mapping[_Key, _Judgement]) -> _Judgement:
    backend, _, name = row.get("tracked", "").rpartition("/")
    return judgements.get((backend, name)) or judgements[_key(row)]


def _server(row: Mapping[str, str], judgement: _Judgement) -> ServerState:
    status = row.get("status", "").split(" ", 1)[0]
    admin: AdminState = "maint" if status == "MAINT" else "drain" if status == "DRAIN" else "ready"
    state = ServerState(
        backend=row["pxname"],
        name=row["svname"],
        admin=admin,
        health="unchecked",
        check=judgement.check,
        sessions=_number(row, "scur"),
        total=_number(row, "stot"),
        weight=_number(row, "weight"),
        address=row.get("addr", ""),
        failed_checks=judgement.failed,
        errors_5xx=_number(row, "hrsp_5xx"),
        answer=judgement.answer,
        times_down=_number(row, "chkdown"),
        broken=_number(row, "eresp"),
    )
    return _judged(state, running=status in {"UP", "DRAIN", "NOLB"})


def _judged(state: ServerState, *, running: bool) -> ServerState:
    """Return a server with its health: nobody checks in maintenance, and a fresh worker has not checked yet."""
    unchecked = state.admin == "maint" or (running and state.check in _NOT_YET)
    health: Health = "unchecked" if unchecked else "up" if running else "down"
    return replace(state, health=health)


def _with_state(server: ServerState, row: Mapping[str, str] | None) -> ServerState:
    if row is None:
        return server
    bits = int(row["srv_admin_state"])
    admin: AdminState = "maint" if bits & MAINTENANCE else "drain" if bits & DRAINING else "ready"
    return _judged(replace(server, admin=admin), running=row["srv_op_state"] in _RUNNING)


def _check(row: Mapping[str, str]) -> str:
    return row.get("check_status", "").removeprefix("* ")


def _answer(row: Mapping[str, str]) -> str:
    return f"{row.get('check_desc', '')} {row.get('check_code', '')}".strip()


def _number(row: Mapping[str, str], name: str) -> int:
    text = row.get(name) or "0"
    return int(text) if text.isdigit() else 0
