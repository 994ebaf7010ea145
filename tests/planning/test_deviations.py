"""What of a container is taken for a difference, and what is not ours on a host."""

from __future__ import annotations

from dataclasses import replace

from provisioner.model.container import FLEET_LABEL, KIND_LABEL, LEASE_LABEL, ContainerOptions
from provisioner.model.deviation import Deviation, Unseen
from provisioner.model.file_state import FileState
from provisioner.model.image import ImageFacts, RenderedFile
from provisioner.model.observed import Observed, ObservedContainer, ObservedHost
from provisioner.model.sockets import OpenSocket
from provisioner.planning.diff import diff
from provisioner.planning.managed_files import file_deviations
from provisioner.planning.unmanaged import unmanaged
from tests import fleets

WANTED = fleets.desired()
EDITED = Deviation("files", "/srv/index/a", "as the image has it", "changed", "a diff", "a note")


def rows(**changes: object) -> list[tuple[str, str, str]]:
    """Return kind, key and class of what differs where the first node's container is changed."""
    seen = fleets.at_rest(WANTED)
    node = next(each for each in WANTED.nodes if each.node.host == "web1")
    name = fleets.container(WANTED, node).name
    hosts = tuple(
        replace(
            host,
            containers=tuple(
                replace(each, **changes) if (host.name, each.name) == ("web1", name) else each  # type: ignore[arg-type]
                for each in host.containers
            ),
        )
        for host in seen.hosts
    )
    return [(row.kind, row.key, row.drift_class) for row in diff(WANTED, Observed(hosts), WANTED)]


def test_a_deviation_is_a_row_with_its_diff_and_its_note() -> None:
    """Whatever the reader found stands in the row."""
    assert rows(deviations=(EDITED,)) == [("files", "/srv/index/a", "drift")]


def test_paths_that_a_program_writes_itself_are_not_compared() -> None:
    """`volatile` of the spec names folders; what lies beside them counts."""
    nodes = tuple(replace(node, volatile=("/srv/index",)) for node in WANTED.nodes)
    wanted = replace(WANTED, nodes=nodes)
    seen = fleets.at_rest(wanted)
    beside = replace(EDITED, key="/srv/index2")
    hosts = tuple(
        replace(host, containers=tuple(replace(each, deviations=(EDITED, beside)) for each in host.containers))
        for host in seen.hosts
        if host.name == "web1"
    )
    assert {row.key for row in diff(wanted, Observed(hosts), wanted)} == {"/srv/index2"}


def test_another_name_and_a_failing_test_are_differences() -> None:
    """The host's name inside, and what the engine's own test says while the container runs."""
    assert rows(hostname="other") == [("hostname", "", "drift")]
    assert rows(health="unhealthy") == [("state", "health", "drift")]
    assert rows(health="unhealthy", state="exited") == [("state", "", "drift")]


def test_what_could_not_be_looked_at_is_unknown() -> None:
    """Never clean, and never drift."""
    ((kind, _, drift_class),) = rows(unseen=(Unseen("process", "hidden from this user"),))
    assert (kind, drift_class) == ("process", "unknown")


def host(*containers: ObservedContainer, **changes: object) -> ObservedHost:
    """Return a host of the fleet with further containers."""
    at_rest = fleets.at_rest(WANTED).host("web1")
    assert at_rest is not None
    return replace(at_rest, containers=(*at_rest.containers, *containers), **changes)  # type: ignore[arg-type]


def stranger(name: str, state: str = "running", **labels: str) -> ObservedContainer:
    """Return a container that is not this fleet's."""
    marks = {f"provisioner.{key}": value for key, value in labels.items()}
    return ObservedContainer(name, name, "sha256:x", ContainerOptions(), state, labels=marks)  # type: ignore[arg-type]


def keys(seen: ObservedHost) -> list[str]:
    """Return the keys of what is not ours there."""
    return [row.key for row in unmanaged(WANTED, seen)]


def test_a_label_alone_makes_nobody_ours() -> None:
    """A fleet that left no image there, a lease that runs: both only claim."""
    assert LEASE_LABEL == "provisioner.lease"
    assert keys(host(stranger("redis"))) == ["redis"]
    assert keys(host(stranger("other.web-1.a", fleet="other"))) == ["other.web-1.a"]
    assert keys(host(stranger("hidden", lease="shop"))) == ["hidden"]
    assert keys(host(stranger("lease", "created", lease="shop"))) == []


def test_another_fleet_on_the_same_host_is_not_unmanaged() -> None:
    """Its release lies there, or its container runs an image of it."""
    there = stranger("other.web-1.a", fleet="other")
    release = ImageFacts("sha256:r", labels={FLEET_LABEL: "other", KIND_LABEL: "release"})
    assert keys(host(there, images=(release,))) == []
    assert keys(host(there, images=(ImageFacts("sha256:x", tags=("provisioner/other/web:1",)),))) == []


def test_a_socket_of_a_container_has_no_row_of_its_own() -> None:
    """Its container is ours, or has one."""
    mine = OpenSocket("tcp", "", 9100, "node", "redis")
    assert keys(host(stranger("redis"), sockets=(mine,))) == ["redis"]
    (row,) = unmanaged(WANTED, host(sockets=(OpenSocket("tcp", "127.0.0.1", 9100, "node"),)))
    assert (row.kind, row.key, row.observed) == ("socket", "tcp 127.0.0.1:9100", "node")
    assert row.remedy == "ss -lntp 'sport = :9100'"


def test_a_managed_file_is_compared_in_content_rights_and_kind() -> None:
    """Content with a diff, mode and owner, something else in its place, nothing at all."""
    wanted = RenderedFile("/etc/app.toml", "level = 1\n", 0o640)
    right = FileState(b"level = 1\n", 0o640, 0, 0)
    assert list(file_deviations(wanted, right)) == []
    (content,) = file_deviations(wanted, replace(right, content=b"level = 2\n"))
    assert "+level = 2" in content.detail
    (rights,) = file_deviations(wanted, replace(right, uid=33, mode=0o644))
    assert (rights.key, rights.desired, rights.observed) == ("/etc/app.toml mode", "0640 0:0", "0644 33:0")
    (link,) = file_deviations(wanted, replace(right, content=None, link="/tmp/x"))
    assert link.observed == "a link to /tmp/x"
    (gone,) = file_deviations(wanted, None)
    assert gone.observed == "absent"
