"""What every HostReader and ContainerShell must do, in memory and on a real host."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from provisioner.model.container import Mount, PublishedPort
from provisioner.ports import FileContent

if TYPE_CHECKING:
    from tests.contract.conftest import Bench

Refused = Callable[[Callable[[], object]], int]


def test_a_container_is_seen_with_what_was_asked_for(bench: Bench) -> None:
    """Options, labels, host name and ports come back as they were requested."""
    wanted = bench.request(
        environment={"MOOD": "calm = quiet"},
        ports=(PublishedPort(8000, 28997, "127.0.0.1"),),
        memory=64 * 1024 * 1024,
        read_only=True,
        cap_drop=("ALL",),
        no_new_privileges=True,
        log_options={"max-size": "1m"},
    )
    found = bench.hands.reader.container(bench.create(wanted))
    assert found is not None
    assert found.options.environment["MOOD"] == "calm = quiet"
    assert (found.image_id, found.hostname, found.ports) == (bench.image, "bench", wanted.ports)
    assert found.labels["provisioner.fleet"] == "contract"
    for name in ("command", "memory", "read_only", "cap_drop", "no_new_privileges", "restart", "log_options"):
        assert getattr(found.options, name) == getattr(wanted.options, name), name


def test_a_container_is_found_by_name_and_by_id(bench: Bench) -> None:
    """Both name the same one; anything else is None."""
    container_id = bench.create()
    by_name = bench.hands.reader.container(bench.name())
    assert by_name == bench.hands.reader.container(container_id)
    assert bench.hands.reader.container("contract-nobody") is None


def test_observing_shows_every_container_and_image(bench: Bench) -> None:
    """One observation holds what single questions would answer."""
    container_id = bench.create(bench.request(mounts=(Mount("volume", "contract_seen", "/data"),)))
    host = bench.hands.reader.observe("contract")
    assert bench.hands.reader.container(container_id) in host.containers
    assert bench.image in {image.image_id for image in host.images}
    assert "contract_seen" in host.volumes


def test_observing_changes_nothing(bench: Bench) -> None:
    """Two observations in a row are equal."""
    bench.running()
    assert bench.hands.reader.observe("contract") == bench.hands.reader.observe("contract")


def test_files_are_read_back_byte_for_byte(bench: Bench) -> None:
    """What was put is got, from a container that runs or not; what is not there is None."""
    container_id = bench.create()
    content = bytes(range(256))
    bench.hands.shell.put(container_id, "/tmp", (FileContent("bytes.bin", content),))
    assert bench.hands.reader.file(container_id, "/tmp/bytes.bin") == content
    assert bench.hands.shell.get(container_id, "/tmp/absent") is None


def test_a_read_only_root_takes_no_file_but_its_volumes_do(bench: Bench, refused_status: Refused) -> None:
    """A hardened container is written to through its volumes only."""
    mounts = (Mount("volume", "contract_etc", "/data"),)
    container_id = bench.create(bench.request(read_only=True, mounts=mounts))
    file = FileContent("name", b"value")
    assert refused_status(lambda: bench.hands.shell.put(container_id, "/tmp", (file,))) >= 400
    bench.hands.shell.put(container_id, "/data", (file,))
    assert bench.hands.shell.get(container_id, "/data/name") == b"value"


def test_a_command_inside_leaves_its_exit_status(bench: Bench) -> None:
    """A command that fails is an answer, not an error."""
    container_id = bench.running()
    assert bench.hands.shell.run(container_id, ("true",)).status == 0
    assert bench.hands.shell.run(container_id, ("false",)).status == 1


def test_no_command_runs_in_a_stopped_container(bench: Bench, refused_status: Refused) -> None:
    """Reaching into what does not run is refused."""
    container_id = bench.create()
    assert refused_status(lambda: bench.hands.shell.run(container_id, ("true",))) == 409


def test_a_killed_container_is_seen_as_exited(bench: Bench) -> None:
    """A deadly signal ends it, with the exit status of the signal."""
    container_id = bench.running(bench.request(restart="no"))
    bench.hands.shell.signal(container_id, "SIGKILL")
    bench.hands.containers.stop(container_id, 1)
    found = bench.hands.reader.container(container_id)
    assert found is not None
    assert (found.state, found.exit_code) == ("exited", 137)
