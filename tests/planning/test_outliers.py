"""Which host of a fleet is the odd one out, on values."""

from __future__ import annotations

import pytest

from provisioner.model.drift import MACHINE_KINDS, Drift, Shell
from provisioner.model.facts import ClockSight, Fact, Gap, HostFacts, Kind, Room
from provisioner.planning.conditions import conditions
from provisioner.planning.outliers import Grounds, circles, gaps, outliers, wanted_contents

WEB, BALANCER = frozenset({"web"}), frozenset({"load-balancer"})
ROLES = {"lb1": BALANCER, "web1": WEB, "web2": WEB, "web3": WEB}
NOWHERE = {name: Shell(("ssh", name)) for name in ROLES}
HTOP = Fact("package", "htop", "3.2.2")
SSHD = "/etc/ssh/sshd_config"


def hosts(**facts: tuple[Fact, ...]) -> tuple[HostFacts, ...]:
    """Return the four hosts of a fleet, some of which have facts of their own beside a common one."""
    return tuple(HostFacts(name, (Fact("system", "release", "12"), *facts.get(name, ()))) for name in ROLES)


def rows(
    seen: tuple[HostFacts, ...], texts: dict[str, dict[str, str]] | None = None, grounds: Grounds | None = None
) -> list[Drift]:
    """Return every outlier."""
    found = circles(seen, grounds or Grounds(ROLES), MACHINE_KINDS)
    return [row for circle in found for row in outliers(circle, texts or {}, NOWHERE)]


def test_hosts_that_are_alike_have_no_rows() -> None:
    """Whatever their roles."""
    assert rows(hosts()) == []


def test_the_odd_one_out_carries_what_most_have_and_who_they_are() -> None:
    """The majority's value is desired, its own observed, the class outlier, and a command undoes it."""
    (row,) = rows(hosts(web3=(HTOP,)))
    assert (row.host, row.node, row.kind, row.key, row.drift_class) == ("web3", "", "package", "htop", "outlier")
    assert (row.desired, row.observed) == ("absent", "3.2.2")
    assert row.note == "3 of 4 hosts lack it: lb1, web1, web2"
    assert row.remedy == "ssh web3 'apt-get purge -y htop'"


def test_a_host_that_lacks_what_most_have_is_named() -> None:
    """Absent is a value too."""
    (row,) = rows(hosts(lb1=(HTOP,), web1=(HTOP,), web2=(HTOP,)))
    assert (row.host, row.desired, row.observed) == ("web3", "3.2.2", "absent")
    assert row.note == "3 of 4 hosts have it: lb1, web1, web2"


def test_without_a_majority_every_host_has_a_row_that_says_tie() -> None:
    """Nothing is desired, both sides are told, nothing is to be undone."""
    found = rows(hosts(lb1=(HTOP,), web1=(HTOP,)))
    assert [row.host for row in found] == ["lb1", "web1", "web2", "web3"]
    assert {row.note for row in found} == {"tie, no majority: lb1, web1: 3.2.2; web2, web3: absent"}
    assert {(row.desired, row.remedy) for row in found} == {("", "")}


@pytest.mark.parametrize("kind", ["process", "socket", "mount", "application"])
def test_what_follows_from_a_role_is_compared_within_it(kind: Kind) -> None:
    """What all web hosts have and the balancer's lack is no difference; among web hosts it is."""
    fact = Fact(kind, "/srv/shop" if kind == "application" else "thing", "value")
    assert rows(hosts(web1=(fact,), web2=(fact,), web3=(fact,))) == []
    assert [row.host for row in rows(hosts(web1=(fact,), web2=(fact,)))] == ["web3"]


def test_of_a_host_nobody_shares_a_role_with_it_counts_what_no_other_has() -> None:
    """A program that only the balancer's host runs is named there; one that runs otherwise there is none's business."""
    assert [row.host for row in rows(hosts(lb1=(Fact("process", "perl", "root: perl"),)))] == ["lb1"]
    everywhere = {name: (Fact("process", "cron", "cron -f" if name == "lb1" else "cron"),) for name in ROLES}
    assert rows(hosts(**everywhere)) == []


def test_processors_may_differ_between_roles_and_a_kernel_may_not() -> None:
    """A balancer's host may be another machine; it runs the same system."""
    processors = {name: (Fact("system", "processors", "2" if name == "web1" else "8"),) for name in ROLES}
    assert [row.host for row in rows(hosts(**processors))] == ["web1"]
    two_balancers = Grounds({**ROLES, "web3": BALANCER})
    pairs = {name: (Fact("system", "processors", "2" if name in {"lb1", "web3"} else "8"),) for name in ROLES}
    assert rows(hosts(**pairs), grounds=two_balancers) == []
    assert [row.key for row in rows(hosts(lb1=(Fact("system", "kernel", "6.1"),)))] == ["kernel"]


