"""The spec language as JSON Schema, for editors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from provisioner.spec.read import read_fleet
from provisioner.spec.schema import Strict, json_schema
from provisioner.spec.source import SourceText
from provisioner.spec.tree import as_values
from provisioner.spec.yaml_reader import read_document

ROOT = Path(__file__).parents[2]
CASES = ROOT / "tests" / "cases" / "spec"
EXAMPLES = sorted((ROOT / "examples").glob("*/fleet.yaml"))
VALID = sorted(CASES.glob("valid-*/fleet.yaml"))
REFUSED = ("mistyped-key", "services-as-list", "not-carried-out-yet", "choices", "wrong-type", "missing-key")


def _validator() -> jsonschema.Draft202012Validator:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def _values(text: str) -> Any:
    return as_values(read_document(SourceText("fleet.yaml", text)).root)


def _properties(schema: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(schema, dict):
        yield from schema.get("properties", {}).items()
        for value in schema.values():
            yield from _properties(value)


@pytest.mark.parametrize("path", [*VALID, *EXAMPLES], ids=lambda path: path.parent.name)
def test_what_reads_is_valid(path: Path) -> None:
    """A spec that reads, each example among them, has nothing underlined by an editor."""
    read_fleet(SourceText("fleet.yaml", path.read_text()), {})
    _validator().validate(_values(path.read_text()))


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_underlined(case: str) -> None:
    """What the reader refuses for its shape, an editor shows too."""
    text = (CASES / case / "fleet.yaml").read_text()
    assert not _validator().is_valid(_values(text))


def test_variables_may_stand_for_any_value() -> None:
    """An editor does not complain of a variable where a number or a choice is due."""
    eight_lines = (CASES / "valid-eight-lines" / "fleet.yaml").read_text()
    text = eight_lines.replace("port: 80", "port: ${PORT}\n    restart: ${R}\n    stop_grace_period: ${T}")
    _validator().validate(_values(text))


def test_every_key_has_a_description() -> None:
    """Whoever hovers over a key learns what it means."""
    bare = [name for name, schema in _properties(json_schema()) if not schema.get("description")]
    assert bare == []


def test_keys_not_carried_out_are_not_offered() -> None:
    """An editor completes only what works."""
    offered = {name for name, _ in _properties(json_schema())}
    assert not offered & {"env_file", "accessories", "baseline", "tls", "per_host"}


def test_the_schema_is_plain_json() -> None:
    """The schema holds nothing that JSON cannot, and is the same each time."""
    assert json.dumps(json_schema()) == json.dumps(json_schema())


def test_no_key_is_both_carried_out_and_refused() -> None:
    """A mapping's later keys are none of its fields."""
    for model in Strict.__subclasses__():
        assert not set(model.later) & set(model.model_fields)
