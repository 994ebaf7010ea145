"""Variables in values."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.spec.interpolate import Unresolved, interpolate_text

ENVIRONMENT = {"A": "1", "EMPTY": "", "DOLLAR": "${A}", "NAME": "shop"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("${A}", "1"), ("x${A}y${NAME}z", "x1yshopz"), ("${EMPTY}", ""), ("$$", "$"), ("$${A}", "${A}"),
        ("$$$$A", "$$A"),
        ("${A:-d}", "1"), ("${EMPTY:-d}", "d"), ("${EMPTY-d}", ""), ("${NO-d}", "d"), ("${NO:-}", ""), ("${NO-}", ""),
        ("${NO:-${ALSO:-${A}}}", "1"), ("${NO:-a$${b}}", "a${b}"), ("${NO:-a-b:-c?}", "a-b:-c?"),
        ("${DOLLAR}", "${A}"), ("${A:?needed}", "1"), ("${EMPTY?needed}", ""), ("cost: 5$", "cost: 5$"), ("a$1", "a$1"),
        ("${A:-${UNSET}}", "1"),
    ],
)  # fmt: skip
def test_variables_are_replaced(text: str, expected: str) -> None:
    """Each form gives the value, its default or a dollar sign; a default that is not needed is not looked at."""
    assert interpolate_text(text, ENVIRONMENT) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${NO}", "variable 'NO' is not set"),
        ("${EMPTY:?give one}", "variable 'EMPTY' is not set: give one"),
        ("${NO?}", "variable 'NO' is not set"),
        ("${NO:-${ALSO}}", "variable 'ALSO' is not set"),
        ("${", "'${' is never closed"),
        ("${A:-${B}", "'${' is never closed"),
        ("${1A}", "'${1A}' does not name a variable"),
        ("${A+x}", "'${A+x}' does not name a variable"),
        ("$NAME", "'$NAME' is ambiguous"),
    ],
)
def test_what_cannot_be_replaced_is_said(text: str, message: str) -> None:
    """Nothing is replaced by an empty text in silence."""
    with pytest.raises(Unresolved) as caught:
        interpolate_text(text, ENVIRONMENT)
    assert caught.value.message == message


def test_a_value_that_is_not_text_is_refused() -> None:
    """Bytes of the environment that are no UTF-8 do not enter a spec."""
    with pytest.raises(Unresolved, match="not UTF-8"):
        interpolate_text("${A}", {"A": "\udcff"})


def test_deep_defaults_are_refused() -> None:
    """Nesting is bounded."""
    with pytest.raises(Unresolved, match="nested more than"):
        interpolate_text("${A:-" * 50 + "}" * 50, {})


@given(st.text())
def test_doubling_dollars_keeps_any_text(text: str) -> None:
    """A text whose dollar signs are doubled is that text."""
    assert interpolate_text(text.replace("$", "$$"), {}) == text


@given(st.text(alphabet="${}AB:-?x", max_size=30))
def test_any_text_is_replaced_or_refused(text: str) -> None:
    """No text leads to another error."""
    with suppress(Unresolved):
        interpolate_text(text, {"A": "1"})
