"""The hosts in memory behave: programs, power, lines, faults, and a journal of every write."""

from __future__ import annotations

import pytest

from provisioner.errors import EngineRefused, HostUnreachable
from provisioner.hosts.memory import AppBehaviour, Effect, MemoryClock, MemoryHosts, image_archive
from provisioner.model.container import ContainerOptions, ContainerRequest, EngineHealthTest, PublishedPort
from provisioner.model.image import ImageFacts
from provisioner.model.inventory import Host
from provisioner.model.observed import ObservedContainer
from provisioner.ports import HostHands, Hosts

WEB1 = Host("web1", "192.0.2.1", private_address="10.0.0.1")
IMAGE = "sha256:" + "a" * 64
PLAIN = AppBehaviour()


def fleet(behaviour: AppBehaviour = PLAIN) -> MemoryHosts:
    """Return a fleet of one host that has one image."""
    hosts = MemoryHosts([WEB1])
    hosts.behaviours[IMAGE] = behaviour
    hosts["web1"].images.add(ImageFacts(IMAGE, tags=("web:1",)))
    return hosts


def request(name: str = "shop.web-1.a", port: int = 18000, options: ContainerOptions | None = None) -> ContainerRequest:
    """Ask for a container that publishes a port on the private address."""
    return ContainerRequest(
        name, IMAGE, options or ContainerOptions(), "web1", (PublishedPort(8000, port, "10.0.0.1"),)
    )


def run(hosts: MemoryHosts, wanted: ContainerRequest | None = None) -> str:
    """Create and start a container on web1."""
    containers = hosts["web1"].containers
    container_id = containers.create(wanted or request())
    containers.start(container_id)
    return container_id


def seen(hosts: MemoryHosts, container_id: str) -> ObservedContainer:
    """Return a container that must be there."""
    found = hosts["web1"].reader.container(container_id)
    assert found is not None
    return found


def answers(hosts: MemoryHosts, path: str | None = "/healthz") -> bool:
    """Tell whether the published port answers now."""
    return hosts.answers("10.0.0.1", 18000, path, hosts.clock.monotonic())


def test_the_doubles_are_ports() -> None:
    """The type checker holds them against the protocols; here they are lent as such."""
    hosts: Hosts = fleet()
    hands: HostHands = hosts.hands(WEB1)
    assert hands.reader.observe("shop").name == "web1"


def test_sleeping_advances_the_clock_and_tells_the_watchers() -> None:
    """Time passes only while somebody sleeps."""
    clock = MemoryClock()
    seen_at: list[float] = []
    clock.watchers.append(seen_at.append)
    clock.sleep(1.5)
    clock.sleep(-1)
    assert (clock.monotonic(), seen_at, clock.now()) == (1.5, [1.5, 1.5], "2026-01-01T00:00:01.500000Z")


def test_a_program_answers_once_it_listens() -> None:
    """Running is not yet answering."""
    hosts = fleet(AppBehaviour(starts_listening_after=3.0))
    run(hosts)
    before = answers(hosts)
    hosts.clock.sleep(3.0)
    assert (before, answers(hosts)) == (False, True)


def test_a_program_answers_on_its_healthy_paths_only() -> None:
    """A connection succeeds where a health check does not."""
    hosts = fleet(AppBehaviour(healthy_paths=frozenset({"/ready"})))
    run(hosts)
    assert (answers(hosts, "/healthz"), answers(hosts, "/ready"), answers(hosts, None)) == (False, True, True)


def test_the_past_is_answered_as_it_was() -> None:
    """A check that was due before a container was removed is judged by what ran then."""
    hosts = fleet()
    container_id = run(hosts)
    hosts.clock.sleep(5.0)
    hosts["web1"].containers.remove(container_id)
    assert hosts.answers("10.0.0.1", 18000, None, 4.9)
    assert not hosts.answers("10.0.0.1", 18000, None, 5.0)


def test_a_program_that_exits_is_restarted_by_its_policy_only() -> None:
    """`no` leaves it exited with its code; `always` brings it back, counted and with another start time."""
    hosts = fleet(AppBehaviour(exits_after=2.0, exit_code=3, log=("boom",)))
    once = run(hosts, request("shop.web-1.a", 18000, ContainerOptions(restart="no")))
    again = run(hosts, request("shop.web-1.b", 18001, ContainerOptions(restart="always")))
    first = seen(hosts, again)
    hosts.clock.sleep(3.5)
    assert (seen(hosts, once).state, seen(hosts, once).exit_code) == ("exited", 3)
    assert (seen(hosts, again).state, seen(hosts, again).restarts) == ("running", 1)
    assert seen(hosts, again).started_at != first.started_at
    assert hosts["web1"].reader.logs(again, 10) == ("boom", "boom")


def test_a_program_that_ignores_its_stop_signal_is_killed_after_the_timeout() -> None:
    """The grace period is waited for on the clock, and no longer."""
    hosts = fleet(AppBehaviour(stops_after=60.0))
    container_id = run(hosts)
    hosts["web1"].containers.stop(container_id, 10)
    assert (hosts.clock.monotonic(), seen(hosts, container_id).exit_code) == (10.0, 137)