def test_data_that_containers_keep_on_a_host_is_nobodys_business() -> None:
    """What lies in or below a folder that a container mounts is not compared, on whichever host it does."""
    data = (
        Fact("application", "/srv/ledger", "folder 755 root:root"),
        Fact("application", "/srv/ledger/posts", "file"),
    )
    other = Fact("application", "/srv/ledgers", "folder 755 root:root")
    grounds = Grounds(ROLES, frozenset({"/srv/ledger"}))
    assert [row.key for row in rows(hosts(web1=(*data, other)), grounds=grounds)] == ["/srv/ledgers"]


def test_a_file_that_differs_has_a_diff_and_comes_from_a_peer() -> None:
    """Contents are asked for on the hosts that have it; what undoes it takes the file from one of the majority."""
    old, new = (Fact("ssh", SSHD, "file 644 root:root", letter * 64) for letter in "ab")
    seen = hosts(lb1=(old,), web1=(old,), web2=(old,), web3=(new,))
    assert wanted_contents(circles(seen, Grounds(ROLES), ("ssh",))) == dict.fromkeys(ROLES, (SSHD,))
    texts = {name: {SSHD: "Port 22\n" if name != "web3" else "Port 2222\n"} for name in ROLES}
    (row,) = rows(seen, texts)
    assert row.detail.splitlines()[3:] == ["-Port 22", "+Port 2222"]
    assert row.remedy == f"ssh lb1 'cat {SSHD}' | ssh web3 'cat >{SSHD}'"


def test_only_kinds_that_were_asked_for_are_compared() -> None:
    """Containers and nodes never: the other comparison tells them."""
    seen = hosts(web3=(HTOP, Fact("container", "redis", "image x"), Fact("node", "shop web-1", "sha256:1")))
    found = circles(seen, Grounds(ROLES), ("sysctl", "process"))
    assert [row for circle in found for row in outliers(circle, {}, NOWHERE)] == []
    assert [row.kind for row in rows(seen)] == ["package"]


def test_a_single_host_has_no_peers() -> None:
    """Nothing is compared with nothing."""
    assert rows((HostFacts("web1", (HTOP,)),)) == []


def test_what_may_not_be_read_is_unknown_and_never_missing() -> None:
    """A row of its own, and no row for the fact that is hidden."""
    sudo = Fact("sudo", "/etc/sudoers.d/ops", "file 440 root:root", "a" * 64)
    blind = HostFacts("web3", (), (Gap("sudo", "/etc/sudoers.d/", "this login may not read the folder"),))
    seen = (*hosts(lb1=(sudo,), web1=(sudo,), web2=(sudo,))[:3], blind)
    assert [row.kind for row in rows(seen)] == ["system"]
    (row,) = gaps(blind, MACHINE_KINDS)
    assert (row.host, row.kind, row.key, row.drift_class) == ("web3", "sudo", "/etc/sudoers.d/", "unknown")
    assert list(gaps(blind, ("package",))) == []


@pytest.mark.parametrize(
    ("ahead", "error", "told"),
    [
        (0.4, 0.01, []),
        (-0.4, 0.01, []),
        (1.4, 0.5, []),
        (1.6, 0.5, [("offset", "within 1.5 s", "1.6 s ahead")]),
        (-7.25, 0.02, [("offset", "within 1.0 s", "7.2 s behind")]),
    ],
)
def test_a_clock_counts_where_it_is_off_by_more_than_the_way_leaves_open(
    ahead: float, error: float, told: list[tuple[str, str, str]]
) -> None:
    """Half of the way there and back, and a second."""
    found = conditions(HostFacts("web1", (), clock=ClockSight(ahead, error)))
    assert [(row.key, row.desired, row.observed) for row in found] == told


def test_a_clock_that_told_no_time_is_unknown() -> None:
    """It is not taken for right."""
    assert [row.drift_class for row in conditions(HostFacts("web1", ()))] == ["unknown"]


def test_a_file_system_that_is_almost_full_is_named() -> None:
    """Nine tenths of its bytes or files, unless much is left all the same."""
    clock, gibibyte = ClockSight(0.0, 0.1), 2**30
    rooms = (
        Room("/", "bytes", 100 * gibibyte, 11 * gibibyte),
        Room("/var", "bytes", 100 * gibibyte, 6 * gibibyte),
        Room("/srv", "bytes", 4000 * gibibyte, 300 * gibibyte),
        Room("/", "files", 100_000, 4000),
    )
    found = list(conditions(HostFacts("web1", (), clock=clock, rooms=rooms)))
    assert [(row.key, row.observed) for row in found] == [
        ("/var bytes", "94 % used, 6.0 GiB left"),
        ("/ files", "96 % used, 4000 files left"),
    ]
    assert {(row.kind, row.drift_class) for row in found} == {("disk", "outlier")}
