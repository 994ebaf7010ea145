"""A client that never retries: whatever goes wrong with one request is a failed request."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

_CHECKOUT = Path(__file__).parents[1]
_END = 40.0
PAGES_ONLY = {"posts": 0, "polls": 0, "tunnels": 0}
"""For applications that only give pages."""


class StrictClient:
    """Calls a balancer from a process of its own (`python -m tests.load`) until it is left; `report` is what it saw."""

    def __init__(
        self, port: int, load: Mapping[str, object] = PAGES_ONLY, rotation: Sequence[str] = (), run: str = "run"
    ) -> None:
        options = {"port": port, "run": run, **load}
        words = [word for name, value in options.items() for word in (f"--{name.replace('_', '-')}", str(value))]
        self._argv = [sys.executable, "-m", "tests.load", *words, "--rotation", json.dumps(list(rotation))]
        self._process: subprocess.Popen[str] | None = None
        self.report: dict[str, Any] = {}

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(self._argv, stdin=pipe, stdout=pipe, text=True, cwd=_CHECKOUT)
        assert self._process.stdout is not None
        assert self._process.stdout.readline().strip(), "the client did not begin"
        time.sleep(0.5)
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        time.sleep(0.5)
        out = self._process.communicate(timeout=_END)[0]
        self.report = json.loads(out)

    @property
    def failures(self) -> list[str]:
        """Return each failed request with the time at which it was sent."""
        return [
            f"{time.strftime('%H:%M:%S', time.localtime(each['at']))} {each['kind']}: {each['reason']}"
            for each in self.report["failures"]
        ]

    @property
    def answered(self) -> int:
        """Return how many requests were answered well."""
        return sum(self.report["answered"].values())
