"""The lock file of a fleet on this machine: beside its spec, one for each environment that has its own."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from provisioner.errors import StorageFailed
from provisioner.local.sources import read_source
from provisioner.model.lock import Lock
from provisioner.spec.lock import lock_text, read_lock

SUFFIX = ".lock"


def lock_path(spec: Path, environment: str = "") -> Path:
    """Return where the lock of a spec is written, in an environment or where none is named."""
    return spec.with_name(f"{spec.stem}.{environment}{SUFFIX}" if environment else f"{spec.stem}{SUFFIX}")


def find_lock(spec: Path, environment: str = "") -> Lock | None:
    """Return the lock of a spec: the environment's own, else the one for all; None where there is none.

    Raise InvalidInput.
    """
    for path in dict.fromkeys((lock_path(spec, environment), lock_path(spec))):
        if path.exists():
            return read_lock(read_source(path))
    return None


def write_lock(path: Path, lock: Lock) -> None:
    """Write a lock file beside, then rename it into place. Raise StorageFailed."""
    try:
        handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as target:
                target.write(lock_text(lock))
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StorageFailed(f"{path} cannot be written: {error.strerror}", hint="may you write there?") from error
