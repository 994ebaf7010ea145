"""Hosts that fall silent while whatever stands before them still acknowledges: given up, and not waited for."""

from __future__ import annotations

import os
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from provisioner.errors import HostUnreachable
from provisioner.hosts import transport
from provisioner.hosts.access import SshHosts

if TYPE_CHECKING:
    from tests.hosts.conftest import Project, Sshd

pytestmark = pytest.mark.engine


@contextmanager
def frozen(server: Sshd) -> Iterator[None]:
    """Stop the sessions of an sshd, as a cut behind a proxy does: the kernel acknowledges, nobody answers."""
    assert server.process is not None
    sessions = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
    assert sessions
    for session in sessions:
        os.kill(int(session), signal.SIGSTOP)
    try:
        yield
    finally:
        for session in sessions:
            os.kill(int(session), signal.SIGCONT)


def test_a_silent_host_is_given_up(
    server: Sshd, project: Project, hosts: SshHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three questions without an answer, and a request that may take 20 s is over long before."""
    monkeypatch.setattr(transport, "ALIVE_SECONDS", 0.5)
    reader = hosts.reader(server.host())
    reader.observe("nobody")
    with frozen(server):
        began = time.monotonic()
        with pytest.raises(HostUnreachable):
            reader.observe("nobody")
        assert time.monotonic() - began < 10


class Proxy(threading.Thread):
    """Stands before an sshd and passes on what both say, until it is told to stop: nobody is told that it has."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.port: int = self._listener.getsockname()[1]
        self._target = port
        self.stopped = threading.Event()

    def run(self) -> None:
        """Pass on what comes, both ways."""
        with self._listener:
            inside, _ = self._listener.accept()
        with inside, socket.create_connection(("127.0.0.1", self._target)) as outside:
            while not self.stopped.wait(0.0):
                for each in select.select((inside, outside), (), (), 0.1)[0]:
                    (outside if each is inside else inside).sendall(each.recv(65536))
            time.sleep(20.0)


def test_an_upload_that_does_not_move_is_given_up_too(
    server: Sshd, project: Project, hosts: SshHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The question cannot even be sent behind it, and counts as one without an answer."""
    monkeypatch.setattr(transport, "ALIVE_SECONDS", 0.5)
    proxy = Proxy(server.port)
    proxy.start()
    with project.known_hosts.open("a") as known:
        known.write(server.known_line().replace(str(server.port), str(proxy.port)))
    images = hosts.hands(server.host(port=proxy.port)).images

    def pieces() -> Iterator[bytes]:
        yield bytes(1 << 16)
        proxy.stopped.set()
        yield from [bytes(1 << 16)] * 400

    began = time.monotonic()
    with pytest.raises(HostUnreachable):
        images.load(pieces())
    assert time.monotonic() - began < 10


def test_a_host_that_answers_is_kept_however_long_nothing_is_asked(
    server: Sshd, project: Project, hosts: SshHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Signs of life are given by sshd itself, and the connection stays the same one."""
    monkeypatch.setattr(transport, "ALIVE_SECONDS", 0.2)
    reader = hosts.reader(server.host())
    reader.observe("nobody")
    time.sleep(2.0)
    assert server.process is not None
    children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children")
    before = children.read_text()
    assert reader.observe("nobody").engine.route == "streamlocal"
    assert children.read_text() == before
