"""What every Containers must do, in memory and on a real host."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from provisioner.errors import EngineRefused
from provisioner.model.container import Mount, PublishedPort
from provisioner.model.observed import ObservedContainer
from provisioner.ports import FileContent

if TYPE_CHECKING:
    from tests.contract.conftest import Bench

Refused = Callable[[Callable[[], object]], int]


def seen(bench: Bench, container_id: str) -> ObservedContainer:
    """Return a container that must be there."""
    found = bench.hands.reader.container(container_id)
    assert found is not None
    return found


def test_a_created_container_does_not_run_yet(bench: Bench) -> None:
    """Creating and starting are two things."""
    found = seen(bench, bench.create())
    assert (found.state, found.running, found.name) == ("created", False, bench.name())


def test_a_name_is_given_once(bench: Bench, refused_status: Refused) -> None:
    """The second creation of a name is refused with 409, which is what makes creation atomic."""
    bench.create()
    assert refused_status(bench.create) == 409


def test_of_many_who_create_one_name_at_once_one_wins(bench: Bench) -> None:
    """Creation is atomic under threads too."""

    def attempt(_: int) -> bool:
        try:
            bench.create()
        except EngineRefused:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(8))) == 1


def test_an_image_that_is_not_there_is_refused(bench: Bench, refused_status: Refused) -> None:
    """A container needs its image on the host, by id."""
    bench.image = "sha256:" + "0" * 64
    assert refused_status(bench.create) == 404


def test_a_started_container_runs(bench: Bench) -> None:
    """Starting makes it run; starting again changes nothing."""
    container_id = bench.running()
    before = seen(bench, container_id)
    bench.hands.containers.start(container_id)
    assert before.running
    assert before.started_at == seen(bench, container_id).started_at


def test_a_taken_port_clashes_on_start_and_the_container_stays_created(bench: Bench, refused_status: Refused) -> None:
    """Ports are given at the start, not at the creation; who comes second is refused."""
    ports = (PublishedPort(80, 28999, "127.0.0.1"),)
    bench.running(bench.request(bench.name("-one"), ports=ports))
    second = bench.create(bench.request(bench.name("-two"), ports=ports))
    assert refused_status(lambda: bench.hands.containers.start(second)) >= 400
    assert not seen(bench, second).running


def test_a_port_is_free_again_when_its_holder_has_stopped(bench: Bench) -> None:
    """A stopped container keeps its name and loses its port."""
    ports = (PublishedPort(80, 28998, "127.0.0.1"),)
    first = bench.running(bench.request(bench.name("-one"), ports=ports))
    second = bench.create(bench.request(bench.name("-two"), ports=ports))
    bench.hands.containers.stop(first, 1)
    bench.hands.containers.start(second)
    assert seen(bench, second).running


def test_a_stopped_container_stays_stopped(bench: Bench) -> None:
    """Stopping takes the restart policy away first, so that nothing brings it back."""
    container_id = bench.running(bench.request(restart="always"))
    assert seen(bench, container_id).options.restart == "always"
    bench.hands.containers.stop(container_id, 1)
    found = seen(bench, container_id)
    assert (found.state, found.options.restart) == ("exited", "no")


def test_a_stopped_container_is_started_with_the_restart_policy_it_had(bench: Bench) -> None:
    """Named with the start, the policy is there again."""
    container_id = bench.running(bench.request(restart="unless-stopped"))
    bench.hands.containers.stop(container_id, 1)
    bench.hands.containers.start(container_id, "unless-stopped")
    found = seen(bench, container_id)
    assert (found.running, found.options.restart) == (True, "unless-stopped")


def test_stopping_what_does_not_run_is_no_error(bench: Bench) -> None:
    """A step that is carried out a second time finds its work done."""
    container_id = bench.running()
    bench.hands.containers.stop(container_id, 1)
    bench.hands.containers.stop(container_id, 1)
    assert seen(bench, container_id).state == "exited"


def test_a_new_start_is_told_from_the_one_before(bench: Bench) -> None:
    """`started_at` differs between two runs of one container."""
    container_id = bench.running()
    before = seen(bench, container_id).started_at
    bench.hands.containers.stop(container_id, 1)
    bench.hands.containers.start(container_id)
    assert seen(bench, container_id).started_at != before


def test_removing_works_on_what_runs_and_on_what_is_gone(bench: Bench) -> None:
    """Removal is by force, and idempotent."""
    container_id = bench.running()
    bench.hands.containers.remove(container_id)
    assert bench.hands.reader.container(container_id) is None
    bench.hands.containers.remove(container_id)


def test_starting_what_is_gone_is_refused(bench: Bench, refused_status: Refused) -> None:
    """An id that was removed never means another container."""
    container_id = bench.create()
    bench.hands.containers.remove(container_id)
    assert refused_status(lambda: bench.hands.containers.start(container_id)) == 404


def test_named_volumes_outlive_their_container(bench: Bench) -> None:
    """What was written into a volume is there for the next container that mounts it."""
    mounts = (Mount("volume", "contract_data", "/data"),)
    first = bench.create(bench.request(bench.name("-one"), mounts=mounts))
    bench.hands.shell.put(first, "/data", (FileContent("kept", b"still here"),))
    bench.hands.containers.remove(first)
    second = bench.create(bench.request(bench.name("-two"), mounts=mounts))
    assert bench.hands.shell.get(second, "/data/kept") == b"still here"


def test_a_volume_in_use_is_not_removed(bench: Bench, refused_status: Refused) -> None:
    """A volume goes after the containers that mount it; one that is gone already is removed."""
    container_id = bench.create(bench.request(mounts=(Mount("volume", "contract_used", "/data"),)))
    assert refused_status(lambda: bench.hands.containers.remove_volume("contract_used")) == 409
    bench.hands.containers.remove(container_id)
    bench.hands.containers.remove_volume("contract_used")
    bench.hands.containers.remove_volume("contract_used")
    assert "contract_used" not in bench.hands.reader.observe("contract").volumes


def test_a_volume_is_filled_through_a_container_that_never_starts(bench: Bench, refused_status: Refused) -> None:
    """What is put into a volume mounted to be written is there, with owner and mode, where it is mounted to be read."""
    volume, where = "contract.test-1.a.secrets", "/run/secrets"
    filler = bench.create(bench.request(bench.name("-filler"), own_mounts=(Mount("volume", volume, where),)))
    bench.hands.shell.put(filler, where, (FileContent("KEY", b"value", 0o400, 10001),))
    bench.hands.containers.remove(filler)
    mounts = (Mount("volume", volume, where, read_only=True),)
    node = bench.running(bench.request(user="10001:10001", read_only=True, own_mounts=mounts))
    found = seen(bench, node)
    assert (found.running, found.options.mounts) == (True, mounts)
    assert bench.hands.reader.file(node, f"{where}/KEY") == b"value"
    assert bench.hands.reader.file(node, f"{where}/OTHER") is None
    assert refused_status(lambda: bench.hands.shell.put(node, where, (FileContent("KEY", b"other"),))) >= 400
    assert volume in bench.hands.reader.observe("contract").volumes
