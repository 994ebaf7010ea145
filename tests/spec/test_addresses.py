"""Hosts that are named by where they are."""

from __future__ import annotations

import pytest

from provisioner.errors import UsageError
from provisioner.spec.addresses import is_address, parse_address


@pytest.mark.parametrize(
    ("text", "user", "address", "port"),
    [
        ("root@192.0.2.7", "root", "192.0.2.7", None),
        ("deploy@old.example.com:2222", "deploy", "old.example.com", 2222),
        ("root@[2001:db8::7]", "root", "2001:db8::7", None),
        ("root@[2001:db8::7]:22", "root", "2001:db8::7", 22),
    ],
)
def test_an_address_names_user_host_and_port(text: str, user: str, address: str, port: int | None) -> None:
    """What is left out is left to the SSH configuration; the host is called as it was written."""
    host = parse_address(text, "/key")
    assert is_address(text)
    assert (host.name, host.user, host.address, host.port, host.key_file) == (text, user, address, port, "/key")


@pytest.mark.parametrize(
    "text", ["@host", "root@", "root@host:", "root@host:0", "root@host:70000", "root@2001:db8::7", "a b@c"]
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """With an example of what is meant."""
    with pytest.raises(UsageError) as refused:
        parse_address(text)
    assert "@" in refused.value.hint
