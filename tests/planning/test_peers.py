"""What differs between hosts that should be the same, on values."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.model.facts import KINDS, Fact, Gap, HostFacts, Ignored, Kind, OwnWord, PeerDifference, Scope
from provisioner.model.observed import Unreachable
from provisioner.planning.alike import says_the_same
from provisioner.planning.masking import is_secret_file, masked_text
from provisioner.planning.peers import compare_peers, wanted_texts

CONF = "/etc/nginx/nginx.conf"
OLD, NEW = "a" * 64, "b" * 64


def host(name: str, *facts: Fact, gaps: tuple[Gap, ...] = (), address: str = "") -> HostFacts:
    """Return a host of these facts that is called by its name and, where given, an address."""
    own = [OwnWord(address, "<address>")] if address else []
    return HostFacts(name, facts, gaps, own=(*own, OwnWord(name, "<host name>")))


def package(version: str, name: str = "nginx") -> Fact:
    """Return a package of a version."""
    return Fact("package", name, version)


def conf(digest: str | None, mode: str = "644") -> Fact:
    """Return a configuration file."""
    return Fact("file", CONF, f"file {mode} root:root", digest)


def differences(*hosts: HostFacts, texts: dict[str, str] | None = None) -> tuple[PeerDifference, ...]:
    """Compare hosts; `texts` are contents of the configuration file by host."""
    return compare_peers(hosts, {name: {CONF: text} for name, text in (texts or {}).items()}, Scope()).differences


def test_hosts_of_the_same_facts_do_not_differ() -> None:
    """In whatever order facts came."""
    assert differences(host("a", package("1"), conf(OLD)), host("b", conf(OLD), package("1"))) == ()


def test_two_hosts_tie() -> None:
    """Of two nobody is the odd one out: both values are told, and both hosts counted."""
    (found,) = differences(host("a", package("1")), host("b", package("2")))
    assert (found.verdict, found.outliers) == ("tie", ("a", "b"))
    assert [(each.value, each.hosts) for each in found.values] == [("1", ("a",)), ("2", ("b",))]


def test_of_three_hosts_the_one_unlike_the_others_is_the_outlier() -> None:
    """The majority comes first, its hosts together."""
    (found,) = differences(host("a", package("1")), host("b", package("2")), host("c", package("1")))
    assert (found.verdict, found.outliers) == ("outlier", ("b",))
    assert [each.hosts for each in found.values] == [("a", "c"), ("b",)]


def test_two_against_two_tie() -> None:
    """As many hosts have one value as have the other."""
    (found,) = differences(*(host(name, package("1" if name in "ab" else "2")) for name in "abcd"))
    assert found.verdict == "tie"
    assert found.outliers == ("a", "b", "c", "d")


def test_what_a_host_lacks_is_a_difference() -> None:
    """Its value there is empty."""
    (found,) = differences(host("a", package("1")), host("b"))
    assert [(each.value, each.hosts) for each in found.values] == [("1", ("a",)), ("", ("b",))]


def test_a_file_that_differs_is_shown_as_a_unified_diff() -> None:
    """Its content is asked for on the hosts that have it, and only where digests differ."""
    hosts = (host("a", conf(OLD), package("1")), host("b", conf(NEW), package("1")))
    assert wanted_texts(hosts, Scope()) == {"a": (CONF,), "b": (CONF,)}
    (found,) = differences(*hosts, texts={"a": "one\ntwo\n", "b": "one\nthree\n"})
    assert found.diffs[0].splitlines() == ["--- a", "+++ b", "@@ -1,2 +1,2 @@", " one", "-two", "+three"]
    assert wanted_texts((hosts[0], host("b", conf(OLD, "600"))), Scope()) == {}


def test_secret_files_are_never_asked_for() -> None:
    """Private keys and password files differ by their digests."""
    paths = ("/etc/ssl/private/shop.key", "/etc/nginx/.htpasswd", "/etc/shop/tls.pem", "/etc/gshadow")
    assert all(is_secret_file(path) for path in paths)
    files = (tuple(Fact("file", path, "file 600 root:root", digest) for path in paths) for digest in (OLD, NEW))
    hosts = [host(name, *found) for name, found in zip("ab", files, strict=True)]
    assert wanted_texts(hosts, Scope()) == {}
    assert len(differences(*hosts)) == 4


def test_own_name_and_address_are_no_difference() -> None:
    """A file that differs in nothing but what each host alone is called by is the same file."""
    hosts = (host("web1", conf(OLD), address="10.0.0.1"), host("web2", conf(NEW), address="10.0.0.2"))
    same = {
        "web1": "name web1.example.com\nlisten 10.0.0.1:80\n",
        "web2": "name web2.example.com\nlisten 10.0.0.2:80\n",
    }
    assert differences(*hosts, texts=same) == ()
    swapped = {"web1": "peer web2\n", "web2": "peer web9\n"}
    assert len(differences(*hosts, texts=swapped)) == 1


def test_a_host_called_by_a_common_word_makes_no_noise() -> None:
    """Lines that both hosts have stay as they are, and only what differs is shown."""
    hosts = (host("web", conf(OLD)), host("app", conf(NEW)))
    texts = {"web": "root /srv/web\nuser web\n", "app": "root /srv/web\nuser app\n"}
    assert differences(*hosts, texts=texts) == ()


def test_the_moment_a_file_was_generated_is_no_difference() -> None:
    """Only in comments: elsewhere a date is content."""
    first, second = "# made Sat, 28 Nov 2026 01:02:03 +0000\nx\n", "# made Sun, 29 Nov 2026 11:12:13 +0000\nx\n"
    assert says_the_same(first, (), second, ())
    head = "# (/tmp/crontab.{}/crontab installed on {})\n"
    assert says_the_same(
        head.format("aB1", "Sat Nov 28 01:02:03 2026"), (), head.format("x", "Sun Nov 29 11:02:03 2026"), ()
    )
    assert not says_the_same("until 2026-11-28\n", (), "until 2026-11-29\n", ())


def test_a_file_called_after_its_host_is_one_thing() -> None:
    """Each host has its own site file, of the same content."""
    hosts = [
        host(name, Fact("file", f"/etc/sites/{name}.conf", "file 644 root:root", OLD)) for name in ("web1", "web2")
    ]
    assert differences(*hosts) == ()
    (found,) = differences(hosts[0], host("web2", Fact("file", "/etc/sites/web2.conf", "file 600 root:root", OLD)))
    assert found.key == "/etc/sites/<host name>.conf"


def test_what_nobody_could_read_is_unknown_and_not_missing() -> None:
    """A gap hides what lies below it, and is told with its hosts."""
    gap = Gap("sudo", "/etc/sudoers.d/", "not readable")
    seen = (host("a", Fact("sudo", "/etc/sudoers.d/x", "file 440 root:root", OLD)), host("b", gaps=(gap,)))
    found = compare_peers(seen, {}, Scope())
    assert found.differences == ()
    assert found.incomplete
    assert found.is_unknown("b", "sudo")
    assert not found.is_unknown("a", "sudo")


def test_a_content_nobody_looked_at_hides_no_difference_of_mode() -> None:
    """Mode and owner are known all the same."""
    assert differences(host("a", conf(OLD)), host("b", conf(None))) == ()
    assert len(differences(host("a", conf(OLD)), host("b", conf(None, "600")))) == 1


def test_a_host_that_does_not_answer_is_unknown_everywhere() -> None:
    """The others are compared, and the answer is incomplete."""
    lost = Unreachable("c", "connection refused")
    found = compare_peers((host("a", package("1")), host("b", package("1"))), {}, Scope(), (lost,))
    assert found.hosts == ("a", "b", "c")
    assert all(found.is_unknown("c", kind) for kind in KINDS)
    assert found.incomplete


def test_a_missing_folder_is_one_difference() -> None:
    """What lies below is counted with it, where the same hosts lack it and it is more than a few."""
    paths = ("/srv/shop", "/srv/shop/a", "/srv/shop/b/c", "/srv/shop/b", "/srv/shop/d")
    tree = tuple(Fact("application", path, "folder 755 root:root") for path in paths)
    (found,) = differences(host("a", *tree), host("b"))
    assert (found.key, found.below) == ("/srv/shop", 4)
    few = differences(host("a", *tree[:-1]), host("b"))
    assert [(each.key, each.below) for each in few] == [(path, 0) for path in sorted(paths[:-1])]


def test_a_difference_below_a_missing_folder_is_not_swallowed() -> None:
    """Two hosts have the folder and differ in it; that the third lacks it does not hide this."""
    folder = Fact("application", "/srv/x", "folder 755 root:root")
    files = (Fact("application", "/srv/x/f", "file 644 root:root", digest) for digest in (OLD, NEW))
    hosts = [host(name, folder, file) for name, file in zip("ab", files, strict=True)]
    assert [each.key for each in differences(*hosts, host("c"))] == ["/srv/x", "/srv/x/f"]


def test_sysctls_are_compared_where_they_are() -> None:
    """A module that is not loaded has no settings; files of the same kind are compared as ever."""
    setting, file = Fact("sysctl", "net.x", "1"), Fact("sysctl", "/etc/sysctl.d/x.conf", "file 644 root:root", OLD)
    assert [each.key for each in differences(host("a", setting, file), host("b"))] == [file.key]


def test_only_and_ignore_narrow_what_is_compared() -> None:
    """A kind, or a pattern of its keys."""
    versions = {"a": "1", "b": "2"}
    hosts = [host(name, package(each), package(each, "curl")) for name, each in versions.items()]
    only: tuple[Kind, ...] = ("package",)
    found = compare_peers(hosts, {}, Scope(only, (Ignored("package", "cu*"),)))
    assert [(each.kind, each.key) for each in found.differences] == [("package", "nginx")]
    assert found.kinds == ("package",)


def test_secrets_are_masked_in_values_and_diffs() -> None:
    """That a value differs is told, the value is not."""
    hosts = [host(name, Fact("process", "app", f"root: app --token s3cr3t{name * 2} -v")) for name in "ab"]
    (found,) = differences(*hosts)
    assert [each.value for each in found.values] == ["root: app --token *** -v"] * 2
    texts = {name: f"db_password = s3cr3t{name * 2}\n" for name in "ab"}
    (found,) = differences(host("a", conf(OLD)), host("b", conf(NEW)), texts=texts)
    assert "s3cr3t" not in str(found)
    assert "-db_password = ***" in found.diffs[0]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("password: hunter2", "password: ***"),
        ("DB_PASSWORD=hunter2 words", "DB_PASSWORD=***"),
        ('  "api_key": "hunter2",', '  "api_key": "***",'),
        ("requirepass hunter2", "requirepass ***"),
        ("url = postgres://shop:hunter2@db/shop", "url = postgres://shop:***@db/shop"),
        ("<password>hunter2</password>", "<password>***</password>"),
        ("Authorization: Bearer hunter2hunter2", "Authorization: Bearer ***"),
        ("export AWS_SECRET_ACCESS_KEY=hunter2", "export AWS_SECRET_ACCESS_KEY=***"),
        ("run --password=hunter2 --verbose", "run --password=*** --verbose"),
        ("PasswordAuthentication no", "PasswordAuthentication no"),
        ("password requisite pam_deny.so", "password requisite pam_deny.so"),
        ("ssl_certificate_key /etc/ssl/shop.key;", "ssl_certificate_key /etc/ssl/shop.key;"),
        ("worker_connections 512;", "worker_connections 512;"),
        ("monkey business", "monkey business"),
        ("deploy ALL=(ALL) NOPASSWD: ALL", "deploy ALL=(ALL) NOPASSWD: ALL"),
    ],
)
def test_values_of_secret_keys_are_hidden(line: str, shown: str) -> None:
    """In the languages of configuration files; switches, paths and other words stay."""
    assert masked_text(line) == shown


FACTS = st.builds(
    Fact,
    st.sampled_from(KINDS),
    st.sampled_from(("x", "/etc/x", "/etc/x/y")),
    st.sampled_from(("1", "2")),
    st.sampled_from(("", OLD, NEW, None)),
)
TABLES = st.lists(FACTS, max_size=6, unique_by=lambda fact: (fact.kind, fact.key))


@given(TABLES)
def test_a_host_is_like_itself(facts: list[Fact]) -> None:
    """Whatever it consists of."""
    assert differences(host("a", *facts), host("b", *facts)) == ()


@given(st.lists(TABLES, min_size=2, max_size=4), st.randoms())
def test_the_order_of_hosts_changes_no_difference(tables: list[list[Fact]], chance: random.Random) -> None:
    """The same things differ, by the same verdict, with the same hosts together."""
    hosts = [host(f"h{number}", *facts) for number, facts in enumerate(tables)]
    shuffled = list(hosts)
    chance.shuffle(shuffled)
    if all(fact.digest is not None for each in hosts for fact in each.facts):  # what nobody read is like anything
        assert told(hosts) == told(shuffled)


def told(hosts: list[HostFacts]) -> set[object]:
    """Return what differs between hosts, without any order."""
    return {
        (each.kind, each.key, each.verdict, frozenset(frozenset(value.hosts) for value in each.values))
        for each in differences(*hosts)
    }
