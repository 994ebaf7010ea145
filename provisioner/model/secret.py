"""Secrets: values whose text is `***`, their digests, and what a node or a registry is given of them."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import quote

SECRETS_FOLDER = "/run/secrets"
"""Where a container finds its secrets as files."""

MASKED = "***"
"""All that is ever shown of a value."""

UNREADABLE = "unreadable"
"""Stands for the digest of a secret that lies in a container and could not be read there."""

_WORK, _BLOCK = 2**14, 8
"""The cost of a digest: 16 MiB and some 50 ms, so that guessing a value from it takes long."""

_SHORTEST, _LONG_LINE = 6, 16


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A value that shows itself to nobody; `reveal` opens it, in as few places as there are uses."""

    value: str

    def reveal(self) -> str:
        """Return the value itself."""
        return self.value

    def __str__(self) -> str:
        return MASKED

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


@dataclass(frozen=True, slots=True)
class DesiredSecret:
    """A secret of a node: its name, the variable it is delivered in (empty: a file), the digest of its value.

    The digest is empty where nobody here knows the value.
    """

    name: str
    environment: str = ""
    digest: str = ""

    @property
    def key(self) -> str:
        """Return what tells it from the other secrets of its node."""
        return f"{self.name} in environment {self.environment}" if self.environment else self.name


def digest(fleet: str, name: str, value: Secret) -> str:
    """Return the digest of a secret's value: scrypt, salted with its fleet and its name, in hex.

    A value that is not UTF-8 is one that was read with `surrogateescape`.
    """
    salt = f"{fleet}\n{name}".encode()
    content = value.reveal().encode(errors="surrogateescape")
    return hashlib.scrypt(content, salt=salt, n=_WORK, r=_BLOCK, p=1, dklen=32).hex()


def as_variables(values: Mapping[str, Secret]) -> dict[str, str]:
    """Return values as variables for a process of the user's own that asked for them by name."""
    return {name: value.reveal() for name, value in values.items()}


def masked(text: str, values: Iterable[Secret]) -> str:
    """Return a text without values, however they are written in it: as they are, escaped, encoded, or by line.

    A value of less than six characters stays: it may be a part of any word.
    """
    forms = {form for value in values for form in _forms(value.reveal()) if len(form) >= _SHORTEST}
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, MASKED)
    return text


def _forms(value: str) -> Iterator[str]:
    content = value.encode(errors="surrogateescape")
    yield value
    yield json.dumps(value)[1:-1]
    yield quote(content, safe="")
    yield base64.b64encode(content).decode()
    yield from (line for line in value.splitlines() if len(line) >= _LONG_LINE)


def secrets_volume(container: str) -> str:
    """Return the name of the volume that holds the secrets of a container; no volume of a user is called so."""
    return f"{container}.secrets"


def is_secrets_volume(fleet: str, volume: str) -> bool:
    """Tell whether a volume holds secrets of a container of a fleet."""
    return volume.startswith(f"{fleet}.") and volume.endswith(".secrets")


def filler_name(container: str) -> str:
    """Return the name of the container, never started, through which the volume of another one is filled."""
    return f"{container}.filler"
