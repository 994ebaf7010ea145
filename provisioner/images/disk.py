"""What the operating system says about a file of ours, in our words."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioner.errors import StorageFailed


@contextmanager
def told_as_storage(path: Path) -> Iterator[None]:
    """Turn an OSError about a file or folder into StorageFailed."""
    try:
        yield
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT}
        hint = "make room there, or name another cache folder" if full else "check its owner and permissions"
        raise StorageFailed(f"{path}: {error.strerror or error}", hint=hint) from error
