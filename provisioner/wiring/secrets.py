"""Where the values of a fleet's secrets come from on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from provisioner.local.secrets import resolve
from provisioner.model.secret import Secret
from provisioner.model.spec import FromVariable, SecretSource
from provisioner.reconcile.vault import Vault


def open_vault(sources: Mapping[str, SecretSource], environment: Mapping[str, str], folder: Path) -> Vault:
    """Return what knows values; commands run in `folder`.

    A secret of a release that no spec declares is read from the variable of its name.
    """

    def ask(name: str) -> Secret:
        return resolve(name, sources.get(name) or FromVariable(name), environment, folder)

    return Vault(ask)
