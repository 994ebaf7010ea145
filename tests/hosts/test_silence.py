"""Hosts that fall silent while whatever stands before them still acknowledges: given up, and not waited for."""

from __future__ import annotations

import os
import signal
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
