"""A secret's value: what is told of it, and what it is compared by."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict
from urllib.parse import quote

import pytest

from provisioner.model.container import ContainerOptions
from provisioner.model.secret import DesiredSecret, Secret, digest, is_secrets_volume, masked, secrets_volume
from provisioner.ports import FileContent

VALUE = 'p"ss\nwörd/1'


def test_a_value_shows_itself_to_nobody() -> None:
    """However it is turned into text, three stars stand there; what carries it opened is silent too."""
    secret = Secret(VALUE)
    assert {str(secret), repr(secret), f"{secret}", f"{secret!r:>3}", "%s" % secret} == {"***"}  # noqa: UP031 - the point
    assert VALUE not in repr({"key": [secret]})
    assert "value" not in repr((FileContent("key", b"value"), ContainerOptions(environment={"KEY": "value"})))


def test_a_digest_is_of_one_secret_of_one_fleet() -> None:
    """The same value gives the same digest each time, and another under another name or in another fleet."""
    found = digest("shop", "KEY", Secret(VALUE))
    assert found == digest("shop", "KEY", Secret(VALUE))
    assert len({found, digest("shop", "KEY2", Secret(VALUE)), digest("shop2", "KEY", Secret(VALUE))}) == 3
    assert digest("shop", "KEY", Secret(VALUE + " ")) != found
    assert len(found) == 64


def test_bytes_that_are_no_text_have_a_digest() -> None:
    """What somebody put into a volume may be anything."""
    assert digest("shop", "KEY", Secret(b"\xff\x00".decode(errors="surrogateescape")))


ENCODED = base64.b64encode(VALUE.encode()).decode()


@pytest.mark.parametrize("form", [VALUE, json.dumps(VALUE), json.dumps({"a": VALUE}), quote(VALUE, safe=""), ENCODED])
def test_a_text_is_told_without_values(form: str) -> None:
    """As it is, escaped, quoted or encoded."""
    assert "rd" not in masked(f"before {form} after", [Secret(VALUE)])
    assert masked(f"before {form} after", [Secret("other-value")]) == f"before {form} after"


def test_a_line_of_a_long_value_is_masked_and_a_short_value_is_not() -> None:
    """A key of many lines is told line by line; a value that may be a part of any word stays."""
    key = Secret("-----BEGIN KEY-----\nMIIEvQIBADANBgkqhkiG9w0B\n-----END KEY-----")
    assert masked("at MIIEvQIBADANBgkqhkiG9w0B:", [key]) == "at ***:"
    assert (
        masked("a longer one: abcdefgh", [Secret("abc"), Secret("abcdef"), Secret("abcdefgh")]) == "a longer one: ***"
    )
    assert masked("abc", [Secret("abc")]) == "abc"


def test_the_volume_of_a_container_is_its_own() -> None:
    """No volume that a spec names, of whatever fleet, can be called so."""
    volume = secrets_volume("shop.web-1.a")
    assert is_secrets_volume("shop", volume)
    assert not is_secrets_volume("shop-eu", volume)
    assert not is_secrets_volume("shop", "shop_a.secrets")
    assert not is_secrets_volume("shop", "shop-eu.web-1.a.secrets")


def test_what_is_desired_of_a_secret_has_no_value() -> None:
    """Only name, variable and digest."""
    assert set(asdict(DesiredSecret("KEY"))) == {"name", "environment", "digest"}
