"""What a host tells of a container that fails: recorded answers read, and a real engine asked."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner.errors import EngineRefused
from provisioner.hosts.access import SshHosts
from provisioner.hosts.examine import EngineExaminer, read_ends
from provisioner.hosts.room import read_rooms
from provisioner.hosts.sockets import read_host, read_listening, read_names
from provisioner.model.evidence import DiskRoom, End, ListeningSocket, Question

if TYPE_CHECKING:
    from tests.hosts.conftest import Sshd, Workbench

CASES = Path(__file__).parents[1] / "cases" / "hosts"
LISTENING = (
    "   0: 0100007F:{port:04X} 00000000:0000 0A 00000000:00000000 00:00000000 00000000    33        0 77 1 0 100 0"
    " 0 10 0\n"
)


@pytest.mark.parametrize("case", sorted((CASES / "sockets").iterdir()), ids=lambda case: case.name)
def test_listening_sockets_are_read_from_the_kernels_tables(case: Path) -> None:
    """Both tables; connections are left out, and an address of IPv4 in one of IPv6 is what it stands for."""
    told = "".join(
        f"{each.address}:{each.port} user {each.user}\n" for each in read_listening((case / "answer.txt").read_text())
    )
    assert told == (case / "expected.txt").read_text()


def test_who_listens_on_a_host_is_told_as_far_as_it_can_be_seen() -> None:
    """The user by name; the process only where its sockets could be listed."""
    tables = LISTENING.format(port=80)
    users, owners = "0 root\n33 www-data\n", "76 1\n77 4242\n"
    assert read_host(f"{tables}\n--\n{users}--\n{owners}") == (
        (ListeningSocket("127.0.0.1", 80, user="www-data"), "4242"),
    )
    assert read_host(f"{tables}\n--\n--\n") == ((ListeningSocket("127.0.0.1", 80, user="33"), ""),)
    assert read_names("4242 nginx: master\n") == {"4242": "nginx: master"}


def test_room_is_read_from_df() -> None:
    """Bytes and files that are left, per path; a file system that counts no files says nothing of them."""
    head = "Filesystem     1024-blocks    Used Available Capacity Mounted on\n"
    blocks = f"{head}/dev/sda1 41152736 12000000 27000000 31% /\ntmpfs 1024 1024 0 100% /tmp\n"
    inodes = f"{head}/dev/sda1 2621440 90000 2531440 4% /\ntmpfs 0 0 0 - /tmp\n"
    found = read_rooms(f"{blocks}--\n{inodes}", ("/var/lib/docker", "/tmp"))
    first = DiskRoom("/var/lib/docker", 27000000 * 1024, 41152736 * 1024, 2531440)
    assert found == (first, DiskRoom("/tmp", 0, 1024 * 1024, None))
    assert read_rooms("--\n", ("/",)) == ()


def test_ends_are_read_from_events() -> None:
    """Every end with its code, and whether the kernel killed it for its memory just before."""
    events = [
        {"Action": "oom"},
        {"Action": "die", "Actor": {"Attributes": {"exitCode": "137"}}},
        {"Action": "die", "Actor": {"Attributes": {"exitCode": "3"}}},
    ]
    assert read_ends(events) == (End(137, out_of_memory=True), End(3))


@pytest.fixture
def examiner(server: Sshd, hosts: SshHosts) -> EngineExaminer:
    """Return what looks closer at this machine, over SSH."""
    return hosts.examiner(server.host())


@pytest.fixture
def listening() -> Iterator[int]:
    """Listen on a loopback port."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


@pytest.mark.engine
def test_every_end_of_a_program_is_remembered(bench: Workbench, examiner: EngineExaminer) -> None:
    """Also when the engine started it again at once, and inspection shows nothing of its end any more."""
    container_id = bench.running(command=("sh", "-c", "exit 7"), restart="on-failure:2")
    until = time.monotonic() + 20
    while len(examiner.past(container_id).ends) < 3 and time.monotonic() < until:
        time.sleep(0.2)
    assert examiner.past(container_id).ends == (End(7), End(7), End(7))


@pytest.mark.engine
def test_a_failed_start_is_remembered_in_the_engines_words(bench: Workbench, examiner: EngineExaminer) -> None:
    """A program that is not in the image."""
    container_id = bench.hands.containers.create(bench.request(command=("no-such-program",)))
    with pytest.raises(EngineRefused):
        bench.hands.containers.start(container_id)
    assert "no-such-program" in examiner.past(container_id).error


@pytest.mark.engine
def test_sockets_of_a_container_are_seen_from_its_host(
    bench: Workbench, examiner: EngineExaminer, listening: int
) -> None:
    """A container has its own; one on the host's network has the host's; one that does not run has none to look at."""
    assert examiner.sockets(bench.running()) == ()
    shared = bench.running(suffix="b", network="host")
    assert ("127.0.0.1", listening) in {(each.address, each.port) for each in examiner.sockets(shared)}
    assert examiner.ask(shared, Question(listening, None)).fault == ""
    assert examiner.ask(shared, Question(1, None)).fault
    with pytest.raises(EngineRefused, match="does not run"):
        examiner.sockets(bench.hands.containers.create(bench.request(suffix="c")))


@pytest.mark.engine
def test_a_hosts_listeners_and_room_are_seen(examiner: EngineExaminer, listening: int) -> None:
    """The test itself is found among them, as its user; the engine's disk has some room."""
    found = next(each for each in examiner.listeners() if each.port == listening)
    assert found.user
    assert all(room.size > 0 for room in examiner.rooms())
    assert len(examiner.rooms()) == 3
