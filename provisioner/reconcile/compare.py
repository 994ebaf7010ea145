"""The whole of `compare`: what every host is, asked at once, then the contents of what differs, then the verdict."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from provisioner.errors import HostUnreachable
from provisioner.model.facts import HostFacts, PeerComparison, Scope
from provisioner.model.inventory import Host
from provisioner.model.observed import Unreachable
from provisioner.planning.peers import compare_peers, wanted_texts
from provisioner.ports import FactsReader

Read = Callable[[Host], FactsReader]


def compare(read: Read, hosts: Sequence[Host], scope: Scope, forks: int) -> PeerComparison:
    """Return in what hosts differ; one that does not answer is a value in the answer, not an exception."""
    with ThreadPoolExecutor(max(1, min(forks, len(hosts)))) as pool:
        answers = tuple(pool.map(lambda host: _facts(read, host), hosts))
        seen = tuple(each for each in answers if isinstance(each, HostFacts))
        lost = tuple(each for each in answers if isinstance(each, Unreachable))
        wanted = wanted_texts(seen, scope)
        asked = tuple(host for host in hosts if host.name in wanted)
        told = tuple(pool.map(lambda host: _texts(read, host, wanted[host.name]), asked))
    texts = {host.name: found for host, found in zip(asked, told, strict=True) if found is not None}
    return compare_peers(seen, texts, scope, lost)


def _facts(read: Read, host: Host) -> HostFacts | Unreachable:
    try:
        return read(host).facts()
    except HostUnreachable as error:
        return Unreachable(host.name, error.reason, error.hint)


def _texts(read: Read, host: Host, paths: tuple[str, ...]) -> Mapping[str, str] | None:
    """Return contents by path; a host that is lost now was read whole before, and differs by digests."""
    try:
        return read(host).texts(paths)
    except HostUnreachable:
        return None
