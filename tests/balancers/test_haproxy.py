"""The real HAProxy, driven as in a container."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.balancers.haproxy import HaproxyBalancers
from provisioner.errors import BalancerRefused
from provisioner.model.balancer import AdminState
from tests.balancers.stage import CONTAINER, A, B, RealClock, Stage, hammered, server_of, wait_until

pytestmark = pytest.mark.engine


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Slot `a` answers, slot `b` is empty, and the balancer knows it."""
    stage = Stage(tmp_path)
    stage.serve("a")
    stage.start(stage.config())
    wait_until(lambda: server_of(stage.observed(), *A).health == "up")
    wait_until(lambda: server_of(stage.observed(), *B).health == "down")
    yield stage
    stage.stop()


def test_nobody_at_home_is_an_empty_digest(stage: Stage) -> None:
    """A container whose worker does not answer is observed, not an error; one that stopped is not even asked."""
    stage.signal("lb", "SIGTERM")
    assert stage.master is not None
    stage.master.wait(10)
    seen = stage.observed()
    assert (seen.running_digest, seen.servers, seen.text) == ("", (), stage.text(stage.config())[0])
    with pytest.raises(BalancerRefused):
        stage.balancer().report()


def test_maintenance_is_judged_by_nobody(stage: Stage) -> None:
    """A server in maintenance is neither up nor down."""
    balancer = stage.balancer()
    balancer.set_state("web", A, "maint")
    assert server_of(balancer.report(), *A).health == server_of(stage.observed(), *A).health == "unchecked"


def test_a_server_nobody_lists_is_refused_by_name(stage: Stage) -> None:
    """Every command says which server it did not find."""
    balancer = stage.balancer()
    with pytest.raises(BalancerRefused, match=r"web9\.1\.a"):
        balancer.set_state("web", ("web9.1.a",), "drain")
    with pytest.raises(BalancerRefused, match=r"web9\.1\.a"):
        balancer.distrust("web", ("web9.1.a",))
    with pytest.raises(BalancerRefused, match="nobody"):
        balancer.cut_sessions("nobody", A)


def test_a_dead_slot_that_was_healthy_before_is_not_believed(stage: Stage) -> None:
    """Maintenance keeps the last check of whoever was there; distrust makes the next one count."""
    balancer = stage.balancer()
    balancer.set_state("web", A, "maint")
    stage.fall_silent("a")
    balancer.set_state("web", A, "drain")
    balancer.distrust("web", A)
    seen = []
    until = time.monotonic() + 1.0
    while time.monotonic() < until:
        seen.append(server_of(balancer.report(), *A).health)
    assert set(seen) == {"down"}


def test_sessions_are_counted_and_cut(stage: Stage) -> None:
    """A request under way counts until it ends or is cut."""
    balancer = stage.balancer()
    answers: list[str] = []
    client = threading.Thread(target=lambda: answers.append(stage.get_page("/slow")))
    client.start()
    wait_until(lambda: server_of(balancer.report(), *A).sessions == 1)
    balancer.cut_sessions("web", A)
    client.join(10)
    assert server_of(balancer.report(), *A).sessions == 0
    assert answers == [""]


def test_one_step_uses_one_channel(stage: Stage) -> None:
    """However much is asked, the channel is opened once."""
    before = stage.opened
    balancer = stage.balancer()
    states: tuple[AdminState, ...] = ("drain", "ready")
    for state in states:
        balancer.set_state("web", A, state)
        balancer.report()
    assert stage.opened == before + 1


def test_a_closed_channel_is_opened_again(stage: Stage) -> None:
    """The end of a stream is no answer."""
    balancer = stage.balancer()
    balancer.report()
    before = stage.opened
    with pytest.raises(BalancerRefused, match="closes at once"):
        balancer._session.ask("quit")  # which HAProxy answers by hanging up, both times
    assert server_of(balancer.report(), *A).admin == "ready"
    assert stage.opened == before + 2


def test_another_file_is_taken_without_losing_a_request(stage: Stage) -> None:
    """Written, checked, renamed, reloaded and seen to run, under requests that are never repeated."""
    text, digest = stage.text(stage.config(drain_timeout=7.0))
    balancer = stage.balancer()
    balancer.report()
    with hammered(stage) as answers:
        wait_until(lambda: len(answers) > 20)
        for change in (stage.text(stage.config(drain_timeout=6.0)), (text, digest)):
            balancer.configure(*change)
        wanted = len(answers) + 20
        wait_until(lambda: len(answers) > wanted)
    assert "" not in answers
    assert balancer.report().running_digest == stage.observed().running_digest == digest
    assert balancer.report().text == text


