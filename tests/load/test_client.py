"""The strict client against a server with seeded faults: it sees each one, once, and nothing else."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from tests.load.__main__ import CALLING, run
from tests.load.callers import Load
from tests.load.faulty_server import FaultyServer
from tests.load.rotation import in_rotation

pytestmark = pytest.mark.slow

QUICK = {"rate": 150.0, "seconds": 0.5, "poll_seconds": 0.1}
PAGE = """HTTP/1.0 200 OK

# pxname,svname,status,weight,
web,FRONTEND,OPEN,,
web,web1.1.a,{},{},
web,web1.1.b,{},{},
web,web2.1.a,UP 1/3,10,
web,BACKEND,UP,3,
check.web.1,web1.1.a,UP,1,
"""


def called(fault: str = "", rotation: list[str] | None = None, **limits: Any) -> dict[str, Any]:
    """Call a server with one fault for less than a second and return the report."""

    async def call() -> dict[str, Any]:
        async with FaultyServer(fault).running() as port:
            tally = await run(Load(port=port, **{**QUICK, **limits}), rotation or [])
            report: dict[str, Any] = json.loads(json.dumps(tally.report()))
            return report

    return asyncio.run(call())


def failures(report: dict[str, Any]) -> dict[str, int]:
    """Return the failures by reason."""
    found: dict[str, int] = {}
    for reasons in report["failed"].values():
        for reason, times in reasons.items():
            found[reason] = found.get(reason, 0) + times
    return found


def test_a_server_without_faults_has_none() -> None:
    """Every kind of caller is answered, every request is answered, and the server is named."""
    report = called()
    assert failures(report) == {}
    assert report["sent"] == report["answered"]
    assert set(report["sent"]) == {"get", "closing get", "post", "long poll", "tunnel"}
    assert report["twice"] == []
    assert report["tunnels"] == {"opened": 3, "cut": 0, "cuts": []}
    assert sum(report["hosts"].values()) == sum(report["sent"].values()) == report["releases"]["r0"]["answers"]
    assert sum(sent for _, sent, _ in report["seconds"]) == sum(report["sent"].values())


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("502", "status 502"),
        ("closed fresh", "closed_fresh"),
        ("closed reused", "closed_reused"),
        ("cut head", "cut_in_head"),
        ("cut body", "cut_in_body"),
        ("garbled", "garbled"),
    ],
)
def test_one_fault_is_one_failure_and_is_never_tried_again(fault: str, reason: str) -> None:
    """A request that goes wrong is counted under its name with its time, and no request is sent in its place."""
    report = called(fault)
    assert failures(report) == {reason: 1}
    assert sum(report["sent"].values()) == sum(report["answered"].values()) + 1
    assert report["begun"] <= report["first_failure"] == report["last_failure"] <= report["ended"]
    assert sum(failed for _, _, failed in report["seconds"]) == 1


def test_a_post_that_was_executed_twice_is_named() -> None:
    """Its answer is good, and still it is a finding with its id."""
    report = called("executed twice")
    assert failures(report) == {}
    assert [name.partition("-")[0] for name in report["twice"]] == ["run"]


def test_a_tunnel_that_was_cut_is_named_and_no_failure() -> None:
    """It is counted apart, with its host and release, and another one is opened."""
    report = called("cut tunnel", seconds=1.6)
    assert failures(report) == {}
    assert (report["tunnels"]["opened"], report["tunnels"]["cut"]) == (4, 1)
    (cut,) = report["tunnels"]["cuts"]
    assert (cut["host"], cut["release"], cut["how"]) == (os.uname().nodename, "r0", "end of stream")


def test_nobody_listening_is_a_failure_of_every_request() -> None:
    """Where no connection can be made each request counts as refused, at the pace of the others."""
    tally = asyncio.run(run(Load(port=1, rate=150.0, seconds=0.5), []))
    report = tally.report()
    assert set(failures(report)) == {"refused"}
    assert sum(report["sent"].values()) < 300


def test_the_count_of_requests_is_bounded() -> None:
    """After as many requests as allowed it ends by itself; those under way are counted."""
    report = called(requests=40, seconds=20.0)
    assert 40 <= sum(report["sent"].values()) <= 60


@pytest.mark.parametrize("end", ["stdin", "SIGTERM"])
def test_as_a_process_it_reports_when_it_is_told_to_stop(end: str) -> None:
    """Its standard input closed, or SIGTERM: it waits for what is under way and prints one object."""
    argv = [sys.executable, "-m", "tests.load", "--port", "1", "--rate", "20", "--seconds", "60"]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == CALLING + "\n"
        time.sleep(0.3)
        if end == "stdin":
            process.stdin.close()
        else:
            process.send_signal(signal.SIGTERM)
        report = json.loads(process.stdout.read())
        assert process.wait(20) == 0
    assert failures(report).keys() == {"refused"}


@pytest.mark.parametrize(
    ("states", "nodes"),
    [
        (("UP", 1, "DOWN", 1), 2),
        (("DRAIN", 1, "UP", 1), 2),
        (("DRAIN", 1, "DOWN", 1), 1),
        (("MAINT", 1, "UP", 0), 1),
        (("UP", 1, "UP", 1), 2),
    ],
)
def test_capacity_counts_nodes_and_not_slots(states: tuple[object, ...], nodes: int) -> None:
    """A node is in rotation while one of its slots is up with a weight; drained, down or at weight 0 it is not."""
    assert in_rotation(PAGE.format(*states)) == {"web": nodes}


def test_the_fewest_nodes_in_rotation_are_kept() -> None:
    """Pages that a command prints are counted one by one, one that could not be read apart."""
    pages = "@@\n".join(
        [*(PAGE.format("UP", 1, state, 1) for state in ("UP", "DOWN")), PAGE.format("DRAIN", 1, "DOWN", 1)]
    )
    report = called(rotation=["printf", "%s", f"{pages}@@\n@@\n"])
    assert report["unasked"] == 1
    seen = report["capacity"]["web"]
    assert (seen["samples"], seen["fewest"], [nodes for _, nodes in seen["changes"]]) == (3, 1, [2, 1])
