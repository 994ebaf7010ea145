"""An engine that hangs: found out within a bound, named, asked only briefly until it answers again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner.errors import EngineUnavailable
from provisioner.hosts.access import AccessSettings, SshHosts
from provisioner.hosts.timeouts import Timeouts
from provisioner.model.inventory import Host
from tests.hosts.hanging_engine import HangingEngine

if TYPE_CHECKING:
    from tests.hosts.conftest import Project, Sshd

pytestmark = pytest.mark.slow

HASTY = Timeouts(channel=1.0, silence=0.4, sign=0.3, request=20.0, patient=60.0)
BOUND = 2.0
"""Seconds that are enough for the silence and the one sign of life that is waited for, and far below a request's."""


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[HangingEngine]:
    """Lend an engine that can hang."""
    with HangingEngine(tmp_path / "engine.sock") as lent:
        yield lent
        lent.go_on()
        lent.shutdown()


@pytest.fixture
def web1(engine: HangingEngine) -> Host:
    """Return it as the host it runs on."""
    return Host("web1", "127.0.0.1", connection="local", variables={"docker_socket": engine.path})


@pytest.fixture
def local(tmp_path: Path) -> Iterator[SshHosts]:
    """Lend hosts that are waited for hastily."""
    with SshHosts(AccessSettings(tmp_path / "known_hosts", {}, timeouts=HASTY)) as lent:
        yield lent


def refused_within(seconds: float, hosts: SshHosts, host: Host) -> None:
    """See that a host's engine is refused as one that hangs, in time."""
    began = time.monotonic()
    with pytest.raises(EngineUnavailable, match="web1: its Docker Engine hangs"):
        hosts.reader(host).container("any")
    assert time.monotonic() - began < seconds


def test_an_engine_that_never_answers_is_named_in_time(engine: HangingEngine, web1: Host, local: SshHosts) -> None:
    """The first question waits as long as one may, and no other way to the same engine is tried after it."""
    engine.hang()
    refused_within(BOUND, local, web1)


def test_who_asks_right_after_is_refused_at_once(engine: HangingEngine, web1: Host, local: SshHosts) -> None:
    """Ten threads and more questions cost no more than the first one; none of them reaches the engine later."""
    engine.hang()
    refused_within(BOUND, local, web1)
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: refused_within(BOUND, local, web1), range(10)))


@pytest.mark.parametrize("patient", [False, True])
def test_an_engine_that_stops_answering_is_found_out(
    engine: HangingEngine, web1: Host, local: SshHosts, *, patient: bool
) -> None:
    """A call that may take a minute, or a quarter of an hour, ends when a sign of life is missing."""
    hands = local.hands(web1)
    engine.hang()
    began = time.monotonic()
    ask = hands.containers.start if patient else hands.reader.container
    with pytest.raises(EngineUnavailable, match="hangs"):
        ask("any")
    assert time.monotonic() - began < BOUND
    refused_within(BOUND, local, web1)


def test_what_is_sent_is_not_waited_for_either(engine: HangingEngine, web1: Host, local: SshHosts) -> None:
    """An archive that the engine does not take any more holds nobody up."""
    hands = local.hands(web1)
    engine.hang()
    began = time.monotonic()
    with pytest.raises(EngineUnavailable, match="hangs"):
        hands.images.load(iter([bytes(1 << 20)] * 8))
    assert time.monotonic() - began < BOUND


def test_an_engine_that_answers_again_is_asked_again(engine: HangingEngine, web1: Host, local: SshHosts) -> None:
    """Nothing has to be restarted, and it has all the time of a usual request again."""
    local.reader(web1)
    engine.hang()
    refused_within(BOUND, local, web1)
    engine.go_on()
    time.sleep(HASTY.sign)
    engine.slowness = 4 * HASTY.silence
    local.hands(web1).containers.remove_volume("any")


def test_a_slow_engine_that_gives_signs_of_life_is_waited_for(
    engine: HangingEngine, web1: Host, local: SshHosts
) -> None:
    """Work may take as long as it takes: several silences pass before its answer comes."""
    hands = local.hands(web1)
    engine.slowness = 4 * HASTY.silence
    hands.containers.remove_volume("any")
    assert engine.asked == ["/version", "/v1.41/volumes/any"]


@pytest.mark.engine
def test_over_ssh_it_is_the_same(engine: HangingEngine, server: Sshd, project: Project) -> None:
    """The host answers, its engine does not: sshd connects to the socket all the same."""
    host = server.host(variables={"docker_socket": engine.path})
    with SshHosts(replace(project.settings(), timeouts=replace(HASTY, channel=3.0))) as hosts:
        hosts.reader(host)
        engine.hang()
        refused_within(BOUND, hosts, host)
        refused_within(BOUND, hosts, host)
