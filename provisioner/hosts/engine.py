"""One host's engine: the way to it, and clients that are lent out and taken back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from provisioner.errors import EngineRefused
from provisioner.hosts.attentive import SignsOfLife
from provisioner.hosts.client import EngineClient
from provisioner.hosts.questions import Questions
from provisioner.hosts.refusals import engine_errors
from provisioner.hosts.routes import Route


class Engine:
    """Lends clients of one engine, each to one thread at a time, all over one connection."""

    def __init__(self, find: Callable[[], Route], is_alive: Callable[[], bool], signs: SignsOfLife) -> None:
        self.host = signs.host
        self._find = find
        self._is_alive = is_alive
        self._signs = signs
        self._timeouts = signs.timeouts
        self._lock = threading.Lock()
        self._idle: list[EngineClient] = []
        self._asking: list[Questions] = []
        self._route: Route | None = None

    def find(self) -> Route:
        """Return the way to the engine, looked for at the first need. Raise HostUnreachable or EngineUnavailable.

        One that did not answer before is asked briefly whether it is there; several threads ask once.
        """
        with self._lock:
            self._signs.refuse_silent(self._route.opener if self._route else None)
            if self._route is None:
                self._route = self._find()
                self._route.asking.speak(self._route.api_version, self._timeouts.request)
                self._asking.append(self._route.asking)
            return self._route

    @contextmanager
    def client(self, *, patient: bool = False) -> Iterator[EngineClient]:
        """Lend a client. Inside, everything foreign that is raised becomes an error of ours.

        `patient` waits longer for each answer, for what an engine does slowly (load, save, a command's end).
        """
        client = self._taken()
        client.timeout = int(self._timeouts.patient if patient else self._timeouts.request)
        try:
            with self.talking():
                yield client
        except EngineRefused:
            self._idle.append(client)
            raise
        except BaseException:
            client.close()
            raise
        self._idle.append(client)

    @contextmanager
    def questions(self) -> Iterator[Questions]:
        """Lend what asks many things at once and changes none. Inside, foreign errors become ours."""
        route = self.find()
        with self._lock:
            idle = self._asking.pop() if self._asking else None
        questions = idle or Questions(self.host, route.opener, self._timeouts.request, route.api_version)
        try:
            with self.talking():
                yield questions
        except EngineRefused:
            self._asking.append(questions)
            raise
        except BaseException:
            questions.close()
            raise
        self._asking.append(questions)

    def talking(self) -> AbstractContextManager[None]:
        """Return a context in which everything foreign that is raised becomes an error of ours."""
        return engine_errors(self.host, self._is_alive)

    def new_client(self) -> EngineClient:
        """Return a client that the caller closes, patient, its errors docker's own."""
        return self._made(self.find(), self._timeouts.patient)

    def close(self) -> None:
        """Close whatever is idle; the way is looked for again at the next need."""
        with self._lock:
            clients, asking = self._idle, self._asking
            self._idle, self._asking, self._route = [], [], None
        for client in clients:
            client.close()
        for questions in asking:
            questions.close()

    def _taken(self) -> EngineClient:
        route = self.find()
        with self._lock:
            return self._idle.pop() if self._idle else self._made(route, self._timeouts.request)

    def _made(self, route: Route, timeout: float) -> EngineClient:
        with self.talking():
            return EngineClient(route.opener, route.api_version, timeout)
