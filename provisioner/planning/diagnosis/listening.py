"""What the listening sockets of a container say: another port than the declared one, or loopback alone."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from provisioner.model.diagnosis import Cause, Reason
from provisioner.model.evidence import Evidence, ListeningSocket
from provisioner.planning.diagnosis.fixes import in_environment, in_service

_ENGINES_OWN_DNS = "127.0.0.11"
_EPHEMERAL = 32768
_LOOPBACK_WORD = re.compile(r"(?<![\w.])(127\.0\.0\.1|localhost|::1)(?![\w.])")


def listening_reasons(evidence: Evidence) -> Iterator[Reason]:
    """Yield that it listens where the balancer does not ask."""
    question, sockets = evidence.expected.question, own_sockets(evidence)
    if question is None or not sockets:
        return
    here = [each for each in sockets if each.port == question.port]
    if here and all(is_loopback(each) for each in here):
        yield _loopback(evidence, here[0])
    elif not here and evidence.expected.options.network != "host":
        yield _wrong_port(evidence, sockets, question.port)


def own_sockets(evidence: Evidence) -> tuple[ListeningSocket, ...]:
    """Return what the program listens on, without the engine's name server."""
    return tuple(each for each in evidence.sockets or () if each.address != _ENGINES_OWN_DNS)


def listens(evidence: Evidence) -> bool:
    """Tell whether it can be reached on the port that it is asked on."""
    question = evidence.expected.question
    return question is not None and any(
        each.port == question.port and not is_loopback(each) for each in own_sockets(evidence)
    )


def is_loopback(socket: ListeningSocket) -> bool:
    """Tell whether nobody outside of the container can reach a socket."""
    return ipaddress.ip_address(socket.address).is_loopback


def _wrong_port(evidence: Evidence, sockets: tuple[ListeningSocket, ...], wanted: int) -> Reason:
    # A port that the kernel chose is rarely what a service answers on.
    found = sorted({each.port for each in sockets}, key=lambda port: (port >= _EPHEMERAL, port))
    told = " and ".join(str(port) for port in found[:4])
    alone = " on loopback alone" if all(is_loopback(each) for each in sockets) else ""
    text = f"it listens on port {told}{alone}, and the spec says {wanted}"
    return Reason(Cause.WRONG_PORT, text, in_service(evidence, f"port: {found[0]}"))


def _loopback(evidence: Evidence, socket: ListeningSocket) -> Reason:
    text = f"it listens on {socket.address}:{socket.port}, which nobody outside of its container can reach"
    return Reason(Cause.LOOPBACK, text, _loopback_fix(evidence, socket.port))


def _loopback_fix(evidence: Evidence, port: int) -> str:
    options = evidence.expected.options
    for key, value in sorted(options.environment.items()):
        if _LOOPBACK_WORD.search(value) and not value.count("/"):
            return in_environment(evidence, key, _open(value))
    command = options.command or ()
    if any(_LOOPBACK_WORD.search(word) for word in command):
        words = ", ".join(f'"{_open(word)}"' for word in command)
        return in_service(evidence, f"command: [{words}]")
    return f"let it listen on 0.0.0.0:{port}"


def _open(text: str) -> str:
    return _LOOPBACK_WORD.sub("0.0.0.0", text)  # noqa: S104 - inside a container, behind one published port
