"""Jinja templates to files: sandboxed, strict, and with every value checked for what its file could take it for."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from jinja2 import BaseLoader, Environment, TemplateNotFound
from jinja2.exceptions import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from provisioner.errors import Diagnostic, InvalidInput
from provisioner.render.faults import Missing, diagnose
from provisioner.render.quoting import Form, UnsafeValue, filters, finalizer
from provisioner.render.structure import refuse_foreign_lines


@dataclass(frozen=True, slots=True)
class TemplateSource:
    """A template's text, and the path that people know it by."""

    path: str
    text: str


Load = Callable[[str], TemplateSource | None]
"""Finds a template by name or path; None where there is none. All that rendering reads from the world."""

_FORBIDDEN_FILTERS = ("e", "escape", "forceescape", "pprint", "random", "safe", "tojson", "urlize", "xmlattr")
_FORBIDDEN_GLOBALS = ("lipsum",)
_FAULTS = (
    TemplateError,
    UnsafeValue,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    AttributeError,
    RuntimeError,
)


@dataclass(frozen=True, slots=True)
class Rendered:
    """A rendered file, and every template that took part in it, its own first."""

    text: str
    sources: tuple[TemplateSource, ...]


def render(name: str, form: Form, variables: Mapping[str, object], load: Load) -> Rendered:
    """Render a template to a file of a form.

    Raise InvalidInput, at the line of the template, where there is no such template, it cannot be read or carried
    out, a name in it is not defined, or a value would be taken for more than a value.
    """
    source = load(name)
    if source is None:
        raise InvalidInput((Diagnostic(name, 0, 0, "there is no such template"),))
    loader = _Confined(load, name, source)
    try:
        text = _environment(form, loader).get_template(name).render(variables)
    except _FAULTS as error:
        raise InvalidInput((diagnose(error, source.path, loader.texts(), tuple(variables)),)) from error
    rendered = Rendered(text, tuple(loader.seen.values()))
    refuse_foreign_lines(text, form, source.path, tuple(each.text for each in rendered.sources))
    return rendered


@dataclass(slots=True)
class _Confined(BaseLoader):
    """Loads one template, and what it includes from its own folder and below; remembers what it loaded."""

    load_source: Load
    name: str
    source: TemplateSource
    seen: dict[str, TemplateSource] = field(default_factory=dict)

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:  # noqa: ARG002 - Jinja's
        """Return a template's text and path to Jinja."""
        found = self.source if template == self.name else self._included(template)
        if found is None:
            raise TemplateNotFound(template)
        self.seen[template] = found
        return found.text, found.path, lambda: True

    def texts(self) -> dict[str, str]:
        """Return the text of every template loaded so far, by path."""
        return {self.source.path: self.source.text} | {each.path: each.text for each in self.seen.values()}

    def _included(self, template: str) -> TemplateSource | None:
        folder = posixpath.dirname(self.name)
        outside = posixpath.isabs(template) != posixpath.isabs(self.name) or not template.startswith(f"{folder}/")
        if outside and (folder or template.startswith(("../", "/"))):
            raise TemplateNotFound(template, f"{template} is outside of the template's folder")
        return self.load_source(template)


class _Sandbox(ImmutableSandboxedEnvironment):
    """Jinja in its sandbox; the name of an included template starts from the folder of the including one."""

    def join_path(self, template: str, parent: str) -> str:
        """Return the name of a template that another one includes."""
        return posixpath.normpath(posixpath.join(posixpath.dirname(parent), template))


def _environment(form: Form, loader: BaseLoader) -> Environment:
    # Markup, Jinja's word for text that is safe for HTML, marks here what is safe for the file.
    environment = _Sandbox(
        loader=loader,
        undefined=Missing,
        finalize=finalizer(form),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        cache_size=0,
    )
    for forbidden in _FORBIDDEN_FILTERS:
        del environment.filters[forbidden]
    for forbidden in _FORBIDDEN_GLOBALS:
        del environment.globals[forbidden]
    environment.filters |= filters(form)
    return environment
