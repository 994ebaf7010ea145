"""The whole of `compare` on hosts in memory: who is asked what, and what a lost host means."""

from __future__ import annotations

from collections.abc import Mapping

from provisioner.errors import HostUnreachable
from provisioner.model.facts import Fact, HostFacts, Scope
from provisioner.model.inventory import Host
from provisioner.reconcile.compare import compare

CONF = "/etc/nginx/nginx.conf"


class Machine:
    """A machine in memory: its files by path, and what it was asked."""

    def __init__(self, name: str, files: Mapping[str, str] | None, fails_at: str = "") -> None:
        self.name = name
        self.asked: list[tuple[str, ...]] = []
        self._files = files
        self._fails_at = fails_at

    def facts(self) -> HostFacts:
        """Return a fact per file."""
        self.asked.append(())
        if self._files is None:
            raise HostUnreachable(self.name, "connection refused", hint="is it up?")
        facts = (Fact("file", path, "file 644 root:root", text.ljust(64, "0")) for path, text in self._files.items())
        return HostFacts(self.name, tuple(facts))

    def texts(self, paths: tuple[str, ...]) -> Mapping[str, str]:
        """Return their contents."""
        self.asked.append(paths)
        if self._fails_at == "texts":
            raise HostUnreachable(self.name, "connection reset")
        return {path: (self._files or {})[path] + "\n" for path in paths}


def hosts(*machines: Machine) -> tuple[Host, ...]:
    """Return the hosts they are."""
    return tuple(Host(each.name, each.name) for each in machines)


def test_contents_are_asked_for_once_and_only_where_they_differ() -> None:
    """Equal machines answer one question each, others one more."""
    first, second = Machine("a", {CONF: "x", "/etc/same": "s"}), Machine("b", {CONF: "y", "/etc/same": "s"})
    machines = {each.name: each for each in (first, second)}
    found = compare(lambda host: machines[host.name], hosts(first, second), Scope(), 10)
    assert first.asked == second.asked == [(), (CONF,)]
    assert [each.key for each in found.differences] == [CONF]
    assert "-x" in found.differences[0].diffs[0]


def test_a_host_that_is_not_reached_leaves_the_others_compared() -> None:
    """It is named with its reason, and the answer is incomplete."""
    machines = {name: Machine(name, files) for name, files in {"a": {CONF: "x"}, "b": {CONF: "x"}, "c": None}.items()}
    found = compare(lambda host: machines[host.name], hosts(*machines.values()), Scope(), 1)
    assert found.differences == ()
    assert [(each.name, each.reason) for each in found.unreachable] == [("c", "connection refused")]
    assert found.incomplete


def test_a_host_lost_before_its_contents_differs_by_digests() -> None:
    """What it said before counts."""
    machines = {"a": Machine("a", {CONF: "x"}), "b": Machine("b", {CONF: "y"}, fails_at="texts")}
    found = compare(lambda host: machines[host.name], hosts(*machines.values()), Scope(), 2)
    assert [(each.key, each.diffs) for each in found.differences] == [(CONF, ())]
