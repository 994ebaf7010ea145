"""Who we are to a registry, found out at the first need."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from provisioner.model.secret import Login, Secret


class Account:
    """A registry and, where there is one, the login to it; its password is asked for once, when first needed."""

    def __init__(self, server: str, username: str = "", password: Callable[[], Secret] | None = None) -> None:
        self.server = server
        self._username = username
        self._password = password
        self._lock = Lock()
        self._login: Login | None = None

    def login(self) -> Login | None:
        """Return what to log in with, None where nobody needs to. Raise what asking for the password raises."""
        with self._lock:
            if self._login is None and self._password is not None:
                self._login = Login(self.server.partition("/")[0], self._username, self._password())
            return self._login

    def covers(self, reference: str) -> bool:
        """Tell whether an image lies in this registry."""
        return reference.startswith(self.server.partition("/")[0] + "/")
