"""Why nodes fail, from a rollout in memory: evidence is taken while the container is there, on every failing host."""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.errors import EngineRefused, PortTaken
from provisioner.hosts.memory import AppBehaviour
from provisioner.model.container import ContainerOptions, ContainerRequest, PublishedPort
from provisioner.model.diagnosis import Cause, Diagnosis
from provisioner.model.event import ActionFailed
from provisioner.model.evidence import Answer, ListeningSocket
from provisioner.model.spec import FleetSpec
from tests import fleets
from tests.simulation import WEBS, Simulation, spec

DEADLINE = fleets.POLICY.healthy_deadline
ELSEWHERE = AppBehaviour(healthy_paths=frozenset(), sockets=(ListeningSocket("0.0.0.0", 9000),))


def at_once(wanted: FleetSpec) -> FleetSpec:
    """Return a fleet all of whose nodes change together."""
    return replace(wanted, rollout=replace(wanted.rollout, parallelism=3))


def fails(fleet: Simulation, behaviour: AppBehaviour, wanted: FleetSpec | None = None) -> dict[str, Diagnosis]:
    """Roll out a release that behaves so, and return by host why it failed."""
    fleet.apply(spec(A="1"))
    fleet.version = "2"
    fleet.behave(behaviour)
    assert fleet.apply(wanted or spec(A="1")).exit_code != 0
    return diagnoses(fleet)


def diagnoses(fleet: Simulation) -> dict[str, Diagnosis]:
    """Return every diagnosis that was told, by host."""
    failed = [event for event in fleet.sink.events if isinstance(event, ActionFailed)]
    return {event.diagnosis.host: event.diagnosis for event in failed if event.diagnosis}


def test_every_failing_host_is_explained(fleet: Simulation) -> None:
    """Three nodes fail at once, and each is told to listen elsewhere."""
    found = fails(fleet, ELSEWHERE, at_once(spec(A="1")))
    assert sorted(found) == list(WEBS)
    assert {each.reasons[0].cause for each in found.values()} == {Cause.WRONG_PORT}
    assert found["web2"].reasons[0].evidence == "it listens on port 9000, and the spec says 8000"


def test_two_hosts_fail_for_different_reasons(fleet: Simulation) -> None:
    """One runs out of memory while the other answers with an error page."""
    fleet.apply(spec(A="1"))
    fleet.version = "2"
    fleet.behave(AppBehaviour(healthy_paths=frozenset(), answers={"/healthz": Answer(500, text="oops")}))
    image = fleet.builder.find(fleet.intent(spec(A="1")).tags["web"])
    assert image is not None
    killed = AppBehaviour(exits_after=0.5, exit_code=137, out_of_memory=True)
    fleet.hosts.own_behaviours["web2"][image.image_id] = killed
    fleet.apply(at_once(spec(A="1")))
    found = {host: each.reasons[0].cause for host, each in diagnoses(fleet).items()}
    assert found == {"web1": Cause.SERVER_ERROR, "web2": Cause.OUT_OF_MEMORY, "web3": Cause.SERVER_ERROR}


def test_a_crash_is_told_with_its_code_its_log_and_what_changed(fleet: Simulation) -> None:
    """The variable that the last release had set is named; its value is not."""
    fleet.apply(spec(A="1", TOKEN="hunter2"))
    fleet.version = "2"
    fleet.behave(AppBehaviour(exits_after=0.5, exit_code=3, log=("Traceback", "KeyError: 'TOKEN'")))
    fleet.apply(spec(A="1"))
    found = diagnoses(fleet)["web1"]
    assert [reason.cause for reason in found.reasons] == [Cause.MISSING_VARIABLE, Cause.CRASHED]
    assert f"TOKEN, which {found.since} set" in found.reasons[0].evidence
    assert "exit code 3" in found.reasons[1].evidence
    assert found.log[-1] == "KeyError: 'TOKEN'"
    assert "environment TOKEN: removed" in found.changes
    assert "hunter2" not in repr(found)


def test_a_slow_node_is_watched_a_little_longer(fleet: Simulation) -> None:
    """One that needs two seconds more than it has gets the deadline named that would have done."""
    found = fails(fleet, AppBehaviour(starts_listening_after=DEADLINE + 2))
    reason = found["web1"].reasons[0]
    assert reason.cause is Cause.SLOW_START
    assert reason.evidence.startswith(f"it became healthy {DEADLINE + 2:.0f}.")
    assert reason.fix == "rollout: {healthy_deadline: 20s}"