@pytest.mark.parametrize(("passes", "verdict"), [(True, "healthy"), (False, "unhealthy")])
def test_the_engine_judges_by_the_behaviour(passes: bool, verdict: str) -> None:  # noqa: FBT001 - a table's column
    """A health test starts undecided and ends with what the program is."""
    hosts = fleet(AppBehaviour(passes_engine_test=passes))
    test = EngineHealthTest(("CMD", "check"), interval=2.0, timeout=1.0, retries=3)
    container_id = run(hosts, request(options=ContainerOptions(health=test)))
    before = seen(hosts, container_id).health
    hosts.clock.sleep(6.0)
    assert (before, seen(hosts, container_id).health) == ("starting", verdict)


def test_a_paused_program_does_not_answer_and_goes_on_when_started() -> None:
    """Starting a paused container lets its program go on; it is no new run."""
    hosts = fleet()
    container_id = run(hosts)
    started = seen(hosts, container_id).started_at
    hosts["web1"].pause(container_id)
    assert (seen(hosts, container_id).state, answers(hosts)) == ("paused", False)
    hosts["web1"].containers.start(container_id)
    assert (seen(hosts, container_id).started_at, answers(hosts)) == (started, True)


def test_after_a_power_cut_restart_policies_decide_what_comes_back() -> None:
    """What was stopped on purpose stays stopped; nothing answers meanwhile."""
    hosts = fleet()
    kept, stopped = run(hosts), run(hosts, request("shop.web-2.a", 18002))
    hosts["web1"].containers.stop(stopped, 1)
    before = seen(hosts, kept)
    hosts["web1"].power_off()
    assert not answers(hosts)
    with pytest.raises(HostUnreachable):
        hosts.reader(WEB1)
    hosts["web1"].power_on()
    assert (seen(hosts, kept).running, seen(hosts, stopped).running) == (True, False)
    assert seen(hosts, kept).started_at != before.started_at


def test_a_cut_line_stops_everything_but_what_runs() -> None:
    """Hands that were lent before the cut are of no use either."""
    hosts = fleet()
    hands = hosts.hands(WEB1)
    run(hosts)
    hosts["web1"].cut("no route to host")
    for attempt in (
        lambda: hands.reader.observe("shop"),
        lambda: hands.containers.create(request()),
        hands.images.chains,
    ):
        with pytest.raises(HostUnreachable, match="no route to host"):
            attempt()
    assert answers(hosts)
    assert len(hosts.journal) == 2


def test_reading_is_not_in_the_journal_and_writing_is() -> None:
    """A test can assert that a run wrote nothing to any host."""
    hosts = fleet()
    container_id = run(hosts)
    reader = hosts["web1"].reader
    reader.observe("shop")
    reader.logs(container_id, 5)
    reader.file(container_id, "/etc/hostname")
    assert hosts.journal == (Effect("web1", "create shop.web-1.a"), Effect("web1", "start shop.web-1.a"))


def test_a_hook_fails_an_effect_before_it_happens_or_after() -> None:
    """Before: nothing was done. After: it was, and the answer got lost."""
    hosts = fleet()

    def lost(host: str, name: str) -> None:
        raise EngineRefused(host, f"lost: {name}")

    hosts.effects.before = lost
    with pytest.raises(EngineRefused, match=r"lost: create shop\.web-1\.a"):
        hosts["web1"].containers.create(request())
    hosts.effects.before, hosts.effects.after = None, lost
    assert hosts["web1"].reader.container("shop.web-1.a") is None
    with pytest.raises(EngineRefused, match="lost"):
        hosts["web1"].containers.create(request())
    assert hosts["web1"].reader.container("shop.web-1.a") is not None


def test_images_travel_between_hosts_as_archives() -> None:
    """What one engine saves another loads, under the same id, with its labels and files."""
    hosts = MemoryHosts([WEB1, Host("web2", "192.0.2.2")])
    labels = {"provisioner.kind": "release", "provisioner.fleet": "shop", "provisioner.number": "7"}
    image_id, archive = image_archive(("shop:7",), files={"release.json": b"{}"}, labels=labels)
    hosts["web1"].images.load([archive])
    hosts["web2"].images.load(hosts["web1"].images.save("shop:7"))
    found = hosts["web2"].images.inspect("shop:7")
    assert found is not None
    assert (found.image_id, found.labels) == (image_id, labels)
    assert hosts["web2"].reader.release("shop:7") == {"release.json": b"{}"}
    assert [release.number for release in hosts["web2"].reader.observe("shop").releases] == [7]


def test_a_full_disk_refuses_an_image() -> None:
    """A refused load leaves no image behind."""
    hosts = fleet()
    hosts["web1"].images.refusal = "no space left on device"
    image_id, archive = image_archive(("other:1",))
    with pytest.raises(EngineRefused, match="no space left"):
        hosts["web1"].images.load([archive])
    assert hosts["web1"].images.inspect(image_id) is None


def test_an_image_in_use_is_not_removed() -> None:
    """An image goes after the containers made from it."""
    hosts = fleet()
    container_id = run(hosts)
    with pytest.raises(EngineRefused):
        hosts["web1"].images.remove(IMAGE)
    hosts["web1"].containers.remove(container_id)
    hosts["web1"].images.remove(IMAGE)
    assert hosts["web1"].images.inspect(IMAGE) is None
