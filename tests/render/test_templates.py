"""Jinja as we allow it: strict, sandboxed, and no value is taken for more than a value."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from provisioner.errors import Diagnostic, InvalidInput
from provisioner.model.spec import FromImage, Service
from provisioner.render.quoting import Form
from provisioner.render.structure import instructions
from provisioner.render.templates import render
from tests.render.declared import in_memory

SERVICE = Service("web", "web", FromImage("x"), port=None)
VALUES: Mapping[str, object] = {"service": SERVICE, "fleet": "shop", "args": {"colour": "red"}}

HOSTILE = (
    "\nRUN id",
    "a\\",
    'a" b',
    "a' b",
    "$(id)",
    "`id`",
    "# x",
    "${HOME}",
    "a;b",
    "a|b",
    "a b",
    "{{ 7*7 }}",
    "}",
    "%[src]\t",
)


def rendered(text: str, form: Form = Form.TEXT, **values: object) -> str:
    """Render a template of this text."""
    return render("t.j2", form, {**VALUES, **values}, in_memory({"t.j2": text})).text


def fault(text: str, form: Form = Form.TEXT, **values: object) -> Diagnostic:
    """Return the only fault of a template."""
    with pytest.raises(InvalidInput) as caught:
        rendered(text, form, **values)
    (found,) = caught.value.diagnostics
    return found


def test_a_name_nobody_defined_is_found_at_its_place() -> None:
    """File, line, column, and what was meant."""
    found = fault("first\nhello {{ fleeet }}\n")
    assert (found.path, found.line, found.column) == ("t.j2", 2, 10)
    assert found.message == "`fleeet` is not defined"
    assert found.suggestion == "did you mean `fleet`?"
    assert found.source_line == "hello {{ fleeet }}"


def test_a_field_nobody_defined_is_found_too() -> None:
    """The fields of a value are known by name."""
    assert fault("{{ service.nmae }}").suggestion == "did you mean `name`?"
    assert fault("{{ args.color }}").suggestion == "did you mean `colour`?"


def test_a_broken_template_is_found_at_its_line() -> None:
    """Jinja's own complaint comes with a place."""
    found = fault("a\nb\n{% if %}\n")
    assert (found.path, found.line) == ("t.j2", 3)


@pytest.mark.parametrize("text", ["{{ 1 / 0 }}", "{{ 'a' + 1 }}", "{{ fleet() }}", "{{ [][1] }}", "{{ range(10**9) }}"])
def test_a_template_that_fails_is_a_fault_of_the_template(text: str) -> None:
    """Whatever happens inside, the user sees a line, not a traceback."""
    assert fault(f"\n{text}").line == 2


def test_nothing_is_not_written_as_none() -> None:
    """A value that is absent has to be dealt with by the template."""
    assert "None" in fault("port {{ service.port }}").message
    assert rendered("port {{ service.port or 80 }}") == "port 80"


def test_a_whole_value_is_not_written_by_accident() -> None:
    """Only texts and numbers are written; the rest needs a filter that says how."""
    assert "json" in fault("{{ args }}").message
    assert rendered("{{ args | json }}") == '{"colour": "red"}'


@pytest.mark.parametrize(
    "text",
    [
        "{{ ''.__class__ }}",
        "{{ service.__class__.__init__.__globals__ }}",
        "{{ fleet.format.__globals__ }}",
        "{{ args.update(x=1) }}",
        "{{ fleet | safe }}",
        "{{ lipsum() }}",
        "{{ [1, 2] | random }}",
    ],
)
def test_the_sandbox_holds(text: str) -> None:
    """No way out to Python, to a change of our values, around the checks, or to chance."""
    assert fault(text).line in {0, 1}


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "a\x00b", "a\x7fb", "a\u2028b"])
def test_no_value_brings_a_line_along(value: str) -> None:
    """A control character is refused in every format, unless the template says that lines mean nothing there."""
    for form in Form:
        assert "control" in fault("x {{ fleet }}", form, fleet=value).message or form is not Form.TEXT
    assert rendered("{{ fleet | multiline }}", fleet=value) == value


@pytest.mark.parametrize("form", [Form.DOCKERFILE, Form.HAPROXY, Form.NGINX])
@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_has_to_be_quoted(form: Form, value: str) -> None:
    """In a format of ours an unquoted value passes only if nobody could take it for more."""
    assert "write it with" in fault("\nFROM {{ fleet }}", form, fleet=value).message


