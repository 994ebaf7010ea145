"""Secrets on a fleet in memory: how they get to nodes, how a change of one is seen, and where no value ever shows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.errors import EngineRefused, SecretMissing
from provisioner.hosts.memory import AppBehaviour
from provisioner.hosts.memory.containers import end
from provisioner.hosts.memory.reader import MemoryReader
from provisioner.model.container import ContainerOptions, ContainerRequest, Mount
from provisioner.model.event import ActionFailed, Finished
from provisioner.model.file_state import FileState
from provisioner.model.release import Release
from provisioner.model.spec import FleetSpec, FromVariable, SecretUse
from provisioner.reconcile.apply import Consent, apply
from provisioner.reconcile.prepare import prepare
from provisioner.reconcile.secret_delivery import owner
from provisioner.spec.release import encode_content
from provisioner.views.encode import event_object, plan_object
from provisioner.wiring.secrets import open_vault
from tests import fleets
from tests.simulation import WEBS, Simulation

VALUE, NEXT = "canary-5f2c", "canary-77aa"
FILE = SecretUse("API_KEY")
VARIABLE = SecretUse("TOKEN", "APP_TOKEN")
VOLUME = "shop.web-1.a.secrets"


def spec(*secrets: SecretUse, **environment: str) -> FleetSpec:
    """Return the standard fleet whose web service is given secrets."""
    return fleets.spec(fleets.web_service(environment=environment, secrets=secrets or (FILE, VARIABLE)))


@pytest.fixture
def shop(tmp_path: Path) -> Simulation:
    """Return a fleet whose secrets have a value on this machine."""
    made = Simulation(tmp_path)
    made.values = {"API_KEY": VALUE, "TOKEN": f"token-{VALUE}"}
    return made


def applied(shop: Simulation, wanted: FleetSpec) -> Release:
    """Apply a spec, which has to end well, and return the release."""
    finished = shop.apply(wanted)
    assert finished.outcome == "complete", finished
    intent, world = shop.intent(wanted), shop.world()
    last = prepare(world.lookout, intent, world.builder).last
    assert last is not None
    return last


def volumes(shop: Simulation, host: str = "web1") -> list[str]:
    """Return the volumes with secrets on a host."""
    return sorted(name for name in shop.hosts[host].machine.volumes if name.endswith(".secrets"))


def given(shop: Simulation, slot: str = "a", host: str = "web1") -> ContainerRequest:
    """Return what the engine was asked for."""
    return shop.hosts[host].machine.need(f"shop.web-1.{slot}").request


def told(shop: Simulation) -> str:
    """Return all that a run said, as every view has it, and every effect on every host."""
    events = [json.dumps(event_object(event)) for event in shop.sink.events]
    return "\n".join([*events, *(repr(event) for event in shop.sink.events), *shop.writes()])


def test_a_file_is_the_users_alone_and_the_node_cannot_write_it(shop: Simulation) -> None:
    """Mode 0400 and the uid of the container's user, in a volume that is mounted read-only and copies nothing."""
    applied(shop, spec())
    request, volume = given(shop), shop.hosts["web1"].machine.volumes[VOLUME]
    assert request.own_mounts == (Mount("volume", VOLUME, "/run/secrets", read_only=True),)
    found = volume.files["/API_KEY"]
    assert (found.content, found.mode, found.uid) == (VALUE.encode(), 0o400, 10001)
    assert request.options.environment["APP_TOKEN"] == f"token-{VALUE}"
    assert volume.labels == {"provisioner.fleet": "shop"}
    assert [held.name for held in shop.hosts["web1"].machine.containers.values()] == ["shop.web-1.a"]


def test_the_second_apply_writes_nothing_and_nothing_drifts(shop: Simulation) -> None:
    """What nodes have is read from them and compared by digest."""
    applied(shop, spec())
    shop.hosts.effects.clear()
    assert shop.apply(spec()).outcome == "unchanged"
    assert shop.writes() == []
    assert shop.drift(spec()) == []
    assert shop.status(spec()).uniform


