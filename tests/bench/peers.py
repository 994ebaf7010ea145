"""What others do to bring an image to a host, each as a person would type it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioner.model.inventory import Host
from tests.bench.bench_images import REPOSITORY

_REGISTRY_PORT = 18629
PIPES = {"save | load": "cat", "save | gzip": "gzip", "save | zstd": "zstd -3 -c"}


def ssh(host: Host, *words: str) -> str:
    """Return the shell words that run a command on a host over OpenSSH, on a connection of its own."""
    key = host.key_file
    options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR"
    return f"ssh -i {key} {options} {' '.join(words)} root@{host.address}"


def pipe(host: Host, tag: str, packer: str) -> float:
    """Pipe `docker save` through a packer into `docker load` on a host; return the seconds it took."""
    load = "zstd -dc | docker load -q" if packer.startswith("zstd") else "docker load -q"
    send = f"{ssh(host)} '{load}' >/dev/null"
    return _timed(f"set -o pipefail; docker save {REPOSITORY}:{tag} | {packer} | {send}")


def registry(host: Host, tag: str) -> float:
    """Push to a registry on this machine and pull from it on a host; return the seconds it took."""
    name = f"127.0.0.1:{_REGISTRY_PORT}/bench:{tag}"
    tunnel = f"-R {_REGISTRY_PORT}:127.0.0.1:{_REGISTRY_PORT}"
    subprocess.run(["docker", "tag", f"{REPOSITORY}:{tag}", name], check=True)
    seconds = _timed(f"docker push -q {name} >/dev/null && {ssh(host, tunnel)} docker pull -q {name} >/dev/null")
    subprocess.run(["docker", "rmi", name], check=True, capture_output=True)
    return seconds


@contextmanager
def registry_running(program: str, folder: Path) -> Iterator[None]:
    """Run Debian's registry on an empty folder."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "config.yml"
    settings.write_text(
        "version: 0.1\nlog: {level: error}\n"
        f"storage: {{filesystem: {{rootdirectory: {folder}/data}}, delete: {{enabled: true}}}}\n"
        f"http: {{addr: 127.0.0.1:{_REGISTRY_PORT}}}\n"
    )
    process = subprocess.Popen([program, "serve", str(settings)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(1)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _timed(command: str) -> float:
    begun = time.monotonic()
    done = subprocess.run(["bash", "-c", command], check=False, capture_output=True, text=True)
    assert done.returncode == 0, (command, done.stderr)
    return time.monotonic() - begun
