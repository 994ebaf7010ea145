"""What every Balancer must do, in memory and as the real HAProxy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.errors import BalancerRefused
from provisioner.model.balancer import AdminState, Check, Drained
from tests.balancers.memory_stage import MemoryStage
from tests.balancers.stage import A, B, Stage, server_of

AnyStage = Stage | MemoryStage


@pytest.fixture(params=["memory", pytest.param("real", marks=pytest.mark.engine)])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[AnyStage]:
    """Slot `a` answers, slot `b` is empty, and the balancer knows it."""
    stage = MemoryStage() if request.param == "memory" else Stage(tmp_path)
    stage.serve("a")
    stage.start(stage.config())
    stage.wait_until(lambda: server_of(stage.observed(), *A).health == "up")
    stage.wait_until(lambda: server_of(stage.observed(), *B).health == "down")
    yield stage
    stage.stop()


def test_observing_and_reporting_tell_the_same_at_rest(stage: AnyStage) -> None:
    """Text, digest and every server."""
    text, digest = stage.text(stage.config())
    seen = stage.observed()
    assert seen == stage.balancer().report()
    assert (seen.text, seen.running_digest) == (text, digest)


def test_a_container_is_asked_for_what_its_own_worker_runs(stage: AnyStage) -> None:
    """Its own master tells the digest of the file, also after that was changed."""
    assert stage.own_digest() == stage.observed().running_digest
    text, digest = stage.text(stage.config(drain_timeout=7.0))
    stage.balancer().configure(text, digest)
    assert stage.own_digest() == digest


def test_a_server_at_rest(stage: AnyStage) -> None:
    """Both slots are enabled, each judged by its own checks, at its address."""
    first, second = (server_of(stage.observed(), *slot) for slot in (A, B))
    assert (first.admin, first.health, first.check, first.weight) == ("ready", "up", "L7OK", 100)
    assert (second.admin, second.health, second.check) == ("ready", "down", "L4CON")
    assert first.address == f"127.0.0.1:{stage.server('a', Check(None, 1, 1, 1)).port}"


@pytest.mark.parametrize("state", ["drain", "maint", "ready"])
def test_a_state_is_set_and_seen(stage: AnyStage, state: AdminState) -> None:
    """What was set is what is told, by both."""
    balancer = stage.balancer()
    balancer.set_state("web", A, state)
    assert server_of(balancer.report(), *A).admin == server_of(stage.observed(), *A).admin == state


def test_a_drained_empty_slot_is_told_by_the_report_alone(stage: AnyStage) -> None:
    """Who only observes cannot tell it from one that is merely down."""
    balancer = stage.balancer()
    balancer.set_state("web", B, "drain")
    assert (server_of(balancer.report(), *B).admin, server_of(stage.observed(), *B).admin) == ("drain", "ready")


def test_a_server_nobody_lists_is_refused(stage: AnyStage) -> None:
    """The message names it."""
    with pytest.raises(BalancerRefused):
        stage.balancer().set_state("web", ("web9.1.a",), "drain")


def test_maintenance_keeps_what_was_seen_last_and_distrust_forgets_it(stage: AnyStage) -> None:
    """A dead slot looks healthy on the strength of its predecessor, until it is distrusted."""
    balancer = stage.balancer()
    balancer.set_state("web", A, "maint")
    stage.fall_silent("a")
    balancer.set_state("web", A, "drain")
    assert server_of(balancer.report(), *A).check == "L7OK"
    balancer.distrust("web", A)
    assert server_of(balancer.report(), *A).health == "down"


def test_a_living_slot_comes_back_by_its_own_check(stage: AnyStage) -> None:
    """Distrusted, it is up again once it was asked, and still drained."""
    balancer = stage.balancer()
    balancer.set_state("web", A, "drain")
    balancer.distrust("web", A)
    stage.wait_until(lambda: server_of(balancer.report(), *A).health == "up")
    assert server_of(balancer.report(), *A).admin == "drain"


def test_distrust_in_maintenance_is_refused(stage: AnyStage) -> None:
    """It would be ignored there without a word."""
    balancer = stage.balancer()
    balancer.set_state("web", A, "maint")
    with pytest.raises(BalancerRefused):
        balancer.distrust("web", A)


def test_another_file_runs_and_every_state_is_the_file_s(stage: AnyStage) -> None:
    """A reload forgets what was set at runtime."""
    text, digest = stage.text(stage.config(drain_timeout=7.0))
    balancer = stage.balancer()
    balancer.set_state("web", A, "drain")
    balancer.configure(text, digest)
    seen = balancer.report()
    assert (seen.text, seen.running_digest, server_of(seen, *A).admin) == (text, digest, "ready")


def test_who_is_drained_is_kept_beside_the_file(stage: AnyStage) -> None:
    """The record comes with a file, is told by both, and stays until another one comes; what weighs 0 gets nothing."""
    both_serve(stage)
    drained = (Drained("web1/web-1", "Ada", "2026-11-27T20:00:00Z", "noisy 'disk'\n"),)
    out = replace(stage.config(), drained=("web1/web-1",))
    balancer = stage.balancer()
    balancer.configure(*stage.text(out), drained)
    assert stage.observed().drained == balancer.report().drained == drained
    stage.wait_until(lambda: server_of(stage.observed(), *A).health == "up")
    assert (server_of(stage.observed(), *A).admin, server_of(stage.observed(), *A).weight) == ("ready", 0)
    balancer.set_state("web", A, "ready")
    assert server_of(balancer.report(), *A).weight == 0
    balancer.configure(*stage.text(replace(out, drain_timeout=7.0)))
    assert stage.observed().drained == drained
    balancer.configure(*stage.text(stage.config()), ())
    assert stage.observed().drained == ()
    assert server_of(stage.observed(), *A).weight == 100


def test_a_file_that_is_not_valid_changes_nothing(stage: AnyStage) -> None:
    """The running worker and its file stay."""
    before = stage.observed()
    text, digest = stage.text(stage.config(drain_timeout=7.0))
    with pytest.raises(BalancerRefused):
        stage.balancer().configure(text + "  server broken\n", digest)
    assert (stage.observed().text, stage.observed().running_digest) == (before.text, before.running_digest)


def test_between_releases_a_slot_is_judged_through_what_it_tracks(stage: AnyStage) -> None:
    """Two checks in one backend: each server shows its own, and can be distrusted."""
    other = stage.server("a", Check(None, 0.2, 0.5, 2), ".next")
    balancer = stage.balancer()
    balancer.configure(*stage.text(stage.config(other)))
    stage.wait_until(lambda: server_of(balancer.report(), other.name).health == "up")
    stage.wait_until(lambda: server_of(balancer.report(), *A).health == "up")
    assert (server_of(balancer.report(), *A).check, server_of(balancer.report(), other.name).check) == ("L7OK", "L4OK")
    stage.fall_silent("a")
    balancer.set_state("web", A, "drain")
    balancer.distrust("web", A)
    assert server_of(balancer.report(), *A).health == "down"


def test_sessions_of_nobody_are_cut_without_a_word(stage: AnyStage) -> None:
    """Cutting what is not there is no error."""
    balancer = stage.balancer()
    balancer.cut_sessions("web", A)
    assert server_of(balancer.report(), *A).sessions == 0


def both_serve(stage: AnyStage) -> None:
    """Let both slots answer, and the balancer know it."""
    stage.serve("b")
    stage.wait_until(lambda: server_of(stage.observed(), *B).health == "up")


def test_a_capped_server_gets_a_tenth_of_its_peer_s_requests(stage: AnyStage) -> None:
    """Of 110 requests the peer gets about 100; with its full share again, half."""
    both_serve(stage)
    balancer = stage.balancer()
    balancer.set_state("web", B, "ready", 10)
    assert (server_of(balancer.report(), *B).weight, server_of(balancer.report(), *A).weight) == (10, 100)
    stage.ask(110)
    assert 8 <= server_of(balancer.report(), *B).total <= 12
    balancer.set_state("web", B, "ready")
    before = server_of(balancer.report(), *B).total
    stage.ask(40)
    assert server_of(balancer.report(), *B).weight == 100
    assert 18 <= server_of(balancer.report(), *B).total - before <= 22


def test_failed_answers_are_counted_with_their_server(stage: AnyStage) -> None:
    """Requests are told, and how many of them were answered with 500."""
    before = server_of(stage.observed(), *A)
    stage.ask(4)
    stage.ask(3, "/fail")
    after = server_of(stage.observed(), *A)
    assert (after.total - before.total, after.errors_5xx - before.errors_5xx) == (7, 3)


def test_a_server_that_goes_down_counts_it_and_the_checks_that_failed(stage: AnyStage) -> None:
    """Two checks in a row take it down once; while it is down no further one is counted."""
    before = server_of(stage.observed(), *A)
    stage.fall_silent("a")
    stage.wait_until(lambda: server_of(stage.observed(), *A).health == "down")
    after = server_of(stage.observed(), *A)
    assert (after.failed_checks - before.failed_checks, after.times_down - before.times_down) == (2, 1)


def test_a_reload_forgets_a_share(stage: AnyStage) -> None:
    """The file's weight counts again."""
    balancer = stage.balancer()
    balancer.set_state("web", A, "ready", 10)
    balancer.configure(*stage.text(stage.config(drain_timeout=7.0)))
    stage.wait_until(lambda: server_of(balancer.report(), *A).health == "up")
    assert server_of(balancer.report(), *A).weight == 100
