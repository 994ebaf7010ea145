"""Secrets: values whose text is `***`, and what a registry is logged in with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A value that shows itself to nobody; `reveal` opens it, in as few places as there are uses."""

    value: str

    def reveal(self) -> str:
        """Return the value itself."""
        return self.value

    def __str__(self) -> str:
        return "***"

    __repr__ = __str__


@dataclass(frozen=True, slots=True)
class Login:
    """What a registry is logged in with; the password never leaves memory but for the engine's own socket."""

    server: str
    username: str
    password: Secret

    def credentials(self) -> dict[str, str]:
        """Return it as the Engine API takes it, in a header of a push or a pull and nowhere else."""
        return {"username": self.username, "password": self.password.reveal(), "serveraddress": self.server}
