"""Containers, shells, images and releases on a real engine, reached over a real sshd."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import docker
import pytest

from provisioner.errors import EngineRefused, EngineUnavailable
from provisioner.hosts.access import SshHosts
from provisioner.hosts.this_machine import local_client
from provisioner.model.container import EngineHealthTest, Mount, PublishedPort, TmpfsMount
from provisioner.ports import FileContent

if TYPE_CHECKING:
    from tests.hosts.conftest import Project, Sshd, Workbench

pytestmark = pytest.mark.engine


def test_a_reader_has_nothing_that_writes(bench: Workbench) -> None:
    """What `drift` is lent cannot change a host, by construction."""
    public = {name for name in dir(bench.hands.reader) if not name.startswith("_")}
    assert public == {"observe", "container", "containers", "logs", "file", "state", "page"}


def test_every_option_comes_back_as_it_was_asked_for(bench: Workbench) -> None:
    """What is asked for and what is seen compare without translation."""
    asked = bench.request(
        environment={"GREETING": "a=b c", "EMPTY": "", "LINES": "one\ntwo"},
        entrypoint=("sh", "-c"),
        command=("sleep 600",),
        user="10001:10001",
        mounts=(
            Mount("volume", f"{bench.fleet}_data", "/data"),
            Mount("bind", "/etc/hostname", "/etc/name", read_only=True),
        ),
        tmpfs=(TmpfsMount("/run", "mode=755,size=1m"), TmpfsMount("/tmp", "mode=1777,nodev,size=2m")),
        nano_cpus=500_000_000,
        memory=64 << 20,
        pids=100,
        read_only=True,
        init=True,
        no_new_privileges=True,
        cap_add=("NET_BIND_SERVICE",),
        cap_drop=("ALL",),
        restart="on-failure:3",
        health=EngineHealthTest(("CMD", "true"), 2.5, 1.0, 0.5, 4),
        stop_signal="SIGUSR1",
        stop_timeout=3,
        log_options={"max-file": "3", "max-size": "10m"},
        ports=(PublishedPort(53, 28953, "127.0.0.1", "udp"), PublishedPort(8000, 28954)),
    )
    container_id = bench.hands.containers.create(asked)
    bench.hands.containers.start(container_id)
    seen = bench.hands.reader.container(asked.name)
    assert seen is not None
    for name in asked.options.__slots__:
        if name != "environment":
            assert getattr(seen.options, name) == getattr(asked.options, name), name
    assert seen.options.environment == {"FROM_IMAGE": "yes", **asked.options.environment}
    assert (seen.image_id, seen.hostname, seen.ports) == (bench.image, "bench", asked.ports)
    assert (seen.running, seen.container_id, seen.fleet) == (True, container_id, bench.fleet)
    assert len(seen.addresses) == 1


def test_what_the_image_sets_is_seen_as_its_own(bench: Workbench) -> None:
    """Defaults are told apart from what was asked for, and its anonymous volume is no mount of ours."""
    seen = bench.hands.reader.container(bench.hands.containers.create(bench.request()))
    assert seen is not None
    assert seen.image_defaults.environment == {"FROM_IMAGE": "yes"}
    assert seen.image_defaults.volumes == ("/scratch",)
    assert seen.options.mounts == ()


def test_one_observation_holds_containers_images_and_volumes(bench: Workbench) -> None:
    """The image of a container is known with its layers; nothing changes by looking."""
    mounts = (Mount("volume", f"{bench.fleet}_data", "/data"),)
    container_id = bench.running(mounts=mounts)
    seen = bench.hands.reader.observe(bench.fleet)
    assert bench.hands.reader.container(container_id) in seen.containers
    assert seen.volumes == (f"{bench.fleet}_data",)
    image = next(image for image in seen.images if image.image_id == bench.image)
    assert image == bench.hands.images.inspect(bench.image)
    assert len(image.layers) == 1
    assert [each for each in bench.hands.reader.observe(bench.fleet).containers if each.fleet == bench.fleet] == [
        each for each in seen.containers if each.fleet == bench.fleet
    ]


def test_logs_are_the_last_lines_without_control_characters(bench: Workbench) -> None:
    """Both streams, oldest first."""
    script = "echo one; echo two >&2; printf '\\033[31mred\\033[0m\\n'; exec sleep 600"
    container_id = bench.running(command=("sh", "-c", script))
    until_written(bench, container_id, 3)
    assert set(bench.hands.reader.logs(container_id, 10)) == {"one", "two", "red"}
    assert len(bench.hands.reader.logs(container_id, 2)) == 2
    assert bench.hands.reader.logs(container_id, 0) == ()


def until_written(bench: Workbench, container_id: str, lines: int) -> None:
    """Wait until a container has written so many lines."""
    for _ in range(100):
        if len(bench.hands.reader.logs(container_id, 100)) >= lines:
            return
        threading.Event().wait(0.05)


def test_files_go_in_and_come_out_byte_for_byte(bench: Workbench) -> None:
    """Owner and mode are kept, symbolic links are followed, what is not there is None."""
    container_id = bench.running(mounts=(Mount("volume", f"{bench.fleet}_data", "/data"),), read_only=True)
    content = bytes(range(256)) * 1000
    bench.hands.shell.put(container_id, "/data", (FileContent("big", content, 0o440, 7, 99),))
    assert bench.hands.reader.file(container_id, "/data/big") == content
    assert b" 7 99 " in bench.hands.shell.run(container_id, ("sh", "-c", "ls -ln /data/big")).stdout.replace(
        b"  ", b" "
    )
    assert bench.hands.shell.get(container_id, "/data/absent") is None
    assert bench.hands.reader.file(container_id, "/bin/sh") is not None
    with pytest.raises(EngineRefused, match="read-only"):
        bench.hands.shell.put(container_id, "/etc", (FileContent("x", b""),))


def test_a_command_leaves_its_status_and_both_streams(bench: Workbench) -> None:
    """Words with blanks and quotes stay one word."""
    container_id = bench.running()
    done = bench.hands.shell.run(
        container_id, ("sh", "-c", 'printf "%s|" "$@"; echo no >&2; exit 7', "x", "a b", "'\"$")
    )
    assert (done.status, done.stdout, done.stderr) == (7, b"a b|'\"$|", b"no\n")


def test_much_output_is_taken_whole(bench: Workbench) -> None:
    """Two megabytes through frames of any size."""
    container_id = bench.running()
    script = f"i=0; while [ $i -lt 20000 ]; do echo {'0123456789' * 7}; i=$((i+1)); done"
    done = bench.hands.shell.run(container_id, ("sh", "-c", script))
    assert len(done.stdout) == 20000 * 71


def test_a_command_that_is_not_there_is_no_success(bench: Workbench) -> None:
    """The engine says so in the output."""
    done = bench.hands.shell.run(bench.running(), ("absent-command",))
    assert done.status == 126
    assert b"absent-command" in done.stdout + done.stderr


def test_a_conversation_is_held_over_one_exec(bench: Workbench) -> None:
    """What is sent is read inside, what is written inside is received, as soon as it is there."""
    container_id = bench.running()
    stream = bench.hands.shell.open(container_id, ("cat",))
    with closing(stream):
        for word in (b"one\n", b"two\n", b"x" * 100_000 + b"\n"):
            stream.send(word)
            received = b""
            while len(received) < len(word):
                received += stream.receive(4096)
            assert received == word


def test_the_end_of_a_conversation_is_empty(bench: Workbench) -> None:
    """A command that ends closes its stream."""
    container_id = bench.running()
    with closing(bench.hands.shell.open(container_id, ("sh", "-c", "echo bye; echo aside >&2"))) as stream:
        received = b""
        while piece := stream.receive(3):
            received += piece
        assert received == b"bye\n"


def test_no_command_runs_in_what_does_not_run(bench: Workbench) -> None:
    """The engine's own refusal, with its status."""
    container_id = bench.hands.containers.create(bench.request())
    with pytest.raises(EngineRefused) as refusal:
        bench.hands.shell.run(container_id, ("true",))
    assert refusal.value.status == 409


