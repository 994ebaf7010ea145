"""Requests that arrive twice, because their first answer was lost: the fleet ends as if they had arrived once."""

from __future__ import annotations

from dataclasses import replace

from provisioner.hosts.memory import AppBehaviour
from provisioner.model.container import EPOCH_LABEL
from provisioner.model.spec import SecretUse
from tests.reconcile.test_apply import served
from tests.reconcile.test_rollouts import NEW, OLD, on_all, watched
from tests.simulation import Simulation, spec


def test_a_rollout_whose_every_request_arrives_twice_is_complete(fleet: Simulation) -> None:
    """Engine and balancer carry each of them out twice; a name that is taken by then is ours."""
    fleet.hosts.effects.twice = lambda host, name: True
    assert fleet.apply(watched()).outcome == "complete"
    fleet.version = "2"
    finished = fleet.apply(watched())
    assert (finished.outcome, on_all(fleet)) == ("complete", NEW), finished.message
    fleet.hosts.effects.twice = None
    assert fleet.drift(watched()) == []
    assert served(fleet) == {"web1.1.b", "web2.1.b", "web3.1.b"}


def test_a_release_command_and_secrets_whose_every_request_arrives_twice(fleet: Simulation) -> None:
    """What runs once and what is only filled through have names that are taken by then too, and are ours."""
    fleet.values = {"API_KEY": "canary", "TOKEN": "canary"}
    fleet.hosts.behaviours["shop.web.release-command"] = AppBehaviour(exits_after=0.5)
    wanted = watched()
    secrets = (SecretUse("API_KEY"), SecretUse("TOKEN", "APP_TOKEN"))
    service = replace(wanted.services["web"], release_command=("migrate",), secrets=secrets)
    wanted = replace(wanted, services={"web": service})
    fleet.hosts.effects.twice = lambda host, name: True
    assert fleet.apply(wanted).outcome == "complete"
    fleet.version = "2"
    finished = fleet.apply(wanted)
    assert (finished.outcome, on_all(fleet)) == ("complete", NEW), finished.message
    fleet.hosts.effects.twice = None
    assert fleet.drift(wanted) == []


def test_a_way_back_whose_every_request_arrives_twice_ends_on_the_old_release(fleet: Simulation) -> None:
    """Exit 3, and one container of each node."""
    fleet.apply(watched())
    fleet.version = "2"
    fleet.behave(AppBehaviour(exits_after=4.0, exit_code=3))
    fleet.hosts.effects.twice = lambda host, name: True
    assert fleet.apply(watched()).exit_code == 3
    assert on_all(fleet) == OLD
    assert len(served(fleet)) == 3


def test_a_container_of_another_run_is_not_taken_for_ours(fleet: Simulation) -> None:
    """A name that somebody else took after the plan was made stops the run: nothing of it is started or removed."""
    fleet.apply(spec(A="1"))
    fleet.version = "2"
    fleet.behave(AppBehaviour())
    made: list[str] = []

    def intrude(host: str, name: str) -> None:
        if (host, name) == ("web1", "create shop.web-1.b") and not made:
            made.append(name)
            request = fleet.container_of("web1", 1)
            labels = {**request.labels, EPOCH_LABEL: "1"}
            fleet.hosts["web1"].containers.create(replace(request, name="shop.web-1.b", labels=labels))

    fleet.hosts.effects.before = intrude
    finished = fleet.apply(spec(A="1"))
    fleet.hosts.effects.before = None
    assert finished.exit_code == 6
    assert "appeared after the plan was made" in finished.message
    assert made
    assert [write for write in fleet.writes() if write == "web1: start shop.web-1.b"] == []
