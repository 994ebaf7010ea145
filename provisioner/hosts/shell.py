"""Reaches into running containers: files, commands, signals."""

from __future__ import annotations

import time

from provisioner.errors import EngineRefused
from provisioner.hosts.archives import pack
from provisioner.hosts.container_files import read_file
from provisioner.hosts.engine import Engine
from provisioner.hosts.hijack import ExecStream, start_exec
from provisioner.hosts.timeouts import Timeouts
from provisioner.ports import Completed, FileContent, Stream

_CHUNK = 65536
_END_SECONDS = 5.0
_POLL_SECONDS = 0.05


class EngineShell:
    """Reaches into the containers of one engine. All raise EngineRefused."""

    def __init__(self, engine: Engine, timeouts: Timeouts) -> None:
        self._engine = engine
        self._timeouts = timeouts

    def put(self, container_id: str, folder: str, files: tuple[FileContent, ...]) -> None:
        """Write files into a folder of a container, running or not. Not atomic: rename afterwards."""
        with self._engine.client(patient=True) as client:
            client.put_archive(container_id, folder, pack(files))

    def get(self, container_id: str, path: str) -> bytes | None:
        """Return a file of a container, None where there is none."""
        return read_file(self._engine, container_id, path)

    def run(self, container_id: str, argv: tuple[str, ...]) -> Completed:
        """Run a command inside and wait for its end."""
        exec_id = self._exec(container_id, argv, stdin=False)
        with self._engine.talking():
            stream = self._start(exec_id, self._timeouts.patient)
            try:
                output = bytearray()
                while piece := stream.receive(_CHUNK):
                    output += piece
            finally:
                stream.close()
        return Completed(self._status(exec_id), bytes(output), bytes(stream.stderr))

    def open(self, container_id: str, argv: tuple[str, ...]) -> Stream:
        """Run a command inside and lend its standard input and output."""
        exec_id = self._exec(container_id, argv, stdin=True)
        with self._engine.talking():
            return self._start(exec_id, self._timeouts.request)

    def signal(self, container_id: str, name: str) -> None:
        """Send a signal (`SIGUSR2`) to its first process."""
        with self._engine.client() as client:
            client.kill(container_id, name)

    def _exec(self, container_id: str, argv: tuple[str, ...], *, stdin: bool) -> str:
        with self._engine.client() as client:
            return str(client.exec_create(container_id, list(argv), stdin=stdin)["Id"])

    def _start(self, exec_id: str, timeout: float) -> ExecStream:
        route = self._engine.find()
        path = f"/v{route.api_version}/exec/{exec_id}/start"
        return start_exec(self._engine.host, route.opener, path, timeout)

    def _status(self, exec_id: str) -> int:
        """Return an exit status; some engines tell it a moment after the streams have ended."""
        until = time.monotonic() + _END_SECONDS
        while True:
            with self._engine.client() as client:
                status = client.exec_inspect(exec_id)
            if not status["Running"] and status["ExitCode"] is not None:
                return int(status["ExitCode"])
            if time.monotonic() > until:
                raise EngineRefused(self._engine.host, "a command ended, and the engine does not tell how")
            time.sleep(_POLL_SECONDS)