def test_a_signal_reaches_the_first_process(bench: Workbench) -> None:
    """Here it ends it."""
    script = "trap 'echo caught' USR2; while :; do sleep 0.1; done"
    container_id = bench.running(command=("sh", "-c", script))
    bench.hands.shell.run(container_id, ("true",))
    bench.hands.shell.signal(container_id, "SIGUSR2")
    until_written(bench, container_id, 1)
    assert bench.hands.reader.logs(container_id, 1) == ("caught",)


def test_stopping_takes_the_restart_policy_away(bench: Workbench) -> None:
    """A paused container is stopped too, and started again it runs."""
    container_id = bench.running(restart="always", init=True)
    pause(bench.hands, container_id)
    bench.hands.containers.start(container_id)
    assert state(bench, container_id) == "running"
    pause(bench.hands, container_id)
    bench.hands.containers.stop(container_id, 5)
    seen = bench.hands.reader.container(container_id)
    assert seen is not None
    assert (seen.state, seen.options.restart) == ("exited", "no")


def pause(_: object, container_id: str) -> None:
    """Pause a container by hand, behind our back."""
    client = local_client(os.environ)
    assert client is not None
    with client:
        client.pause(container_id)


def state(bench: Workbench, container_id: str) -> str:
    """Return the state of a container."""
    seen = bench.hands.reader.container(container_id)
    return seen.state if seen else "gone"


