"""Fetches a page from a container's own address, through the SSH connection or, where that is refused, on the host."""

from __future__ import annotations

import http.client
import io

import paramiko

from provisioner.errors import EngineRefused
from provisioner.hosts.channel import ByteChannel, ChannelSocket
from provisioner.hosts.connection import Connection
from provisioner.ports import Completed

FETCH = """\
if command -v curl >/dev/null 2>&1; then
    exec curl --http1.0 --silent --show-error --include --max-time 20 "http://$1:$2$3"
elif command -v bash >/dev/null 2>&1; then
    exec bash -c '
        exec 3<>"/dev/tcp/$0/$1" && printf "GET %s HTTP/1.0\\r\\nHost: %s\\r\\n\\r\\n" "$2" "$0" >&3 && cat <&3
    ' "$1" "$2" "$3"
elif command -v wget >/dev/null 2>&1; then
    printf 'HTTP/1.0 200 OK\\r\\n\\r\\n' && exec wget -q -T 20 -O - "http://$1:$2$3"
fi
exit 127
"""
"""Prints the answer to a GET, status line and headers included. `$1` address, `$2` port, `$3` path."""

_OK = 200


class _Recorded(io.BytesIO):
    """An answer that was received as a whole, in the shape http.client reads from."""

    def makefile(self, _mode: str) -> _Recorded:
        return self


def fetch_page(connection: Connection, address: str, port: int, path: str, timeout: float) -> bytes:
    """Return the body of a page; `timeout` in seconds. Raise EngineRefused where it is not served, HostUnreachable."""
    try:
        channel = connection.open_tcp(address, port)
    except paramiko.ChannelException:
        return read_page(connection.name, connection.run(FETCH, address, str(port), path), f"{address}:{port}{path}")
    except OSError as error:
        raise EngineRefused(connection.name, f"nothing answers at {address}:{port}: {error}") from error
    return _get(connection.name, channel, f"{address}:{port}{path}", (address, path, timeout))


def _get(host: str, channel: ByteChannel, place: str, request: tuple[str, str, float]) -> bytes:
    address, path, timeout = request
    channel.settimeout(timeout)
    asking = http.client.HTTPConnection(address)
    asking.sock = ChannelSocket(channel)
    try:
        asking.request("GET", path, headers={"Connection": "close"})
        answer = asking.getresponse()
        body = answer.read()
    except (http.client.HTTPException, OSError, EOFError) as error:
        raise EngineRefused(host, f"{place} did not answer: {str(error) or type(error).__name__}") from error
    finally:
        asking.close()
    return _body(host, place, answer.status, body)


def read_page(host: str, done: Completed, place: str) -> bytes:
    """Return the body from the answer of `FETCH`. Raise EngineRefused."""
    answer = http.client.HTTPResponse(_Recorded(done.stdout))  # type: ignore[arg-type]  # no more than makefile is used
    try:
        answer.begin()
        body = answer.read()
    except (http.client.HTTPException, OSError, EOFError, ValueError) as error:
        said = done.stderr.decode(errors="replace").strip() or "no curl, bash or wget there"
        raise EngineRefused(host, f"{place} did not answer: {said}") from error
    return _body(host, place, answer.status, body)


def _body(host: str, place: str, status: int, body: bytes) -> bytes:
    if status != _OK:
        raise EngineRefused(host, f"{place} answers with HTTP status {status}", status=status)
    return body
