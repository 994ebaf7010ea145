"""A real registry on loopback that wants a password."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import bcrypt


@contextmanager
def registry_server(folder: Path, username: str, password: str) -> Iterator[str]:
    """Run Debian's registry on a folder and lend its address; it lets one user in."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{free.getsockname()[1]}"
    secret = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
    (folder / "htpasswd").write_text(f"{username}:{secret}\n")
    config = folder / "registry.yml"
    config.write_text(
        f"version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {folder}/data}}}}\n"
        f"http: {{addr: '{server}'}}\nauth: {{htpasswd: {{realm: test, path: {folder}/htpasswd}}}}\n"
    )
    program = shutil.which("docker-registry")
    assert program, ".ci/packages installs it"
    with subprocess.Popen([program, "serve", str(config)], stderr=subprocess.DEVNULL) as running:
        while not _listens(server):
            assert running.poll() is None
            time.sleep(0.05)
        yield server
        running.terminate()


def _listens(server: str) -> bool:
    host, _, port = server.partition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True
