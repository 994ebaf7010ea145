"""Hooks at their moments, in a rollout in memory: which are called, what they are told, what their failure means."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.errors import HookFailed
from provisioner.hosts.memory import AppBehaviour
from provisioner.model.event import HookRan, HookSaid
from provisioner.model.hook import HOOKS, Hook
from provisioner.planning.batches import batches
from provisioner.reconcile.prepare import prepare
from tests.simulation import WEBS, Simulation, spec


def called(fleet: Simulation) -> list[str]:
    """Return the moments that were told, in order."""
    return [moment.hook for moment in fleet.hooks.moments]


def test_every_moment_of_a_first_apply_is_told(fleet: Simulation) -> None:
    """Images are to be made, hosts to be changed, all nodes are one batch, and it is through."""
    fleet.apply(spec(A="1"))
    assert called(fleet) == ["pre-build", "pre-apply", "post-batch", "post-apply"]
    first, moving, batch, last = fleet.hooks.moments
    assert (first.fleet, first.command, first.release, first.previous) == ("shop", "apply", "", "")
    assert moving.release.startswith("r1-")
    assert (batch.hosts, batch.nodes) == (WEBS, tuple(f"{host}/web-1" for host in WEBS))
    assert (last.outcome, last.exit_code, set(last.hosts)) == ("complete", 0, {"lb1", *WEBS})


def test_nothing_is_told_where_there_is_nothing_to_do(fleet: Simulation) -> None:
    """An apply that changes nothing calls no hook."""
    fleet.apply(spec(A="1"))
    fleet.hooks.moments.clear()
    fleet.apply(spec(A="1"))
    assert called(fleet) == []


def test_images_that_are_there_need_no_leave(fleet: Simulation) -> None:
    """Without a build there is no pre-build."""
    fleet.apply(spec(A="1"))
    fleet.hooks.moments.clear()
    fleet.apply(spec(A="2"))
    assert called(fleet) == ["pre-apply", "post-batch", "post-batch", "post-batch", "post-apply"]
    assert fleet.hooks.moments[0].previous.startswith("r1-")


def test_what_served_before_is_out_when_a_batch_is_through(fleet: Simulation) -> None:
    """A batch ends with the last step about its nodes, not with the first request."""
    fleet.apply(spec(A="1"))
    wanted = fleet.intent(spec(A="2"))
    steps = prepare(fleet.world().lookout, wanted, fleet.builder).plan.steps
    ends = [(last.title.rpartition(": ")[2], nodes) for last, nodes in batches(steps)]
    assert ends == [("enable the empty slot", (f"{host}/web-1",)) for host in WEBS]


def test_a_plan_names_the_hooks_that_it_calls(fleet: Simulation) -> None:
    """Only those that it can come to: no build, no `pre-build`; nothing to do, none at all."""
    declared: dict[str, Hook] = {name: Hook((f"./{name}.sh",)) for name in HOOKS}

    def planned(**environment: str) -> list[str]:
        intent = replace(fleet.intent(spec(**environment)), hooks=declared)
        return [each.hook for each in prepare(fleet.world().lookout, intent, fleet.builder).plan.hooks]

    assert planned(A="1") == list(HOOKS)
    fleet.apply(spec(A="1"))
    assert planned(A="2") == ["pre-apply", "post-batch", "post-apply", "on-failure"]
    assert planned(A="1") == []


@pytest.mark.parametrize("hook", ["pre-build", "pre-apply"])
def test_a_hook_that_does_not_agree_stops_before_anything_moves(fleet: Simulation, hook: str) -> None:
    """Exit 1, nothing but the lease was written anywhere, and who is called on failures is told."""
    fleet.hooks.failures[hook] = f"./{hook}.sh ended with exit status 3"
    with pytest.raises(HookFailed) as failed:
        fleet.apply(spec(A="1"))
    assert (failed.value.exit_code, failed.value.output) == (1, ("last words",))
    assert not [effect for effect in fleet.writes() if "shop.web" in effect or "shop.load-balancer" in effect]
    assert called(fleet)[-1] == "on-failure"
    assert fleet.hooks.moments[-1].outcome == "failed"


@pytest.mark.parametrize("hook", ["post-batch", "post-apply"])
def test_a_hook_that_is_only_told_changes_no_outcome(fleet: Simulation, hook: str) -> None:
    """Its failure is an event, and the run goes on."""
    fleet.hooks.failures[hook] = "it took longer than 60 s and was killed"
    assert fleet.apply(spec(A="1")).outcome == "complete"
    failed = [event for event in fleet.sink.events if isinstance(event, HookRan) and event.failure]
    assert {event.hook for event in failed} == {hook}
    assert HookSaid(hook, f"hello from {hook}") in fleet.sink.events


def test_a_failing_rollout_is_told_once(fleet: Simulation) -> None:
    """With its outcome and its message; what the hook thinks of it changes nothing."""
    fleet.apply(spec(A="1"))
    fleet.version = "2"
    fleet.behave(AppBehaviour(exits_after=0.5, exit_code=3))
    fleet.hooks.moments.clear()
    fleet.hooks.failures["on-failure"] = "nobody is on call"
    finished = fleet.apply(spec(A="1"))
    told = fleet.hooks.moments[-1]
    assert called(fleet).count("on-failure") == 1
    assert (told.outcome, told.exit_code, told.message) == (finished.outcome, finished.exit_code, finished.message)


def test_a_fleet_without_hooks_is_rolled_out_as_before(fleet: Simulation) -> None:
    """Where nobody lends what runs hooks, none is called."""
    fleet.world = lambda world=fleet.world: replace(world(), hooks=None)  # type: ignore[misc, method-assign]  # one test
    assert fleet.apply(spec(A="1")).outcome == "complete"
    assert called(fleet) == []
