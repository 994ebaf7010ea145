"""The values of a fleet's secrets as this machine has them, asked for once a run, and the digests of values."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

from provisioner.errors import SecretMissing
from provisioner.model.secret import DesiredSecret, Secret, digest, masked

Ask = Callable[[str], Secret]
"""Gets a secret's value from where the user keeps it, by its name. Raise SecretMissing."""


def _nobody(name: str) -> Secret:
    raise SecretMissing(name, "nothing says where its value is", hint="declare it under 'secrets:' in the spec")


class Vault:
    """Keeps values and digests of one run in memory; a source is asked once, whatever it answers."""

    def __init__(self, ask: Ask = _nobody, digest: Callable[[str, str, Secret], str] = digest) -> None:
        self._ask = ask
        self._digest = digest
        self._lock = Lock()
        self._values: dict[str, Secret | SecretMissing] = {}
        self._digests: dict[tuple[str, str, Secret], str] = {}

    def value(self, name: str) -> Secret:
        """Return the value of a secret. Raise SecretMissing."""
        with self._lock:
            if name not in self._values:
                self._values[name] = self._asked(name)
            found = self._values[name]
        if isinstance(found, SecretMissing):
            raise found
        return found

    def digest(self, fleet: str, name: str, value: Secret) -> str:
        """Return the digest of a value, which takes some 50 ms the first time."""
        with self._lock:
            if (fleet, name, value) not in self._digests:
                self._digests[fleet, name, value] = self._digest(fleet, name, value)
            return self._digests[fleet, name, value]

    def matching(self, fleet: str, wanted: DesiredSecret) -> Secret:
        """Return the value that a node should have. Raise SecretMissing where this machine has none, or another."""
        value = self.value(wanted.name)
        if wanted.digest and self.digest(fleet, wanted.name, value) != wanted.digest:
            reason = "its value here is not the one that this release was made with"
            raise SecretMissing(
                wanted.name, reason, hint="put that value back where it is read from, or apply the spec"
            )
        return value

    def masked(self, text: str) -> str:
        """Return a text without any value that this run has seen, here or on a node."""
        with self._lock:
            seen = {value for value in self._values.values() if isinstance(value, Secret)}
            seen |= {value for _, _, value in self._digests}
        return masked(text, seen)

    def missing(self, name: str) -> SecretMissing | None:
        """Return why a secret has no value here, None where it has one."""
        try:
            self.value(name)
        except SecretMissing as reason:
            return reason
        return None

    def _asked(self, name: str) -> Secret | SecretMissing:
        try:
            return self._ask(name)
        except SecretMissing as reason:
            return reason