@pytest.mark.parametrize("name", ["json", "dockerfile", "shell"])
@pytest.mark.parametrize("value", HOSTILE)
def test_a_quoted_value_adds_no_instruction(name: str, value: str) -> None:
    """Quoted or refused: the instructions are the template's own."""
    template = f"FROM scratch\nRUN echo {{{{ fleet | {name} }}}}\nUSER 1\n"
    try:
        text = rendered(template, Form.DOCKERFILE, fleet=value)
    except InvalidInput as refused:
        assert "control character" in str(refused)  # noqa: PT017 - one of two right answers
        return
    assert [each.keyword for each in instructions(text)] == ["FROM", "RUN", "USER"]


def test_a_filter_of_jinja_cannot_smuggle_a_line_into_quotes() -> None:
    """What was quoted is looked at again on its way into the file."""
    found = fault(
        "FROM x\nENV a={{ fleet | dockerfile | replace('-', args.v) }}",
        Form.DOCKERFILE,
        args={"v": "\nRUN x"},
        fleet="a-b",
    )
    assert "control" in found.message


def test_a_value_cannot_say_what_a_line_does() -> None:
    """A line that begins with a value is refused, even a harmless one."""
    found = fault("FROM scratch\n{{ fleet }} id\n", Form.DOCKERFILE, fleet="RUN")
    assert found.message == "line 2 of the rendered file: the template has no instruction RUN of its own"
    assert "no directive backend" in fault("global\n{{ fleet }} evil\n", Form.HAPROXY, fleet="backend").message
    assert "no directive load_module" in fault("events {}\n{{ fleet }} x;\n", Form.NGINX, fleet="load_module").message


def test_macros_and_blocks_may_write_lines() -> None:
    """Lines that the template itself writes are its own, wherever it writes them."""
    template = "{% macro two(x) %}\nRUN {{ x }}\nRUN {{ x }}\n{% endmacro %}\nFROM scratch\n{{ two('true') }}"
    assert rendered(template, Form.DOCKERFILE) == "FROM scratch\nRUN true\nRUN true\n"
    assert "control" in fault("{% set x %}{{ fleet }}{% endset %}{{ x }}", fleet="a\nb").message


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("RUN id\n", "begins with FROM"),
        ("# nothing\n", "it has no FROM"),
        ("FROM x\nRUM id\n", "`RUM` is no instruction"),
        ("FROM x\nRUN a \\\n  # a comment\n\n  && b\nCOPPY x y\n", "line 6"),
    ],
)
def test_a_dockerfile_has_to_be_one(text: str, complaint: str) -> None:
    """The rendered file is read once more, as the builder reads it."""
    with pytest.raises(InvalidInput) as caught:
        rendered(text, Form.DOCKERFILE)
    assert complaint in caught.value.diagnostics[0].message


@pytest.mark.parametrize("text", ["http { server { }\n", "listen 80\n", 'add_header a "b;\n'])
def test_an_nginx_file_has_to_be_closed(text: str) -> None:
    """Blocks, directives and quotes have an end."""
    assert "not closed" in fault(text, Form.NGINX).message


def test_nginx_cannot_write_a_dollar() -> None:
    """There is no way for nginx to write it, so the value is refused."""
    assert "nginx would take" in fault("set x {{ fleet | nginx }};", Form.NGINX, fleet="$host").message


def test_a_template_includes_only_from_its_own_folder() -> None:
    """What lies elsewhere is not the template's business."""
    templates = {"a/t.j2": '{% include "../b/x" %}', "b/x": "secret", "a/u.j2": '{% include "b/x" %}', "a/b/x": "own"}
    assert render("a/u.j2", Form.TEXT, {}, in_memory(templates)).text == "own"
    with pytest.raises(InvalidInput, match="outside of the template's folder"):
        render("a/t.j2", Form.TEXT, {}, in_memory(templates))
    with pytest.raises(InvalidInput, match="outside of the template's folder"):
        render("t", Form.TEXT, {}, in_memory({"t": '{% include "/etc/passwd" %}', "/etc/passwd": "root"}))


def test_a_fault_in_an_included_template_is_found_there() -> None:
    """The path is that of the file at fault."""
    load = in_memory({"a/t.j2": '{% include "x" %}', "a/x": "\n\n{{ nobody }}"})
    with pytest.raises(InvalidInput) as caught:
        render("a/t.j2", Form.TEXT, VALUES, load)
    assert (caught.value.diagnostics[0].path, caught.value.diagnostics[0].line) == ("a/x", 3)
