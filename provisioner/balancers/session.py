"""HAProxy's admin socket over a stream it is lent: one command, one answer, for as long as a step takes."""

from __future__ import annotations

from provisioner.errors import BalancerRefused, EngineRefused
from provisioner.ports import ContainerShell, Stream

ADMIN_SOCKET = "/run/haproxy/admin.sock"
BRIDGE = ("socat", "-", f"UNIX-CONNECT:{ADMIN_SOCKET}")

_PROMPT = b"\n> "
_PIECE = 65536


class _Ended(Exception):
    """The other side closed the stream: an idle connection, a worker that ended, or no worker at all."""


class AdminSession:
    """A conversation with the running worker, opened when it is first needed and again when it was closed."""

    def __init__(self, host: str, shell: ContainerShell, container_id: str) -> None:
        self._host = host
        self._shell = shell
        self._container = container_id
        self._stream: Stream | None = None

    def ask(self, command: str) -> str:
        """Return the answer to a command, empty where it says nothing. Raise BalancerRefused.

        A command may be sent twice, when the first one met a closed connection: all of ours mean the same twice.
        """
        try:
            return self._asked(command)
        except _Ended:
            self.close()
        try:
            return self._asked(command)
        except _Ended as error:
            self.close()
            raise BalancerRefused(self._host, "the balancer's admin socket closes at once: no worker runs") from error

    def order(self, command: str) -> None:
        """Give a command whose success is silence. Raise BalancerRefused with HAProxy's words."""
        answer = self.ask(command)
        if answer:
            raise BalancerRefused(self._host, f"the balancer answered `{command}` with: {answer}")

    def close(self) -> None:
        """End the conversation; a worker that was replaced lives until then."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def _asked(self, command: str) -> str:
        try:
            if self._stream is None:
                self._stream = self._shell.open(self._container, BRIDGE)
                self._exchange(self._stream, "prompt")
            return self._exchange(self._stream, command)
        except EngineRefused as error:
            self.close()
            raise BalancerRefused(self._host, f"its admin socket cannot be reached: {error.reason}") from error
        except TimeoutError as error:
            self.close()
            raise BalancerRefused(self._host, f"the balancer does not answer `{command}`") from error
        except OSError as error:
            raise _Ended from error

    def _exchange(self, stream: Stream, command: str) -> str:
        stream.send(f"{command}\n".encode())
        answer = b""
        while not answer.endswith(_PROMPT):
            piece = stream.receive(_PIECE)
            if not piece:
                raise _Ended
            answer += piece
        return answer.removesuffix(_PROMPT).decode(errors="replace").strip()
