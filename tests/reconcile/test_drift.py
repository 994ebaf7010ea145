"""The whole of `drift` on a fleet in memory: who is asked what, what is told twice, and what counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from provisioner.errors import EngineUnavailable, HostUnreachable
from provisioner.model.drift import Drift, DriftQuestion, DriftReport, DriftSummary, Ignore, Shell
from provisioner.model.facts import ClockSight, Fact, Gap, HostFacts
from provisioner.model.inventory import Host
from provisioner.ports import HostReader, ReleaseReader
from provisioner.reconcile.drift import answer, drift
from tests.simulation import WEBS, Simulation, spec

HTOP = Fact("package", "htop", "3.2.2")
CONF = "/etc/nginx/nginx.conf"


@dataclass
class Machine:
    """A machine in memory: its facts, what it was asked, and whether its probe fails."""

    name: str
    asked: list[tuple[str, ...]]
    facts_of: list[Fact] = field(default_factory=list)
    gaps: tuple[Gap, ...] = ()
    fails: bool = False

    def facts(self) -> HostFacts:
        """Return its facts."""
        self.asked.append(())
        if self.fails:
            raise HostUnreachable(self.name, "the probe did not end")
        return HostFacts(self.name, tuple(self.facts_of), self.gaps, clock=ClockSight(0.0, 0.1))

    def texts(self, paths: tuple[str, ...]) -> Mapping[str, str]:
        """Return a text per file that names its host."""
        self.asked.append(paths)
        return dict.fromkeys(paths, f"of {self.name}\n" if self.name == "web3" else "of all\n")


class Machines:
    """The machines of the fleet, by name."""

    def __init__(self) -> None:
        self.all = {name: Machine(name, []) for name in ("lb1", *WEBS)}

    def machine(self, host: Host) -> Machine:
        """Return a machine."""
        return self.all[host.name]


def look(
    fleet: Simulation, machines: Machines, question: DriftQuestion | None = None, scope: frozenset[str] | None = None
) -> DriftReport:
    """Look at the fleet once."""
    lookout = replace(fleet.world().lookout, machines=machines)
    return drift(lookout, replace(fleet.intent(spec()), scope=scope), question or DriftQuestion())


def told(rows: tuple[Drift, ...]) -> list[tuple[str, str, str, str]]:
    """Return host, kind, key and class of rows."""
    return [(row.host, row.kind, row.key, row.drift_class) for row in rows]


def test_hosts_that_are_alike_add_nothing(fleet: Simulation) -> None:
    """Every machine is asked one question, and nothing was done to any host."""
    fleet.apply(spec())
    written, machines = fleet.writes(), Machines()
    report = look(fleet, machines)
    assert (report.rows, report.incomplete) == ((), False)
    assert [each.asked for each in machines.all.values()] == [[()]] * 4
    assert report.hosts == ("lb1", *WEBS)
    assert fleet.writes() == written


def test_an_odd_host_is_named_beside_what_the_declared_comparison_says(fleet: Simulation) -> None:
    """Both stand in one answer; the summary counts nodes as before."""
    fleet.apply(spec())
    machines = Machines()
    machines.all["web3"].facts_of.append(HTOP)
    report = look(fleet, machines)
    assert told(report.rows) == [("web3", "package", "htop", "outlier")]
    assert (report.summary.drifted, report.summary.differences) == (0, 1)


def test_contents_are_asked_for_only_where_they_differ(fleet: Simulation) -> None:
    """A second question, of those hosts that have the file."""
    fleet.apply(spec())
    machines = Machines()
    for name, machine in machines.all.items():
        machine.facts_of += [Fact("file", CONF, "file 644 root:root", ("b" if name == "web3" else "a") * 64)]
    (row,) = look(fleet, machines).rows
    assert "-of all\n+of web3" in row.detail
    assert [machine.asked for machine in machines.all.values()] == [[(), (CONF,)]] * 4


def test_a_host_that_is_not_reached_is_told_once_and_not_asked(fleet: Simulation) -> None:
    """The others are compared all the same."""
    fleet.apply(spec())
    machines = Machines()
    machines.all["web1"].facts_of.append(HTOP)
    fleet.hosts["web2"].line.cut = "connection refused"
    report = look(fleet, machines)
    assert told(report.rows) == [("web1", "package", "htop", "outlier"), ("web2", "host", "", "unknown")]
    assert machines.all["web2"].asked == []
    assert report.incomplete
    assert report.lost == {"web2"}


def test_a_probe_that_fails_makes_its_host_unknown(fleet: Simulation) -> None:
    """Its containers were read; what else it is was not."""
    fleet.apply(spec())
    machines = Machines()
    machines.all["web2"].fails = True
    report = look(fleet, machines)
    assert told(report.rows) == [("web2", "host", "facts", "unknown")]
    assert report.incomplete


def test_what_may_not_be_read_is_unknown_until_it_is_left_aside(fleet: Simulation) -> None:
    """With a reason it does not count any more, and is still told."""
    fleet.apply(spec())
    machines = Machines()
    machines.all["web1"].gaps = (Gap("user", "passwords", "only root may read /etc/shadow"),)
    assert look(fleet, machines).incomplete
    report = look(fleet, machines, DriftQuestion(ignored=(Ignore("user", "no root here"),)))
    assert not report.incomplete
    assert [row.ignored for row in report.rows] == ["no root here"]
    assert (report.summary.differences, report.summary.ignored) == (0, 1)


def test_only_some_kinds_ask_only_what_they_need(fleet: Simulation) -> None:
    """Kinds of nodes ask no machine; a kind that was not named is no part of the answer, a lost host always is."""
    fleet.apply(spec())
    machines = Machines()
    machines.all["web3"].facts_of.append(HTOP)
    assert look(fleet, machines, DriftQuestion(("image",))).rows == ()
    assert [each.asked for each in machines.all.values()] == [[]] * 4
    assert look(fleet, machines, DriftQuestion(("sysctl",))).rows == ()
    fleet.hosts["web2"].line.cut = "connection refused"
    assert told(look(fleet, machines, DriftQuestion(("image",))).rows) == [("web2", "host", "", "unknown")]


def test_a_limit_tells_its_own_hosts_and_compares_with_all(fleet: Simulation) -> None:
    """The odd one out stays odd where only it is asked about; rows of others are left to others."""
    fleet.apply(spec())
    machines = Machines()
    machines.all["web3"].facts_of.append(HTOP)
    assert told(look(fleet, machines, scope=frozenset({"web3"})).rows) == [("web3", "package", "htop", "outlier")]
    assert look(fleet, machines, scope=frozenset({"web1"})).rows == ()


def test_a_socket_that_is_nobodys_is_told_once() -> None:
    """The declared comparison calls it unmanaged; that peers lack it is no second row, whatever its address."""
    unmanaged = Drift("web3", "", "socket", "tcp *:9099", "absent", "perl", "unmanaged", remedy="ss -lntp")
    others = [
        replace(unmanaged, key="tcp 0.0.0.0:9099", drift_class="outlier", remedy=""),
        replace(unmanaged, key="udp 0.0.0.0:9099", drift_class="outlier", remedy=""),
    ]
    declared = DriftReport("shop", (unmanaged,), DriftSummary(4, 3, 0, 0))
    found = answer(declared, others, DriftQuestion(shells={"web3": Shell(("ssh", "web3"))}))
    assert [(row.key, row.drift_class) for row in found.rows] == [
        ("tcp *:9099", "unmanaged"),
        ("udp 0.0.0.0:9099", "outlier"),
    ]
    assert found.rows[0].remedy == "ssh web3 'ss -lntp'"


def test_what_only_reads_containers_pays_for_nothing_else(fleet: Simulation) -> None:
    """A run's own look has no machines to ask."""
    assert fleet.world().lookout.machines is None


def test_an_engine_that_does_not_answer_hides_itself_and_nothing_else(fleet: Simulation) -> None:
    """The host is compared in everything else; nobody says that it has no engine."""
    fleet.apply(spec())
    machines = Machines()
    machines.all["web2"].facts_of.append(HTOP)

    class Deaf:
        """Readers of hosts, on one of which no engine answers."""

        def reader(self, host: Host) -> HostReader:
            """Return the reader of a host."""
            if host.name == "web2":
                raise EngineUnavailable(host.name, "no engine answers")
            return fleet.hosts.reader(host)

        def releases(self, host: Host) -> ReleaseReader:
            """Return the reader of a host's releases."""
            return fleet.hosts.releases(host)

    lookout = replace(fleet.world().lookout, readers=Deaf(), machines=machines)
    report = drift(lookout, fleet.intent(spec()), DriftQuestion())
    assert told(report.rows) == [("web2", "host", "", "unknown"), ("web2", "package", "htop", "outlier")]
