"""An engine that can be stopped as SIGSTOP does it: its socket goes on accepting, and nobody answers."""

from __future__ import annotations

import json
import socketserver
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

_VERSIONS = {"Version": "20.10.24", "ApiVersion": "1.41", "MinAPIVersion": "1.12"}
_ANSWERS: dict[str, Any] = {"/version": _VERSIONS, "/info": {"Driver": "overlay2"}, "/_ping": "OK"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: HangingEngine

    def setup(self) -> None:
        self.server.awake.wait()
        super().setup()

    def do_GET(self) -> None:
        """Answer, slowly where it is told to be slow; a sign of life is given at once."""
        self.server.awake.wait()
        if not self.path.endswith("/_ping"):
            self.server.asked.append(self.path)
            time.sleep(self.server.slowness)
        path = "/" + self.path.partition("?")[0].rpartition("/")[2]
        body = json.dumps(_ANSWERS.get(path, {})).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_DELETE = do_GET  # noqa: N815 - the library's name

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class HangingEngine(socketserver.ThreadingUnixStreamServer):
    """Answers what is asked first of an engine, until it hangs; `slowness` are the seconds an answer takes."""

    daemon_threads = True

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.awake = threading.Event()
        self.awake.set()
        self.slowness = 0.0
        self.asked: list[str] = []
        super().__init__(self.path, _Handler)
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def get_request(self) -> Any:
        """Take a connection, whose other side has no name."""
        return self.socket.accept()[0], ("caller", 0)

    def handle_error(self, *_: object) -> None:
        """Say nothing of callers who have gone meanwhile."""

    def hang(self) -> None:
        """Answer nobody from now on."""
        self.awake.clear()

    def go_on(self) -> None:
        """Answer everybody who still waits, and whoever comes."""
        self.awake.set()
