"""A Docker Engine API client whose bytes travel over channels that it is lent."""

from __future__ import annotations

import queue
from contextlib import closing
from typing import Any
from urllib.parse import quote

import docker
import docker.errors
from docker.transport.basehttpadapter import BaseHTTPAdapter
from requests import HTTPError, PreparedRequest, Response
from urllib3.connection import HTTPConnection
from urllib3.connectionpool import HTTPConnectionPool

from provisioner.hosts.channel import ChannelSocket, Opener, is_spent

_NOWHERE = "http://engine.invalid:1"
_CONNECTIONS = 4


class _Connection(HTTPConnection):
    def __init__(self, opener: Opener, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._opener = opener
        self._send_timeout = timeout

    def connect(self) -> None:
        channel = self._opener()
        channel.settimeout(self._send_timeout)
        self.sock = ChannelSocket(channel)


class _Pool(HTTPConnectionPool):
    """Connections over channels; whether one is spent is asked of the channel, which has no file descriptor."""

    def __init__(self, opener: Opener, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout, maxsize=_CONNECTIONS)
        self._opener = opener
        self._seconds = timeout

    def _new_conn(self) -> _Connection:
        return _Connection(self._opener, self._seconds)

    def _get_conn(self, timeout: float | None = None) -> _Connection:  # noqa: ARG002 - urllib3 names it
        while self.pool is not None:
            try:
                connection = self.pool.get(block=False)
            except queue.Empty:
                break
            if isinstance(connection, _Connection) and isinstance(connection.sock, ChannelSocket):
                if not is_spent(connection.sock.channel):
                    return connection
                connection.close()
        return self._new_conn()


class _Adapter(BaseHTTPAdapter):
    def __init__(self, opener: Opener, timeout: float) -> None:
        self._pool = _Pool(opener, timeout)
        super().__init__()

    def get_connection(self, _url: str | bytes, _proxies: object = None) -> _Pool:
        return self._pool

    def request_url(self, request: PreparedRequest, _proxies: object) -> str:
        return request.path_url

    def close(self) -> None:
        self._pool.close()
        super().close()


class EngineClient(docker.APIClient):
    """docker's client on a channel adapter. For one thread at a time. `timeout` is seconds per answer.

    Our own base_url keeps docker from looking for a socket inside a response, and no answer is waited for
    without end: docker switches timeouts off for everything it streams.
    """

    def __init__(self, opener: Opener, version: str, timeout: float) -> None:
        super().__init__(base_url=_NOWHERE, version=version, timeout=int(timeout))
        self.trust_env = False
        self.adapters.clear()
        self.mount("http+docker://", _Adapter(opener, timeout))
        self.base_url = "http+docker://engine"

    def archive_head(self, container_id: str, path: str, limit: int) -> bytes:
        """Return the first bytes of the archive of a path in a container, links not followed. Raise docker's errors.

        docker's own reads a folder to its end.
        """
        url = f"{self.base_url}/v{self.api_version}/containers/{quote(container_id)}/archive"
        asked: Any = {"params": {"path": path}, "headers": {"Accept-Encoding": "identity"}, "timeout": self.timeout}
        with closing(self.get(url, stream=True, **asked)) as answer:
            try:
                answer.raise_for_status()
            except HTTPError as error:
                raise docker.errors.create_api_error_from_http_exception(error) from error
            head: bytes = answer.raw.read(limit)
            return head

    def _get_raw_response_socket(self, response: Response) -> Any:
        response.raise_for_status()
        return response.raw

    def _disable_socket_timeout(self, socket: object) -> None:
        """Keep the timeout: a host that falls silent must not hold a thread for ever."""