def test_removing_is_by_force_and_twice_is_no_error(bench: Workbench) -> None:
    """Containers and volumes alike."""
    mounts = (Mount("volume", f"{bench.fleet}_data", "/data"),)
    container_id = bench.running(mounts=mounts)
    with pytest.raises(EngineRefused) as refusal:
        bench.hands.containers.remove_volume(f"{bench.fleet}_data")
    assert refusal.value.status == 409
    for _ in range(2):
        bench.hands.containers.remove(container_id)
        bench.hands.containers.remove_volume(f"{bench.fleet}_data")
    assert state(bench, container_id) == "gone"


def test_a_name_is_given_once_and_an_absent_image_is_refused(bench: Workbench) -> None:
    """With the statuses that those who call look at."""
    bench.hands.containers.create(bench.request())
    with pytest.raises(EngineRefused) as taken:
        bench.hands.containers.create(bench.request())
    bench.image = "sha256:" + "0" * 64
    with pytest.raises(EngineRefused) as absent:
        bench.hands.containers.create(bench.request("other"))
    assert (taken.value.status, absent.value.status) == (409, 404)


@pytest.fixture
def page_server() -> Iterator[int]:
    """Serve pages on a loopback port."""

    class Pages(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/stats;csv?x=1"
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(b"line\n" * 50_000 if known else b"")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Pages) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.mark.parametrize("forwarding", ["yes", "no"])
def test_a_page_of_a_container_is_fetched_with_and_without_forwarding(
    sshd: Callable[..., Sshd], project: Project, shell_image: str, page_server: int, forwarding: str
) -> None:
    """On the host's network it is the host's loopback; a missing page and a silent port are refused."""
    from tests.hosts.conftest import Workbench  # noqa: PLC0415 - a type elsewhere in this module

    server = sshd(AllowTcpForwarding=forwarding)
    project.trust(server)
    with SshHosts(project.settings()) as hosts:
        bench = Workbench(hosts.hands(server.host()), shell_image)
        try:
            container_id = bench.running(network="host")
            reader = bench.hands.reader
            assert reader.page(container_id, page_server, "/stats;csv?x=1") == b"line\n" * 50_000
            with pytest.raises(EngineRefused) as missing:
                reader.page(container_id, page_server, "/absent")
            assert missing.value.status == 404
            with pytest.raises(EngineRefused):
                reader.page(container_id, 1, "/")
        finally:
            bench.clear()


