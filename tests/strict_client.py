"""A client that never retries: whatever goes wrong with one request is a failed request."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from typing import Self


class StrictClient:
    """Sends requests from several connections at once, half of them kept alive, until it is stopped."""

    def __init__(self, port: int, connections: int = 8, path: str = "/") -> None:
        self.failures: list[str] = []
        self.answers: Counter[int] = Counter()
        self._port = port
        self._path = path
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._work, args=(number % 2 == 0,)) for number in range(connections)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        time.sleep(0.5)
        return self

    def __exit__(self, *_: object) -> None:
        time.sleep(0.5)
        self._stop.set()
        for thread in self._threads:
            thread.join(20)

    def _work(self, keep: bool) -> None:  # noqa: FBT001 - how one connection behaves
        connection: http.client.HTTPConnection | None = None
        while not self._stop.is_set():
            connection = connection or http.client.HTTPConnection("127.0.0.1", self._port, timeout=15)
            try:
                answer = self._ask(connection, keep)
                closing = not keep or answer.will_close
            except (OSError, http.client.HTTPException) as error:
                self._note(0, repr(error))
                closing = True
            if closing:
                connection.close()
                connection = None
            time.sleep(0.004)
        if connection is not None:
            connection.close()

    def _ask(self, connection: http.client.HTTPConnection, keep: bool) -> http.client.HTTPResponse:  # noqa: FBT001 - as above
        connection.request("GET", self._path, headers={} if keep else {"Connection": "close"})
        answer = connection.getresponse()
        answer.read()
        self._note(answer.status, "" if answer.status == 200 else f"status {answer.status}")
        return answer

    def _note(self, status: int, failure: str) -> None:
        with self._lock:
            self.answers[status] += 1
            if failure:
                self.failures.append(f"{time.strftime('%H:%M:%S')} {failure}")