def test_a_new_value_is_a_rollout_of_new_slots(shop: Simulation) -> None:
    """Only what changed is named, by the secret's name; the old slot's volume goes with its container."""
    before = applied(shop, spec())
    shop.values["API_KEY"] = NEXT
    assert shop.drift(spec()) == [(host, "secret", "API_KEY", "pending") for host in WEBS]
    after = applied(shop, spec())
    assert after.digest != before.digest
    assert volumes(shop) == ["shop.web-1.b.secrets"]
    assert shop.hosts["web1"].machine.volumes["shop.web-1.b.secrets"].files["/API_KEY"].content == NEXT.encode()
    assert shop.drift(spec()) == []


def test_a_new_value_of_a_variable_is_one_too(shop: Simulation) -> None:
    """A secret in the environment is compared by digest as a file is, and never shown."""
    applied(shop, spec())
    shop.values["TOKEN"] = NEXT
    assert {row[1:3] for row in shop.drift(spec())} == {("secret", "TOKEN in environment APP_TOKEN")}
    applied(shop, spec())
    assert given(shop, "b").options.environment["APP_TOKEN"] == NEXT


def test_what_somebody_wrote_into_a_volume_is_drift(shop: Simulation) -> None:
    """The bytes on the host count, not a label, and the next apply puts them right."""
    applied(shop, spec())
    files = shop.hosts["web2"].machine.volumes[VOLUME].files
    files["/API_KEY"] = replace(files["/API_KEY"], content=b"forged")
    assert shop.drift(spec()) == [("web2", "secret", "API_KEY", "drift")]
    assert not shop.status(spec()).uniform
    assert shop.apply(spec()).outcome == "complete"
    assert shop.drift(spec()) == []


def test_a_node_that_may_write_its_secrets_is_drift(shop: Simulation) -> None:
    """A container that somebody made with the volume mounted to be written is named, and replaced."""
    applied(shop, spec(FILE))
    held = shop.hosts["web1"].machine.need("shop.web-1.a")
    held.request = replace(held.request, own_mounts=(Mount("volume", VOLUME, "/run/secrets"),))
    assert shop.drift(spec(FILE)) == [("web1", "mounts", "/run/secrets", "drift")]
    assert shop.apply(spec(FILE)).outcome == "complete"
    assert volumes(shop) == ["shop.web-1.b.secrets"]


def test_a_variable_of_the_image_is_no_difference(shop: Simulation) -> None:
    """A secret's variable may be set in the image too: the secret is what counts."""
    secret = SecretUse("API_KEY", "PATH")
    applied(shop, spec(secret))
    assert shop.drift(spec(secret)) == []


def test_nothing_that_is_told_or_kept_holds_a_value(shop: Simulation) -> None:
    """Not events, effects, plans, nor the release: in success, in failure, and when a value changes."""
    releases = [applied(shop, spec())]
    shop.values["API_KEY"] = NEXT
    world, intent = shop.world(), shop.intent(spec())
    shown = json.dumps(plan_object(prepare(world.lookout, intent, world.builder).plan))
    releases.append(applied(shop, spec()))
    shop.version = "2"
    shop.behave(AppBehaviour(exits_after=0.5, exit_code=1, log=(f"cannot log in with {NEXT}", VALUE)))
    assert shop.apply(spec()).exit_code == 3
    failed = [event for event in shop.sink.events if isinstance(event, ActionFailed)]
    assert failed[0].log == ("cannot log in with ***", VALUE), "the program's own words, without its own secret"
    everything = told(shop).replace(repr(failed[0]), "").replace(json.dumps(event_object(failed[0])), "") + shown
    everything += "".join(encode_content(release.content).decode() for release in releases)
    assert "secret API_KEY: changed -> ***" in shown
    assert "canary" not in everything
    assert NEXT not in told(shop)


