"""Strict YAML: what is read, what it means, and where it stands."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.errors import InvalidInput
from provisioner.spec.scalars import plain_value
from provisioner.spec.source import SourceText
from provisioner.spec.tree import Positions, as_values
from provisioner.spec.yaml_reader import SIZE_LIMIT, read_document


def _values(text: str) -> Any:
    document = read_document(SourceText("a.yaml", text))
    assert document.faults == ()
    return as_values(document.root)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1), ("-7", -7), ("0", 0), ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5),
        ("true", True), ("False", False), ("null", None), ("~", None), ("", None),
        ("010", "010"), ("0o17", "0o17"), ("0x1f", "0x1f"), ("1_000", "1_000"), ("22:22", "22:22"),
        ("no", "no"), ("on", "on"), ("yes", "yes"), ("y", "y"), ("off", "off"), (".inf", ".inf"), (".nan", ".nan"),
        ("1:30:00", "1:30:00"), ("2024-01-01", "2024-01-01"), ("1.2.3", "1.2.3"), ("=", "="), ("1e999", "1e999"),
        ("9" * 5000, "9" * 5000),
    ],
)  # fmt: skip
def test_only_the_obvious_is_not_text(text: str, value: object) -> None:
    """What other readers take for a sexagesimal, an octal, a date or a boolean is the text that was written."""
    assert plain_value(text) == value
    assert type(plain_value(text)) is type(value)


def test_quoted_texts_and_blocks_stay_text() -> None:
    """Quotes and block styles say that a text is meant."""
    assert _values("a: '1'\nb: \"true\"\nc: |\n  1\nd: >-\n  2\ne: !!str 3\n") == {
        "a": "1", "b": "true", "c": "1\n", "d": "2", "e": "3",
    }  # fmt: skip


def test_keys_are_texts() -> None:
    """A key is what was written, whatever it looks like."""
    assert _values("1: a\nyes: b\n'true': c\n") == {"1": "a", "yes": "b", "true": "c"}


def test_merges_and_aliases() -> None:
    """Own keys win over merged ones, and of a list of merges the earlier wins."""
    text = "a: &a {x: 1, y: 1}\nb: &b {y: 2, z: 2}\nc: {<<: [*a, *b], z: 3}\nd: *a\n"
    assert _values(text)["c"] == {"x": 1, "y": 1, "z": 3}
    assert _values(text)["d"] == {"x": 1, "y": 1}
    assert _values("a: {'<<': 1}") == {"a": {"<<": 1}}


def test_places_count_from_one() -> None:
    """Lines and columns count as an editor counts them, in characters, under any line ending."""
    source = SourceText("a.yaml", 'ü: x\r\nlist:\r\n  - {key: "välue", other: 1}\r\n')
    positions = Positions(source, read_document(source).root)
    assert (positions.key(("list", 0, "other")).line, positions.key(("list", 0, "other")).column) == (3, 20)
    assert positions.at_value(("ü",), "").source_line == "ü: x"


def test_alias_bombs_are_refused() -> None:
    """Aliases that would expand without bound are an error with a place, quickly."""
    levels = "".join(f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]\n" for n in range(1, 10))
    with pytest.raises(InvalidInput, match="aliases expand"):
        read_document(SourceText("a.yaml", "l0: &l0 x\n" + levels))


def test_large_files_are_refused() -> None:
    """A file beyond the limit is not parsed at all."""
    with pytest.raises(InvalidInput, match="larger than 1 MiB"):
        read_document(SourceText("a.yaml", "#" * (SIZE_LIMIT + 1)))


@given(st.text(alphabet=st.sampled_from("ab:-{}[]\"'#&*!|>%@`,?\n\t \\<~$0"), max_size=60))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    """Whatever stands in a file, the answer is a document or a fault of that file, never another error."""
    source = SourceText("a.yaml", text)
    with suppress(InvalidInput):
        as_values(read_document(source).root)
