"""What every Balancer must do, in memory and as the real HAProxy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.errors import BalancerRefused
from provisioner.model.balancer import AdminState, Check
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


def test_a_server_at_rest(stage: AnyStage) -> None:
    """Both slots are enabled, each judged by its own checks, at its address."""
    first, second = (server_of(stage.observed(), *slot) for slot in (A, B))
    assert (first.admin, first.health, first.check, first.weight) == ("ready", "up", "L7OK", 1)
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