def test_an_engine_that_quotes_a_request_tells_no_value(shop: Simulation) -> None:
    """An error that repeats what it refuses is masked before anybody sees it."""

    def quoting(host: str, name: str) -> None:
        if name.startswith("create shop.web-1.a"):
            raise EngineRefused(host, f'the engine answers: bad parameter {{"Env":["APP_TOKEN=token-{VALUE}"]}}')

    shop.hosts.effects.before = quoting
    assert shop.apply(spec()).exit_code == 1
    finished = shop.sink.events[-1]
    assert isinstance(finished, Finished)
    assert "APP_TOKEN=***" in finished.message
    assert "canary" not in told(shop)


def test_a_node_that_fails_leaves_no_secret(shop: Simulation) -> None:
    """Undoing a step removes the volume with its container."""
    applied(shop, spec())
    shop.version = "2"
    shop.behave(AppBehaviour(exits_after=0.5, exit_code=1))
    assert shop.apply(spec()).exit_code == 3
    assert volumes(shop) == [VOLUME]


def test_a_missing_value_stops_apply_before_anything_moves(shop: Simulation) -> None:
    """It is named, and no host was touched; the plan says so too."""
    del shop.values["API_KEY"]
    world, intent = shop.world(), shop.intent(spec())
    prepared = prepare(world.lookout, intent, world.builder)
    assert [each.secret for each in prepared.plan.secrets] == ["API_KEY"]
    assert prepared.plan.release is None
    with pytest.raises(SecretMissing, match="API_KEY: the variable API_KEY is not set"):
        apply(world, intent, prepared, Consent())
    assert shop.writes() == []


def test_without_a_value_what_runs_is_compared_with_what_was_recorded(shop: Simulation) -> None:
    """Drift tells that it does not know the declared value, and still finds what somebody changed."""
    last = applied(shop, spec())
    shop.values.clear()
    unknown = [
        (host, "secret", key, "unknown") for host in WEBS for key in ("API_KEY", "TOKEN in environment APP_TOKEN")
    ]
    assert shop.drift(spec()) == unknown
    assert shop.status(spec()).uniform, "status compares with the release, and needs no value"
    assert shop.apply(spec()).outcome == "unchanged"
    files = shop.hosts["web3"].machine.volumes[VOLUME].files
    files["/API_KEY"] = replace(files["/API_KEY"], content=b"forged")
    assert ("web3", "secret", "API_KEY", "drift") in shop.drift(spec())
    with pytest.raises(SecretMissing):
        shop.apply(spec(LOG_LEVEL="debug"))
    assert shop.intent(spec()).vault.missing("API_KEY") is not None
    assert last.digest


def test_what_needs_no_new_container_needs_no_value(shop: Simulation) -> None:
    """A node that only stopped is brought back with the volume it has."""
    applied(shop, spec())
    shop.values.clear()
    machine = shop.hosts["web1"].machine
    end(machine, machine.need("shop.web-1.a"), 1)
    assert shop.apply(spec()).outcome == "complete"


def test_an_older_release_needs_the_value_it_was_made_with(shop: Simulation) -> None:
    """Going back to it with another value stops before anything moves, and works once the old value is back."""
    old = applied(shop, spec())
    shop.values["API_KEY"] = NEXT
    applied(shop, spec())
    shop.hosts.effects.clear()

    def back() -> str:
        world = shop.world()
        intent = replace(shop.intent(spec()), desire=lambda _: old.content.desired)
        return apply(world, intent, prepare(world.lookout, intent, world.builder), Consent()).outcome

    with pytest.raises(SecretMissing, match="API_KEY: its value here is not the one that this release was made with"):
        back()
    assert shop.writes() == []
    shop.values["API_KEY"] = VALUE
    assert back() == "complete"


