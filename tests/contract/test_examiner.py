"""What every Examiner must do, in memory and on a real host."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from provisioner.model.container import PublishedPort
from provisioner.model.evidence import ContainerPast, End, Question

if TYPE_CHECKING:
    from tests.contract.conftest import Bench

Refused = Callable[[Callable[[], object]], int]


def test_a_container_that_runs_has_no_ends(bench: Bench) -> None:
    """Nothing is remembered of what did not happen."""
    assert bench.examiner.past(bench.running()) == ContainerPast()


def test_the_end_of_a_program_is_remembered(bench: Bench) -> None:
    """With the exit status of the signal that ended it."""
    container_id = bench.running(bench.request(restart="no"))
    bench.hands.shell.signal(container_id, "SIGKILL")
    bench.hands.containers.stop(container_id, 1)
    assert bench.examiner.past(container_id).ends == (End(137),)


def test_what_does_not_run_cannot_be_looked_into(bench: Bench, refused_status: Refused) -> None:
    """Neither its sockets nor its answers."""
    container_id = bench.create()
    assert refused_status(lambda: bench.examiner.sockets(container_id)) == 409
    assert refused_status(lambda: bench.examiner.ask(container_id, Question(80, "/"))) == 409


def test_a_program_that_listens_on_nothing_answers_nothing(bench: Bench) -> None:
    """No socket, and a fault in place of an answer."""
    container_id = bench.running()
    assert bench.examiner.sockets(container_id) == ()
    assert bench.examiner.ask(container_id, Question(80, "/")).fault
    assert bench.examiner.ask(container_id, Question(80, None)).fault


def test_a_published_port_is_listened_on(bench: Bench) -> None:
    """Whoever wants the same one finds it taken."""
    bench.running(bench.request(ports=(PublishedPort(8000, 28995, "127.0.0.1"),)))
    assert 28995 in {each.port for each in bench.examiner.listeners()}


def test_a_host_has_room(bench: Bench) -> None:
    """Its disks are told with what is free of them."""
    assert all(room.size >= room.free >= 0 for room in bench.examiner.rooms())
    assert bench.examiner.rooms()