def test_a_page_of_what_does_not_run_is_refused(bench: Workbench) -> None:
    """There is nobody to ask."""
    with pytest.raises(EngineRefused, match="does not run"):
        bench.hands.reader.page(bench.hands.containers.create(bench.request()), 80, "/")


def release_archive(fleet: str, content: bytes) -> tuple[bytes, str]:
    """Return the archive of a release image and its tag."""
    tag = f"provisioner/{fleet}/release:r7"
    layer = tar({"release.json": content, "files/haproxy.cfg": b"global\n"})
    labels = {
        "provisioner.kind": "release",
        "provisioner.fleet": fleet,
        "provisioner.number": "7",
        "provisioner.digest": hashlib.sha256(content).hexdigest(),
        "provisioner.created": "2026-01-01T00:00:00Z",
        "provisioner.author": "somebody",
        "provisioner.commit": "abc",
    }
    rootfs = {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}
    inner = {"Cmd": ["x"], "Labels": labels}
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": inner, "rootfs": rootfs}).encode()
    manifest = json.dumps([{"Config": "config.json", "RepoTags": [tag], "Layers": ["layer.tar"]}]).encode()
    return tar({"config.json": config, "layer.tar": layer, "manifest.json": manifest}), tag


def tar(files: dict[str, bytes]) -> bytes:
    """Return a tar archive."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def test_a_release_is_loaded_seen_read_and_removed(server: Sshd, hosts: SshHosts, bench: Workbench) -> None:
    """Its files come back byte for byte; removing it twice is no error."""
    archive, tag = release_archive(bench.fleet, b'{"a": 1}')
    images = bench.hands.images
    images.load(archive[start : start + 700] for start in range(0, len(archive), 700))
    try:
        release = bench.hands.reader.observe(bench.fleet).releases[0]
        assert (release.number, release.reference, release.author) == (7, tag, "somebody")
        found = images.inspect(tag)
        assert found is not None
        assert found.image_id == release.image_id
        assert found.layers[0] in images.chains()
        files = hosts.releases(server.host()).release(tag)
        assert files == {"release.json": b'{"a": 1}', "files/haproxy.cfg": b"global\n"}
        assert b"".join(images.save(tag))
    finally:
        images.remove(tag)
        images.remove(tag)
    assert images.inspect(tag) is None
    with pytest.raises(EngineRefused) as refusal:
        hosts.releases(server.host()).release(tag)
    assert refusal.value.status == 404


@pytest.mark.parametrize("damage", ["cut", "garbage", "layer missing"])
def test_a_broken_archive_is_refused(bench: Workbench, damage: str) -> None:
    """Nothing of it stays."""
    archive, tag = release_archive(bench.fleet, b"{}")
    broken = {
        "cut": archive[:2000],
        "garbage": os.urandom(4000),
        "layer missing": archive.replace(b"layer.tar", b"other.tar", 1),
    }[damage]
    with pytest.raises(EngineRefused):
        bench.hands.images.load([broken])
    assert bench.hands.images.inspect(tag) is None


def test_an_engine_that_refuses_early_is_still_heard(bench: Workbench) -> None:
    """The rest of a large upload does not drown its answer."""
    with pytest.raises(EngineRefused):
        bench.hands.images.load(os.urandom(1 << 20) for _ in range(32))


def test_a_client_for_building_speaks_to_the_host(server: Sshd, hosts: SshHosts) -> None:
    """Where this machine has no engine, images are built on the first host."""
    with hosts.client(server.host()) as client:
        assert isinstance(client, docker.APIClient)
        assert client.ping()


def test_this_machines_engine_is_found_by_the_environment_that_is_handed_in() -> None:
    """Not by our own; none is None, and what is not followed is said."""
    client = local_client({})
    assert client is not None
    with client:
        assert client.ping()
    assert local_client({"DOCKER_HOST": "unix:///absent.sock"}) is None
    with pytest.raises(EngineUnavailable, match="ssh://web1"):
        local_client({"DOCKER_HOST": "ssh://web1"})
