"""The network of a lab as this machine sees it: bytes counted, and this machine's uplink slowed down."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker

_NET = Path("/sys/class/net")


class Bridge:
    """The bridge of a lab: what this machine sends leaves through it, what hosts send each other does not."""

    def __init__(self, client: docker.APIClient, lab: str) -> None:
        self._client = client
        self._lab = lab
        self.device = "br-" + client.inspect_network(f"{lab}-network")["Id"][:12]

    def sent(self) -> int:
        """Return the bytes this machine has sent into the lab since it was made."""
        return int((_NET / self.device / "statistics" / "tx_bytes").read_text())

    def on_host(self, host: str, command: str) -> str:
        """Run a shell command on a host as root, whatever its end, and return what it printed."""
        made = self._client.exec_create(f"{self._lab}-{host}", ["sh", "-c", command])
        output: bytes = self._client.exec_start(made["Id"])
        return output.decode(errors="replace")

    @contextmanager
    def limited(self, megabits: int) -> Iterator[None]:
        """Limit what this machine sends into the lab to so many Mbit/s; 0 means no limit."""
        self._tc("del", check=False)
        if megabits:
            self._tc("add", "root", "tbf", "rate", f"{megabits}mbit", "burst", "128kb", "latency", "60ms")
        try:
            yield
        finally:
            self._tc("del", check=False)

    def _tc(self, verb: str, *words: str, check: bool = True) -> None:
        argv = ["tc", "qdisc", verb, "dev", self.device, *(words or ("root",))]
        subprocess.run(argv, check=check, capture_output=True)
