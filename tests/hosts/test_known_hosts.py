"""Reading and writing OpenSSH's known_hosts files."""

from __future__ import annotations

import base64
import hashlib
import hmac
from pathlib import Path

import pytest

from provisioner.hosts.known_hosts import (
    Changed,
    HostKey,
    KnownHosts,
    KnownHostsFiles,
    Revoked,
    Trusted,
    Unknown,
    known_name,
    parse_known_hosts,
    record,
    recorded_text,
)

ONE = HostKey("ssh-ed25519", b"one")
TWO = HostKey("ssh-ed25519", b"two")
RSA = HostKey("ssh-rsa", b"rsa")


def known(*lines: str) -> KnownHosts:
    """Return the keys of a file with these lines."""
    return KnownHosts(parse_known_hosts("\n".join(lines), "/known"))


def hashed(name: str) -> str:
    """Return a name as `HashKnownHosts yes` writes it."""
    salt = b"0123456789abcdef0123"
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


@pytest.mark.parametrize(
    ("names", "host", "port"),
    [
        ("web1", "web1", 22),
        ("WEB1,10.0.0.1", "Web1", 22),
        ("other,10.0.0.1", "10.0.0.1", 22),
        ("[web1]:2222", "web1", 2222),
        ("web1", "web1", 2222),
        ("web*", "web12", 22),
        ("web?.example.com", "web1.example.com", 22),
        ("[*]:2222", "web1", 2222),
        ("*.example.com,!db.example.com", "web.example.com", 22),
        (hashed("web1"), "web1", 22),
        (hashed("[web1]:2222"), "web1", 2222),
    ],
)
def test_a_recorded_key_is_trusted_under_every_way_of_naming_its_host(names: str, host: str, port: int) -> None:
    """Plain, with a port, with wildcards, hashed: each names the host."""
    assert known(f"{names} {ONE} comment with words").judge(host, port, ONE) == Trusted()


@pytest.mark.parametrize(
    ("names", "host", "port"),
    [
        ("web1", "web2", 22),
        ("[web1]:2222", "web1", 22),
        ("[web1]:2222", "web1", 2223),
        ("*.example.com,!db.example.com", "db.example.com", 22),
        ("!db.example.com", "web1", 22),
        ("web[12]", "web1", 22),
        (hashed("web1"), "web2", 22),
        ("|1|broken", "web1", 22),
        ("|1|a|b", "web1", 22),
    ],
)
def test_a_key_holds_for_no_other_host(names: str, host: str, port: int) -> None:
    """What is not named is unknown; brackets are no character classes."""
    assert known(f"{names} {ONE}").judge(host, port, ONE) == Unknown()


def test_another_key_for_the_same_name_is_a_change_and_is_located() -> None:
    """The verdict carries the file and the line to look at."""
    verdict = known("# a comment", "", f"web1 {ONE}").judge("web1", 22, TWO)
    assert isinstance(verdict, Changed)
    assert (verdict.recorded.path, verdict.recorded.line, verdict.recorded.key) == ("/known", 3, ONE)


def test_a_key_of_another_type_alone_is_a_change_too() -> None:
    """A host that only shows a type that was never recorded is not let in silently."""
    assert isinstance(known(f"web1 {RSA}").judge("web1", 22, ONE), Changed)


def test_one_of_several_recorded_keys_suffices() -> None:
    """A host has a key of each type, and may be recorded in several files."""
    assert known(f"web1 {ONE}", f"web1 {RSA}", f"web1 {TWO}").judge("web1", 22, TWO) == Trusted()


def test_a_key_recorded_for_another_port_of_the_name_is_no_change() -> None:
    """The bare name vouches for a port only where its key is the same one, as for OpenSSH."""
    assert known(f"web1 {ONE}").judge("web1", 2222, TWO) == Unknown()


def test_a_revoked_key_is_refused_even_where_it_is_recorded_too() -> None:
    """`@revoked` outweighs every other line."""
    assert isinstance(known(f"web1 {ONE}", f"@revoked * {ONE}").judge("web1", 22, ONE), Revoked)
    assert known(f"@revoked * {TWO}").judge("web1", 22, ONE) == Unknown()


def test_lines_that_cannot_be_used_are_passed_over() -> None:
    """Certificate authorities, cut lines and bad base64 do not keep the rest from being read."""
    lines = (
        "@cert-authority *.example.com " + str(TWO),
        "web1",
        "web1 ssh-ed25519",
        "web1 ssh-ed25519 ???",
        f"web1 {ONE}",
    )
    assert [key.line for key in parse_known_hosts("\n".join(lines))] == [5]
    assert known(*lines).judge("web1", 22, ONE) == Trusted()


def test_the_types_of_recorded_keys_are_known() -> None:
    """They are asked for first when keys are agreed on."""
    assert known(f"web1 {RSA}", f"web1 {ONE}", f"web2 {TWO}").kinds("web1", 2222) == ("ssh-rsa", "ssh-ed25519")


def test_a_fingerprint_looks_as_ssh_keygen_prints_it() -> None:
    """SHA-256, base64, no padding."""
    blob = base64.b64decode("AAAAC3NzaC1lZDI1NTE5AAAAIGOZzk47goo/WuBMyGI/gQcH9+w0c5yPkOd3ZQrsedWX")
    assert HostKey("ssh-ed25519", blob).fingerprint == "SHA256:pgd0d3r8dWBgmr+4jtpjfCKB1OSHfezahudQ6ASSKBY"


def test_recording_replaces_the_key_of_that_name_only() -> None:
    """Other names on the same line keep their key; comments and authorities stay."""
    text = f"# kept\n@cert-authority * {TWO}\nweb1 {ONE}\nweb1,web2 {ONE} both\nweb3 {ONE}\n"
    expected = f"# kept\n@cert-authority * {TWO}\nweb2 {ONE} both\nweb3 {ONE}\nweb1 {TWO}\n"
    assert recorded_text(text, "web1", TWO) == expected
    assert recorded_text(expected, "web1", TWO) == expected


def test_what_was_recorded_is_trusted_at_the_next_reading(tmp_path: Path) -> None:
    """The folder is made where there is none; files are read again once they are forgotten."""
    path, files = tmp_path / "new" / "hosts.known_hosts", KnownHostsFiles()
    paths = (str(path), str(tmp_path / "absent"))
    assert files.load(paths).judge("web1", 2222, ONE) == Unknown()
    record(path, known_name("web1", 2222), ONE)
    assert files.load(paths).judge("web1", 2222, ONE) == Unknown()
    files.forget()
    assert files.load(paths).judge("web1", 2222, ONE) == Trusted()
    assert path.read_text() == f"[web1]:2222 {ONE}\n"
