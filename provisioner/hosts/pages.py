"""Fetches a page from a container's own address, through the SSH connection or, where that is refused, on the host."""

from __future__ import annotations

import http.client
import io
from dataclasses import dataclass

import paramiko

from provisioner.errors import EngineRefused
from provisioner.hosts.channel import ByteChannel, ChannelSocket
from provisioner.hosts.connection import Connection
from provisioner.ports import Completed

FETCH = """\
if command -v curl >/dev/null 2>&1; then
    exec curl --http1.0 --silent --show-error --include --max-time 20 --header "Host: $4" "http://$1:$2$3"
elif command -v bash >/dev/null 2>&1; then
    exec bash -c '
        exec 3<>"/dev/tcp/$0/$1" && printf "GET %s HTTP/1.0\\r\\nHost: %s\\r\\n\\r\\n" "$2" "$3" >&3 && cat <&3
    ' "$1" "$2" "$3" "$4"
elif command -v wget >/dev/null 2>&1; then
    printf 'HTTP/1.0 200 OK\\r\\n\\r\\n' && exec wget -q -T 20 --header "Host: $4" -O - "http://$1:$2$3"
fi
exit 127
"""
"""Prints the answer to a GET, headers included. `$1` address, `$2` port, `$3` path, `$4` the host asked for."""

_OK = 200


class _Recorded(io.BytesIO):
    """An answer that was received as a whole, in the shape http.client reads from."""

    def makefile(self, _mode: str) -> _Recorded:
        return self


@dataclass(frozen=True, slots=True)
class Get:
    """What is asked: an address and port, a path, the `Host` header. `timeout` is seconds.

    With a `limit` no more than that many bytes of the page are waited for.
    """

    address: str
    port: int
    path: str
    asked: str
    timeout: float
    limit: int = 0

    @property
    def place(self) -> str:
        """Return where it is asked, for what is said about it."""
        return f"{self.address}:{self.port}{self.path}"


@dataclass(frozen=True, slots=True)
class Page:
    """What was answered to a GET: status, where it redirects to, and the bytes of its body."""

    status: int
    location: str
    body: bytes


def fetch_page(connection: Connection, address: str, port: int, path: str, timeout: float) -> bytes:
    """Return the body of a page; `timeout` in seconds. Raise EngineRefused where it is not served, HostUnreachable."""
    get = Get(address, port, path, address, timeout)
    page = fetch(connection, get)
    if page.status != _OK:
        message = f"{get.place} answers with HTTP status {page.status}"
        raise EngineRefused(connection.name, message, status=page.status)
    return page.body


def fetch(connection: Connection, get: Get) -> Page:
    """Return what is answered to a GET, whatever its status.

    Raise EngineRefused where nothing that is HTTP is answered, HostUnreachable.
    """
    try:
        channel = connection.open_tcp(get.address, get.port)
    except paramiko.ChannelException:
        words = (get.address, str(get.port), get.path, get.asked)
        return read_page(connection.name, connection.run(FETCH, *words), get.place)
    except OSError as error:
        message = f"nothing answers at {get.address}:{get.port}: {error}"
        raise EngineRefused(connection.name, message) from error
    return _get(connection.name, channel, get)


def _get(host: str, channel: ByteChannel, get: Get) -> Page:
    channel.settimeout(get.timeout)
    asking = http.client.HTTPConnection("localhost")
    asking.sock = ChannelSocket(channel)
    try:
        asking.request("GET", get.path, headers={"Host": get.asked, "Connection": "close"})
        answer = asking.getresponse()
        body = answer.read1(get.limit) if get.limit else answer.read()
        return Page(answer.status, answer.getheader("Location") or "", body)
    except (http.client.HTTPException, OSError, EOFError) as error:
        raise EngineRefused(host, f"{get.place} did not answer: {_fault(error)}") from error
    finally:
        asking.close()


def _fault(error: Exception) -> str:
    """Return what went wrong; a first line that is not HTTP is quoted without what a terminal would obey."""
    if isinstance(error, http.client.BadStatusLine) and not isinstance(error, http.client.RemoteDisconnected):
        return f"not HTTP: {str(error.args[0])[:40]!r}"
    return str(error) or ("no answer in time" if isinstance(error, TimeoutError) else type(error).__name__)


def read_page(host: str, done: Completed, place: str) -> Page:
    """Return the page from the answer of `FETCH`. Raise EngineRefused."""
    answer = http.client.HTTPResponse(_Recorded(done.stdout))  # type: ignore[arg-type]  # no more than makefile is used
    try:
        answer.begin()
        return Page(answer.status, answer.getheader("Location") or "", answer.read())
    except (http.client.HTTPException, OSError, EOFError, ValueError) as error:
        said = done.stderr.decode(errors="replace").strip() or "no curl, bash or wget there"
        raise EngineRefused(host, f"{place} did not answer: {said}") from error