def test_a_node_that_never_listens_is_not_watched_for_ever(fleet: Simulation) -> None:
    """The watch beyond the deadline has an end, and says that nothing is listened on."""
    found = fails(fleet, AppBehaviour(starts_listening_after=9999.0))
    assert found["web1"].reasons[0].cause is Cause.NOT_LISTENING
    assert fleet.hosts.clock.monotonic() < 4 * DEADLINE


def test_the_evidence_is_taken_before_the_container_is_taken_back(fleet: Simulation) -> None:
    """The log of a container that is removed right afterwards is in the diagnosis."""
    found = fails(fleet, AppBehaviour(healthy_paths=frozenset({"/other"}), log=("serving /other",)))
    assert found["web1"].log == ("serving /other",)
    assert fleet.hosts["web1"].machine.find("shop.web-1.b") is None


def test_a_port_that_somebody_holds_is_told_with_its_holder(fleet: Simulation) -> None:
    """A container by hand sits on the port of the free slot."""
    fleet.apply(spec(A="1"))
    host = fleet.hosts["web1"]
    image = host.images.all()[0].image_id
    ports = (PublishedPort(80, 18001),)
    host.containers.start(host.containers.create(ContainerRequest("squatter", image, ContainerOptions(), "h", ports)))
    fleet.apply(spec(A="2"))
    reason = diagnoses(fleet)["web1"].reasons[0]
    assert reason.cause is Cause.PORT_TAKEN
    assert reason.evidence == "port 18001 of web1 is taken by the container squatter"


def test_a_host_that_is_lost_meanwhile_is_not_explained(fleet: Simulation) -> None:
    """What cannot be asked is not guessed at: the failure stands alone."""
    fleet.apply(spec(A="1"))
    fleet.hosts.effects.before = lambda host, name: (
        fleet.hosts["web1"].cut() if name.startswith("start shop.web") else None
    )
    fleet.apply(spec(A="2"))
    assert diagnoses(fleet) == {}


def test_what_cannot_be_found_out_is_named(fleet: Simulation) -> None:
    """A question that the engine refuses leaves a gap with its reason, and the rest is told."""
    fleet.apply(spec(A="1"))
    fleet.version = "2"
    fleet.behave(AppBehaviour(healthy_paths=frozenset()))
    machine = fleet.hosts["web1"].machine
    machine.examined = lambda what: EngineRefused("web1", "could not look inside") if what == "sockets" else None
    fleet.apply(spec(A="1"))
    found = diagnoses(fleet)["web1"]
    assert found.gaps == ("web1: could not look inside",)
    assert found.reasons[0].cause is Cause.PATH_NOT_FOUND


def test_a_host_that_is_lost_while_it_is_looked_at_is_asked_no_more(fleet: Simulation) -> None:
    """What was found until then is told, and the gap once."""
    fleet.apply(spec(A="1"))
    fleet.version = "2"
    fleet.behave(AppBehaviour(healthy_paths=frozenset(), log=("serving",)))
    asked: list[str] = []

    def cut(what: str) -> EngineRefused | None:
        asked.append(what)
        if what == "sockets":
            fleet.hosts["web1"].cut()
        return None

    fleet.hosts["web1"].machine.examined = cut
    fleet.apply(spec(A="1"))
    found = diagnoses(fleet)["web1"]
    assert (found.log, len(found.gaps)) == (("serving",), 1)
    assert asked == ["past", "sockets"]


def test_a_balancer_whose_port_is_taken_is_refused_before_anything_moves(fleet: Simulation) -> None:
    """The port it binds is held by somebody: nothing has to fail for that to be told."""
    host = fleet.hosts["lb1"]
    fleet.apply(spec(A="1"))
    image = host.images.all()[0].image_id
    host.containers.remove("shop.load-balancer-1.a")
    ports = (PublishedPort(8080, 80),)
    host.containers.start(host.containers.create(ContainerRequest("apache", image, ContainerOptions(), "h", ports)))
    with pytest.raises(PortTaken, match="port 80, where somebody else listens"):
        fleet.apply(spec(A="1"))
