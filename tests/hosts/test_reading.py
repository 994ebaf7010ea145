"""Small readings: why a host is not reached, what an engine streams, what an exec writes."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import socket
import tarfile
from collections.abc import Callable
from pathlib import Path

import docker.errors
import paramiko
import pytest
import requests

from provisioner.errors import EngineRefused, EngineUnavailable, HostUnreachable
from provisioner.hosts import failures
from provisioner.hosts.access import project_known_hosts
from provisioner.hosts.archives import pack, unpack_first
from provisioner.hosts.containers import creation
from provisioner.hosts.hijack import Frames
from provisioner.hosts.images import read_load_error
from provisioner.hosts.known_hosts import Changed, HostKey, KnownKey, Revoked, Trusted, Unknown
from provisioner.hosts.pages import read_page
from provisioner.hosts.refusals import engine_errors
from provisioner.hosts.routes import negotiated, why_none
from provisioner.hosts.saved_image import ImageDamaged, read_files
from provisioner.hosts.ssh_config import Target
from provisioner.model.container import ContainerOptions, ContainerRequest
from provisioner.ports import Completed, FileContent

TARGET = Target("web1", "10.0.0.5", 22, "deploy", "10.0.0.5")
KEY = HostKey("ssh-ed25519", b"shown")
RECORDED = KnownKey("10.0.0.5", HostKey("ssh-ed25519", b"other"), "/known", 7)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ConnectionRefusedError(), "refused the connection"),
        (TimeoutError(), "did not answer in time"),
        (socket.gaierror(-2, "Name or service not known"), "does not resolve"),
        (OSError(errno.EHOSTUNREACH, "No route to host"), "no route"),
        (OSError(errno.EACCES, "Permission denied"), "Permission denied"),
    ],
)
def test_each_way_of_not_connecting_is_told_apart_and_has_a_hint(error: OSError, reason: str) -> None:
    """What happened, where, and what to do."""
    told = failures.unconnected(TARGET, error)
    assert told.host == "web1"
    assert reason in told.reason
    assert "10.0.0.5" in told.reason
    assert told.hint


def test_unknown_changed_and_revoked_keys_are_told_apart() -> None:
    """A changed key names both fingerprints, the file and the line; an unknown one the command that records it."""
    unknown = failures.untrusted(TARGET, KEY, Unknown())
    changed = failures.untrusted(TARGET, KEY, Changed(RECORDED))
    revoked = failures.untrusted(TARGET, KEY, Revoked(RECORDED))
    assert failures.untrusted(TARGET, KEY, Trusted()) is None
    assert unknown is not None
    assert changed is not None
    assert revoked is not None
    assert "is not known" in unknown.reason
    assert "provisioner trust web1" in unknown.hint
    assert "/known:7" in changed.reason
    assert KEY.fingerprint in changed.reason
    assert RECORDED.key.fingerprint in changed.reason
    assert "line 7 of /known" in changed.hint
    assert "is revoked" in revoked.reason


@pytest.mark.parametrize(
    ("told", "reason", "hint"),
    [
        (set(), "Docker is not installed", "install"),
        ({"cli", "daemon"}, "not running", "systemctl start docker"),
        ({"cli", "daemon", "socket"}, "permission denied: deploy", "group docker"),
        ({"socket", "access"}, "sshd does not forward", "AllowStreamLocalForwarding"),
        ({"cli", "socket", "access"}, "nothing answers", "restart"),
    ],
)
def test_it_is_told_why_no_way_leads_to_an_engine(told: set[str], reason: str, hint: str) -> None:
    """Five causes, five answers."""
    error = why_none("web1", "deploy", "/var/run/docker.sock", frozenset(told))
    assert reason in error.reason
    assert hint in error.hint


def test_the_api_version_is_the_newest_both_sides_know() -> None:
    """Never pinned: an old engine speaks its own, a new one ours."""
    assert negotiated("web1", {"ApiVersion": "1.41", "MinAPIVersion": "1.12"}) == "1.41"
    assert negotiated("web1", {"ApiVersion": "1.52", "MinAPIVersion": "1.44"}) == "1.51"


@pytest.mark.parametrize(
    ("newest", "oldest", "word"), [("1.40", "1.12", "old"), ("1.70", "1.60", "new"), ("", "", "old")]
)
def test_an_engine_out_of_reach_of_our_versions_is_refused(newest: str, oldest: str, word: str) -> None:
    """Too old or too new is said, with what to do."""
    with pytest.raises(EngineUnavailable, match=f"too {word}") as refusal:
        negotiated("web1", {"Version": "x", "ApiVersion": newest, "MinAPIVersion": oldest})
    assert refusal.value.hint


def _raise(error: Exception) -> Callable[[], None]:
    def attempt() -> None:
        raise error

    return attempt


@pytest.mark.parametrize(
    "error", [requests.ConnectionError("cut"), paramiko.SSHException("cut"), EOFError(), OSError("cut"), TimeoutError()]
)
def test_a_silent_engine_and_a_lost_connection_are_two_things(error: Exception) -> None:
    """While the connection stands it is the engine that does not answer."""
    with pytest.raises(EngineUnavailable), engine_errors("web1", lambda: True):
        _raise(error)()
    with pytest.raises(HostUnreachable), engine_errors("web1", lambda: False):
        _raise(error)()


def test_an_engines_refusal_keeps_its_words_and_its_status() -> None:
    """A full disk gets a hint of its own."""
    response = requests.Response()
    response.status_code = 500
    error = docker.errors.APIError("bad", response=response, explanation="write /x: no space left on device")
    with pytest.raises(EngineRefused, match="no space left on device") as refusal, engine_errors("web1", lambda: True):
        raise error
    assert (refusal.value.status, refusal.value.host) == (500, "web1")
    assert "free some space" in refusal.value.hint


def test_an_error_of_ours_passes_unchanged() -> None:
    """It says more than a mapping could."""
    ours = HostUnreachable("web1", "gone")
    with pytest.raises(HostUnreachable) as same, engine_errors("web1", lambda: True):
        raise ours
    assert same.value is ours


@pytest.mark.parametrize(
    ("answers", "error"),
    [
        ([{"stream": "Loaded image: web:1\n"}], ""),
        ([], ""),
        (
            [{"stream": "Loaded"}, {"errorDetail": {"message": "unexpected EOF"}, "error": "unexpected EOF"}],
            "unexpected EOF",
        ),
        ([{"stream": "Error unpacking image web:1: content digest: not found\n"}], "Error unpacking image web:1"),
        ([{"message": "invalid tar header"}], "invalid tar header"),
    ],
)
def test_a_broken_load_is_noticed_in_what_the_engine_streams(answers: list[dict[str, object]], error: str) -> None:
    """Also where the engine calls it a success."""
    assert read_load_error(answers).startswith(error)
    assert bool(read_load_error(answers)) == bool(error)


def frame(stream: int, data: bytes) -> bytes:
    """Return bytes as an engine frames them."""
    return bytes([stream, 0, 0, 0]) + len(data).to_bytes(4, "big") + data


def test_frames_are_taken_apart_wherever_the_stream_was_cut() -> None:
    """Heads and bodies arrive in any pieces; none is waited for that is there already."""
    wire = frame(1, b"hello ") + frame(2, b"oops") + frame(1, b"") + frame(1, b"world")
    for size in range(1, len(wire) + 1):
        frames, out, err = Frames(), b"", b""
        for start in range(0, len(wire), size):
            frames.add(wire[start : start + size])
            while (taken := frames.take()) is not None:
                out, err = (out + taken[1], err) if taken[0] == 1 else (out, err + taken[1])
        assert (out, err) == (b"hello world", b"oops")


def test_files_are_packed_with_owner_and_mode() -> None:
    """What the engine unpacks is what was asked for."""
    archive = pack([FileContent("conf", b"x", 0o440, 7, 99)])
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        member = opened.getmembers()[0]
    assert (member.name, member.mode, member.uid, member.gid, member.size) == ("conf", 0o440, 7, 99, 1)
    assert unpack_first(archive, "/etc/conf") == (b"x", "")


def test_a_symbolic_link_is_told_with_where_it_leads() -> None:
    """Relative to the folder it lies in."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        link = tarfile.TarInfo("localtime")
        link.type, link.linkname = tarfile.SYMTYPE, "../usr/share/UTC"
        archive.addfile(link)
    assert unpack_first(buffer.getvalue(), "/etc/localtime") == (None, "/usr/share/UTC")