class Died(BaseException):
    """The controller was killed."""


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_dead_run_leaves_no_secret_behind_the_next(shop: Simulation, moment: str) -> None:
    """Killed before or after the n-th effect of a rotation, for every n: one apply leaves each node its one volume."""
    applied(shop, spec())
    shop.values["API_KEY"] = "first-after"
    shop.hosts.effects.clear()
    applied(shop, spec())
    total = len(shop.writes())
    for number in range(total):
        shop.values["API_KEY"] = f"canary-{number}"
        left = [number]

        def kill(host: str, name: str, left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Died(host, name)

        setattr(shop.hosts.effects, moment, kill)
        with pytest.raises(Died):
            shop.apply(spec())
        setattr(shop.hosts.effects, moment, None)
        assert shop.apply(spec()).exit_code == 0, number
        assert shop.drift(spec()) == [], number
        for host in WEBS:
            names = [held.name for held in shop.hosts[host].machine.containers.values()]
            assert volumes(shop, host) == [f"{name}.secrets" for name in names], number
            assert len(names) == 1, number


def test_a_volume_of_nobody_is_named_and_removed(shop: Simulation) -> None:
    """Secrets at rest that no container has are drift; volumes of others are none of ours."""
    applied(shop, spec())
    containers = shop.hosts["web2"].containers
    image = given(shop).image_id
    for volume in ("shop.web-9.a.secrets", "shop-eu.web-1.a.secrets"):
        request = ContainerRequest(
            "made", image, ContainerOptions(), "web2", own_mounts=(Mount("volume", volume, "/x"),),
            labels={"provisioner.fleet": "shop"},
        )  # fmt: skip
        containers.remove(containers.create(request))
    assert shop.drift(spec()) == [("web2", "volume", "shop.web-9.a.secrets", "drift")]
    assert shop.apply(spec()).outcome == "complete"
    assert volumes(shop, "web2") == ["shop-eu.web-1.a.secrets", VOLUME]


def test_a_service_without_its_secrets_gives_them_back(shop: Simulation) -> None:
    """A spec that names no secret any more gives new containers none, and takes the volume away."""
    applied(shop, spec())
    plain = fleets.spec(fleets.web_service(environment={}))
    assert {row[1:] for row in shop.drift(plain)} == {
        ("secret", "API_KEY", "pending"),
        ("secret", "TOKEN in environment APP_TOKEN", "pending"),
    }
    applied(shop, plain)
    assert volumes(shop) == []


def test_a_host_that_leaves_keeps_no_secret(shop: Simulation) -> None:
    """Secrets go with the nodes of a host that left the fleet."""
    applied(shop, spec())
    shop.apply(spec(), webs=("web1", "web2"))
    assert volumes(shop, "web3") == []


class Refusing(MemoryReader):
    """Stands for an engine that gives no file out."""

    def state(self, container_id: str, path: str) -> FileState | None:
        """Refuse."""
        raise EngineRefused("web1", f"the engine answers: cannot read {path} of {container_id}", status=500)


def test_secrets_that_cannot_be_read_are_unknown(shop: Simulation) -> None:
    """A running node whose files are not given out makes its host unknown, and never clean."""
    applied(shop, spec())
    shop.hosts["web1"].reader = Refusing(shop.hosts["web1"].machine, fleets.host("web1"))
    assert ("web1", "host", "", "unknown") in shop.drift(spec())
    assert shop.apply(spec()).exit_code == 4


def test_a_secret_that_no_spec_declares_is_the_variable_of_its_name(tmp_path: Path) -> None:
    """Whoever has nothing but a release sets API_KEY; a source is asked once a run."""
    variables = {"API_KEY": VALUE, "OTHER": NEXT}
    vault = open_vault({"TOKEN": FromVariable("OTHER")}, variables, tmp_path)
    assert [vault.value(name).reveal() for name in ("API_KEY", "TOKEN")] == [VALUE, NEXT]
    variables.clear()
    assert vault.value("API_KEY").reveal() == VALUE
    assert vault.missing("SECOND") is not None


@pytest.mark.parametrize(
    ("user", "uid"),
    [("", 0), ("0", 0), ("10001:10001", 10001), ("app", 1000), ("app:web", 1000), ("web", None), ("nobody", None)],
)
def test_a_file_belongs_to_the_user_of_the_container(user: str, uid: int | None) -> None:
    """A number is taken as it is, a name is looked up in the image; who is not there has no uid."""
    assert owner(user, b"root:x:0:0:root:/root:/bin/sh\napp:x:1000:1000::/:/bin/sh\nweb:x\nnobody") == uid
