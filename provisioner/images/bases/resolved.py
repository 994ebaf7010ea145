"""What moving names resolved to on this machine, remembered so that an unlocked build stands on the same tomorrow."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar, cast

from provisioner.images.disk import told_as_storage
from provisioner.spec.codec import Unreadable, decode, encode

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Resolved:
    """Answers below a folder, each under all that was asked. All raise StorageFailed."""

    folder: Path

    def of(self, kind: type[T], asked: tuple[object, ...], resolve: Callable[[], T]) -> T:
        """Return what was answered before; ask and remember where nothing was, or nothing that can be read."""
        digest = hashlib.sha256(json.dumps([kind.__name__, *asked]).encode()).hexdigest()
        path = self.folder / f"{digest[:32]}.json"
        try:
            return cast("T", decode(json.loads(path.read_bytes()), kind))
        except (OSError, ValueError, Unreadable):
            answer = resolve()
        with told_as_storage(path):
            self.folder.mkdir(parents=True, exist_ok=True)
            unfinished = path.with_suffix(f".{os.getpid()}.part")
            unfinished.write_text(json.dumps(encode(answer, kind)))
            unfinished.replace(path)
        return answer