def _tar(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def saved(layer: bytes, stored: bytes | None = None) -> bytes:
    """Return a saved image of one layer; `stored` is what stands in the archive for it."""
    config = json.dumps({"rootfs": {"diff_ids": ["sha256:" + hashlib.sha256(layer).hexdigest()]}}).encode()
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["r:1"], "Layers": ["l/layer.tar"]}]).encode()
    stored = layer if stored is None else stored
    return _tar({"c.json": config, "l/layer.tar": stored, "manifest.json": manifest})


def test_the_files_of_a_saved_image_are_read_byte_for_byte() -> None:
    """Plain and compressed layers give the same."""
    layer = _tar({"./release.json": b"{}", "files/haproxy.cfg": bytes(range(256))})
    expected = {"release.json": b"{}", "files/haproxy.cfg": bytes(range(256))}
    assert read_files([saved(layer)]) == expected
    assert read_files([saved(layer, gzip.compress(layer))]) == expected


@pytest.mark.parametrize(
    "archive",
    [
        saved(_tar({"a": b"b"}), _tar({"a": b"c"})),
        saved(_tar({"a": b"b"}))[:700],
        b"",
        _tar({"x": b""}),
        _tar({"manifest.json": b"[]"}),
    ],
    ids=["other layer", "cut", "empty", "no manifest", "no image"],
)
def test_a_damaged_image_is_noticed(archive: bytes) -> None:
    """A layer that is not the one its configuration names, and an archive that is cut."""
    with pytest.raises(ImageDamaged):
        read_files([archive])


def test_a_page_fetched_on_the_host_is_read_like_any_answer() -> None:
    """Status line, headers, body; a tool's complaint where there is none."""
    assert read_page("web1", Completed(0, b"HTTP/1.0 200 OK\r\nA: b\r\n\r\nbody\n", b""), "x").body == b"body\n"
    moved = read_page("web1", Completed(0, b"HTTP/1.0 301 Moved\r\nLocation: /up\r\n\r\n", b""), "x")
    assert (moved.status, moved.location) == (301, "/up")
    with pytest.raises(EngineRefused, match="connection refused"):
        read_page("web1", Completed(7, b"", b"curl: connection refused\n"), "x")


def test_nothing_is_asked_for_that_the_image_decides() -> None:
    """What is None in the options is absent in the request."""
    body = creation(ContainerRequest("n", "sha256:1", ContainerOptions(), "h"), "sha256:1")
    assert not {"Cmd", "Entrypoint", "User", "Healthcheck", "StopSignal"} & set(body)
    assert body["Env"] == []


def test_the_known_hosts_file_of_an_inventory_lies_beside_it() -> None:
    """It is named after it."""
    assert project_known_hosts(Path("inventories/lab.yaml")) == Path("inventories/lab.known_hosts")
    assert project_known_hosts(Path("hosts")) == Path("hosts.known_hosts")