def test_a_reload_forgets_states_and_leaves_nothing_behind(stage: Stage) -> None:
    """The runtime is the file again; beside it lies only the previous one."""
    balancer = stage.balancer()
    balancer.set_state("web", A, "drain")
    balancer.configure(*stage.text(stage.config(drain_timeout=7.0)))
    assert server_of(balancer.report(), *A).admin == "ready"
    assert {path.name for path in (stage.folder / "etc").iterdir()} == {"haproxy.cfg", "haproxy.cfg.previous"}


def test_a_change_waits_for_requests_of_the_old_worker(stage: Stage) -> None:
    """When it is done nobody sends requests by the old file any more."""
    answers: list[str] = []
    client = threading.Thread(target=lambda: answers.append(stage.get_page("/slow")))
    client.start()
    wait_until(lambda: server_of(stage.balancer().report(), *A).sessions == 1)
    stage.lent.close()
    stage.balancer().configure(*stage.text(stage.config(drain_timeout=7.0)))
    assert answers == [str(stage.ports[2])]
    client.join(10)


def test_a_file_haproxy_does_not_accept_changes_nothing(stage: Stage) -> None:
    """Its alert is the message, and nothing was renamed."""
    before = stage.observed()
    text, _ = stage.text(stage.config())
    balancer = stage.balancer()
    with pytest.raises(BalancerRefused, match="unknown keyword 'nonsense'"):
        balancer.configure(text.replace("retries 10", "nonsense 3"), "d" * 64)
    assert replace(stage.observed(), servers=()) == replace(before, servers=())
    assert {path.name for path in (stage.folder / "etc").iterdir()} == {"haproxy.cfg"}


def test_a_reload_that_fails_puts_the_old_file_back(stage: Stage) -> None:
    """A port that is taken is found only by the reload; the next start of the container must not fail on it."""
    before = stage.observed()
    config = stage.config()
    text, digest = stage.text(replace(config, drain_timeout=7.0))
    taken = text.replace(
        "frontend observer\n", f"frontend taken\n  bind 127.0.0.1:{stage.ports[2]}\nfrontend observer\n"
    )
    with pytest.raises(BalancerRefused, match="goes on with the old one"):
        stage.balancer().configure(taken, digest)
    assert replace(stage.observed(), servers=()) == replace(before, servers=())
    assert stage.get_page() == str(stage.ports[2])


def test_traffic_moves_from_slot_to_slot_without_a_loss(stage: Stage) -> None:
    """The order of a rollout, under requests that are never repeated."""
    balancer = stage.balancer()
    with hammered(stage) as answers:
        balancer.set_state("web", B, "maint")
        stage.serve("b")
        balancer.set_state("web", B, "drain")
        balancer.distrust("web", B)
        wait_until(lambda: server_of(balancer.report(), *B).health == "up")
        balancer.set_state("web", B, "ready")
        balancer.set_state("web", A, "drain")
        wait_until(lambda: server_of(balancer.report(), *A).sessions == 0)
        stage.fall_silent("a")
        wait_until(lambda: server_of(balancer.report(), *A).health == "down")
        balancer.set_state("web", A, "ready")
        wanted = len(answers) + 50
        wait_until(lambda: len(answers) > wanted)
    assert "" not in answers
    assert answers[-1] == str(stage.ports[3])


def test_a_restart_serves_every_healthy_slot_by_itself(stage: Stage) -> None:
    """With no controller the file is enough: the empty slot costs a retry, never a request."""
    stage.signal("lb", "SIGTERM")
    assert stage.master is not None
    stage.master.wait(10)
    stage.start(stage.config())
    assert [stage.get_page() for _ in range(20)] == [str(stage.ports[2])] * 20


def test_a_stopped_container_is_not_asked(stage: Stage) -> None:
    """Only its file is read."""
    seen = HaproxyBalancers(RealClock()).observe(stage, replace(CONTAINER, state="exited"))
    assert (seen.running_digest, seen.servers) == ("", ())
    assert seen.text == stage.text(stage.config())[0]
