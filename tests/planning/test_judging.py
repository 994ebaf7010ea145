"""The rule by which a fresh slot is judged."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.model.balancer import ServerState
from provisioner.model.container import ContainerOptions
from provisioner.model.observed import ObservedContainer
from provisioner.planning.judging import Sample, Tally, end, objection, outage, sample

START = Sample(Tally(100, 10), Tally(1000, 10), failed_checks=4, times_down=1, up=True)
CONTAINER = ObservedContainer("c1", "shop.web-1.b", "sha256:0", ContainerOptions(), "running", started_at="t1")


def later(requests: int = 0, failed: int = 0, peers: tuple[int, int] = (1000, 0), **more: object) -> Sample:
    """Return what is counted later: so many more requests and failures."""
    own = Tally(START.own.requests + requests, START.own.failed + failed)
    beside = Tally(START.peers.requests + peers[0], START.peers.failed + peers[1])
    return replace(START, own=own, peers=beside, **more)  # type: ignore[arg-type]  # tests name the fields they change


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (later(50, 0), ""),
        (later(50, 2), ""),
        (later(50, 3), "3 of 50 requests"),
        (later(1000, 5), ""),
        (later(1000, 25), "25 of 1000 requests"),
        (later(50, 10, peers=(1000, 200)), ""),
        (later(50, 25, peers=(1000, 200)), "25 of 50 requests"),
        (later(0, 0, failed_checks=6), ""),
        (later(0, 0, failed_checks=7), "3 of its checks"),
        (later(0, 0, times_down=2), "took it down"),
        (later(0, 0, up=False), "took it down"),
    ],
)
def test_what_speaks_against_a_slot(now: Sample, told: str) -> None:
    """Three failures at least, and twice its peers' share and two in a hundred more; checks; being down."""
    found = objection(START, now)
    assert told in found
    assert bool(told) == bool(found)


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (later(50, 25), ""),
        (later(0, 0, failed_checks=9), ""),
        (later(0, 0, times_down=2), "took it down"),
        (later(0, 0, up=False), "took it down"),
        (Sample(Tally(20, 9), Tally(200, 0), failed_checks=1, times_down=0, up=True), ""),
        (Sample(Tally(20, 0), Tally(200, 0), failed_checks=3, times_down=1, up=True), "took it down"),
    ],
)
def test_what_speaks_against_a_slot_whose_watch_is_over(now: Sample, told: str) -> None:
    """That its checks took it down since it entered, and nothing else; a worker that began anew counts from nothing."""
    found = outage(START, now)
    assert told in found
    assert bool(told) == bool(found)


def test_a_balancer_that_began_anew_counts_from_nothing() -> None:
    """After a restart of the worker its smaller numbers are taken as they are."""
    fresh = Sample(Tally(20, 0), Tally(200, 0), failed_checks=1, times_down=0, up=True)
    assert objection(START, fresh) == ""
    assert "10 of 20" in objection(START, replace(fresh, own=Tally(20, 10)))


def test_fresh_servers_are_no_peers_and_broken_requests_count() -> None:
    """What else is under watch does not make a fault look common."""
    servers = [
        ServerState("web", "a", "ready", "up", "L7OK", 0, 50, 100, errors_5xx=1, broken=2),
        ServerState("web", "b", "ready", "up", "L7OK", 0, 70, 100, errors_5xx=7),
        ServerState("web", "c", "ready", "up", "L7OK", 0, 900, 100),
        ServerState("api", "a", "ready", "up", "L7OK", 0, 5, 100),
    ]
    found = sample(servers, "web", "a", frozenset({"a", "b"}))
    assert found is not None
    assert (found.own, found.peers) == (Tally(50, 3), Tally(900, 0))
    assert sample(servers, "web", "gone", frozenset()) is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, ""),
        ({"state": "exited", "exit_code": 3}, "exit code 3"),
        ({"out_of_memory": True}, "out of memory"),
        ({"restarts": 1}, "started again"),
        ({"started_at": "t2"}, "started again"),
        ({"container_id": "c2"}, "gone"),
    ],
)
def test_how_a_container_ended(changes: dict[str, object], told: str) -> None:
    """An end is seen also where the engine started it again at once."""
    found = end(CONTAINER, replace(CONTAINER, **changes))  # type: ignore[arg-type]  # as above
    assert told in found
    assert bool(told) == bool(found)
