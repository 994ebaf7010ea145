"""`repair` on hosts in memory: what was changed behind our back is put right, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import pytest

from provisioner.errors import LeaseHeld, UsageError
from provisioner.hosts.memory import AppBehaviour
from provisioner.model.container import ContainerRequest
from provisioner.model.event import ActionSucceeded, Event, Finished
from provisioner.model.plan import RemoveContainer
from provisioner.reconcile.apply import Consent, apply
from provisioner.reconcile.chronicle import open_archive
from provisioner.reconcile.prepare import prepare
from provisioner.reconcile.repair import ATTEMPTS, repairing
from provisioner.reconcile.restore import restoring
from tests import fleets
from tests.reconcile.test_apply import running, served
from tests.simulation import WEBS, Simulation, render, spec


def repair(fleet: Simulation) -> Finished:
    """Put the fleet back to the release it is on."""
    world, intent = fleet.world(), fleet.intent(fleets.spec())
    release = open_archive(world.lookout, fleet.inventory, "shop").current()
    back = restoring(release, release.content.desired, intent.hosts, fleets.POLICY, render)
    back = replace(
        back,
        inventory=fleet.inventory,
        vault=intent.vault,
        verb="repair",
        policy=repairing(fleets.POLICY),
        attempts=ATTEMPTS,
    )
    return apply(world, back, prepare(world.lookout, back, world.builder), Consent())


def recreate(fleet: Simulation, host: str, **environment: str) -> None:
    """Run a container again by hand with another environment, its labels as they were."""
    hands, name = fleet.hosts.hands(fleet.inventory[host]), running(fleet, host)[0]
    seen = hands.reader.container(name)
    assert seen is not None
    options = replace(seen.options, environment={**seen.options.environment, **environment})
    hands.containers.remove(seen.container_id)
    request = ContainerRequest(name, seen.image_id, options, host, ports=seen.ports, labels=seen.labels)
    hands.containers.start(hands.containers.create(request))


def numbers(fleet: Simulation) -> list[int]:
    """Return the numbers of all releases."""
    return [each.number for each in open_archive(fleet.world().lookout, fleet.inventory, "shop").releases]


def test_what_drifted_is_put_right_and_the_rest_is_not_touched(fleet: Simulation) -> None:
    """One node gets a new container, its peers and the balancer keep theirs; no release is made."""
    fleet.apply(spec(A="1"))
    recreate(fleet, "web2", A="9")
    fleet.hosts["web3"].containers.remove(running(fleet, "web3")[0])
    fleet.hosts.effects.clear()
    finished = repair(fleet)
    assert (finished.outcome, finished.exit_code, (finished.release or "")[:3]) == ("complete", 0, "r1-")
    assert fleet.drift(spec(A="1")) == []
    assert not [each for each in fleet.writes() if each.startswith("web1")]
    assert (len(served(fleet)), numbers(fleet)) == (3, [1])


def test_what_is_declared_and_not_applied_stays_pending(fleet: Simulation) -> None:
    """A repair knows the release, not the spec: the drifted node goes back to what its peers run."""
    fleet.apply(spec(A="1"))
    recreate(fleet, "web2", A="9")
    assert repair(fleet).outcome == "complete"
    assert fleet.drift(spec(A="2")) == [(host, "environment", "A", "pending") for host in WEBS]


def test_where_nothing_drifted_nothing_is_written(fleet: Simulation) -> None:
    """No lease, no container, no release."""
    fleet.apply(spec(A="1"))
    fleet.hosts.effects.clear()
    assert (repair(fleet).outcome, fleet.writes()) == ("unchanged", [])


def test_a_rollout_that_stands_half_way_is_not_drift(fleet: Simulation) -> None:
    """What a rollout left behind may be meant: whether to go on or back is for a person."""
    fleet.apply(spec(A="1"))
    asked = count(1)
    stop = Consent(stop=lambda: next(asked) > 9)
    assert fleet.apply(spec(A="2"), consent=stop).outcome == "interrupted"
    with pytest.raises(UsageError, match="half way") as refused:
        repair(fleet)
    assert "apply" in refused.value.hint


def test_without_a_release_there_is_nothing_to_put_back(fleet: Simulation) -> None:
    """An empty fleet is not repaired."""
    with pytest.raises(UsageError, match="no release"):
        repair(fleet)


def test_who_changes_it_again_each_time_is_not_fought_for_ever(fleet: Simulation) -> None:
    """Another tool recreates the container whenever ours is done: three attempts, and a person is told."""
    fleet.apply(spec(A="1"))
    recreate(fleet, "web2", A="9")
    keep = fleet.sink.emit

    def meddle(event: Event) -> None:
        keep(event)
        if isinstance(event, ActionSucceeded) and isinstance(event.action, RemoveContainer):
            recreate(fleet, "web2", A="9")

    fleet.sink.emit = meddle  # type: ignore[method-assign]  # what happens beside the run
    finished = repair(fleet)
    assert (finished.outcome, finished.exit_code) == ("halted", 6)
    assert "another tool" in finished.message
    removed = [each for each in fleet.sink.events if isinstance(each, ActionSucceeded)]
    assert sum(isinstance(each.action, RemoveContainer) for each in removed) == ATTEMPTS


def test_a_node_that_does_not_get_healthy_is_named(fleet: Simulation) -> None:
    """It is left as it was found, since there is no release to go back to; the other nodes serve."""
    fleet.apply(spec(A="1"))
    recreate(fleet, "web2", A="9")
    fleet.behave(AppBehaviour(exits_after=0.1, exit_code=1))
    finished = repair(fleet)
    assert (finished.outcome, finished.exit_code) == ("failed", 1)
    assert "web2" in finished.message
    assert ("web2", "environment", "A", "drift") in fleet.drift(spec(A="1"))


def test_a_live_rollout_is_not_disturbed(fleet: Simulation) -> None:
    """While another controller holds the lease nothing is repaired."""
    fleet.apply(spec(A="1"))
    recreate(fleet, "web2", A="9")
    refused: list[str] = []
    keep = fleet.sink.emit

    def try_now(event: Event) -> None:
        keep(event)
        if isinstance(event, ActionSucceeded) and not refused:
            refused.append("asked")
            with pytest.raises((LeaseHeld, UsageError)):
                repair(fleet)

    fleet.sink.emit = try_now  # type: ignore[method-assign]  # what happens beside the run
    assert fleet.apply(spec(A="1")).outcome == "complete"
    assert refused
