"""Services to what their images are built from: a Dockerfile, a context, managed files, and the tag of all of it."""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import assert_never

from provisioner.errors import Diagnostic, InvalidInput
from provisioner.model.image import (
    BASE_PLACEHOLDER,
    FILES_FOLDER,
    NORMALISER,
    WHEELS_FOLDER,
    BuildInputs,
    ContextFile,
    RenderedFile,
    image_repository,
)
from provisioner.model.lock import Pins
from provisioner.model.spec import (
    LOAD_BALANCER,
    Base,
    FleetSpec,
    FromImage,
    FromTemplate,
    ImageBase,
    ManagedFile,
    Service,
    SuiteBase,
)
from provisioner.render.arguments import refuse_unused_arguments, with_arguments
from provisioner.render.catalogue import CATALOGUE, WITH_FILES
from provisioner.render.quoting import Form
from provisioner.render.templates import Load, Rendered, render

FORMAT = 2
"""Changes when the same inputs are to give another image."""

DOCKERFILE = "Dockerfile.j2"
_FILE_PATH = re.compile(r"/(?!/)[A-Za-z0-9._+@:,=~/ -]*[A-Za-z0-9._+@:,=~-]")
_REQUIREMENTS = re.compile(r"(requirements|constraints)[A-Za-z0-9._-]*\.txt")
_TAG_DIGITS = 16


@dataclass(frozen=True, slots=True)
class _Build:
    """One image to describe: whose it is, where it comes from, and what its templates are told."""

    name: str
    source: FromTemplate
    base: Base | None
    files: tuple[ManagedFile, ...]
    platform: str | None
    variables: Mapping[str, object]


def build_inputs(spec: FleetSpec, service: Service, context: tuple[ContextFile, ...], load: Load) -> BuildInputs | None:
    """Return what a service's image is built from, None where it is an image as it stands. Raise InvalidInput."""
    if isinstance(service.source, FromImage) and not service.files:
        return None
    source, base = _source(spec, service)
    variables = _variables(spec, source, context) | {
        "service": service,
        "port": service.port,
        "environment": service.environment,
    }
    return _inputs(spec, _Build(service.name, source, base, service.files, service.platform, variables), context, load)


def _source(spec: FleetSpec, service: Service) -> tuple[FromTemplate, Base | None]:
    match service.source:
        case FromImage(reference):
            return FromTemplate(WITH_FILES), ImageBase(reference)
        case FromTemplate() as source:
            return source, _base(spec, source)
    assert_never(service.source)


def balancer_inputs(spec: FleetSpec, context: tuple[ContextFile, ...], load: Load) -> BuildInputs | None:
    """Return what the balancer's image is built from, None where the fleet has no balancer. Raise InvalidInput."""
    if spec.load_balancer is None:
        return None
    source = spec.load_balancer.source
    build = _Build(LOAD_BALANCER, source, _base(spec, source), (), None, _variables(spec, source, context))
    return _inputs(spec, build, context, load)


def _inputs(spec: FleetSpec, build: _Build, context: tuple[ContextFile, ...], load: Load) -> BuildInputs:
    name = _template_name(build.source.template, load)
    dockerfile = render(name, Form.DOCKERFILE, _dockerfile_variables(build), load)
    companions = tuple(_companions(build, name, load))
    managed = tuple(_managed(file, build, load) for file in build.files)
    templates = (dockerfile, *(rendered for _, rendered in (*companions, *managed)))
    refuse_unused_arguments(build.source.args, templates)
    files = tuple(sorted((file for file, _ in (*companions, *managed)), key=lambda file: file.path))
    text = with_arguments(dockerfile.text, build.source.args, dockerfile.sources[0].path) + "".join(_copies(files))
    wheels = _requirements(context) if WHEELS_FOLDER in text else ()
    inputs = BuildInputs(build.name, "", text, build.base, context, files, build.platform, wheels, bool(wheels))
    return with_pins(inputs, spec.name, Pins(), build.platform)


def with_pins(inputs: BuildInputs, fleet: str, pins: Pins, platform: str | None) -> BuildInputs:
    """Return the same build for what its moving names are locked to: another lock, another tag."""
    pinned = replace(inputs, pins=pins, platform=platform)
    return replace(pinned, tag=f"{image_repository(fleet, inputs.service)}:{inputs_digest(pinned)[:_TAG_DIGITS]}")


def inputs_digest(inputs: BuildInputs) -> str:
    """Return the sha256, in hex, of all that a build reads: where its files lie on this machine is no part of it."""
    canonical = {
        "format": FORMAT,
        "normaliser": NORMALISER,
        "dockerfile": inputs.dockerfile,
        "base": _base_words(inputs.base),
        "context": sorted([entry.path, entry.mode, entry.digest, entry.link] for entry in inputs.context),
        "files": sorted([file.path, file.mode, file.text] for file in inputs.files),
        "platform": inputs.platform,
        "pins": None if inputs.pins == Pins() else asdict(inputs.pins),
    }
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _base_words(base: Base | None) -> dict[str, object] | None:
    match base:
        case None:
            return None
        case SuiteBase() | ImageBase():
            return {"kind": type(base).__name__, **asdict(base)}
    assert_never(base)


def _base(spec: FleetSpec, source: FromTemplate) -> Base | None:
    if source.base is not None:
        return spec.bases[source.base]
    entry = CATALOGUE.get(source.template)
    return entry.base if entry is not None else None


def _variables(spec: FleetSpec, source: FromTemplate, context: tuple[ContextFile, ...]) -> dict[str, object]:
    paths = tuple(sorted(entry.path for entry in context))
    return {
        "spec": spec,
        "fleet": spec.name,
        "args": source.args,
        "context": paths,
        "requirements": _requirements(context),
    }


def _requirements(context: tuple[ContextFile, ...]) -> tuple[str, ...]:
    if not any(entry.path == "requirements.txt" and entry.size for entry in context):
        return ()
    return tuple(sorted(entry.path for entry in context if _REQUIREMENTS.fullmatch(entry.path)))


def _template_name(template: str, load: Load) -> str:
    in_folder = posixpath.join(template, DOCKERFILE)
    if load(in_folder) is not None:
        return in_folder
    if load(template) is not None:
        return template
    ours = ", ".join(sorted(set(CATALOGUE) - {WITH_FILES}))
    message = f"there is no template {template}: neither a file, nor a folder with a {DOCKERFILE}, nor one of ours"
    raise InvalidInput((Diagnostic(template, 0, 0, message, f"ours are {ours}"),))


def _dockerfile_variables(build: _Build) -> Mapping[str, object]:
    return build.variables if build.base is None else {**build.variables, "base": BASE_PLACEHOLDER}


def _companions(build: _Build, name: str, load: Load) -> Iterator[tuple[RenderedFile, Rendered]]:
    entry = CATALOGUE.get(build.source.template)
    for file, companion in (entry.companions if entry else {}).items():
        beside = posixpath.join(posixpath.dirname(name), file)
        rendered = render(beside, companion.form, build.variables, load)
        yield RenderedFile(companion.path, rendered.text), rendered


def _managed(file: ManagedFile, build: _Build, load: Load) -> tuple[RenderedFile, Rendered]:
    if not _FILE_PATH.fullmatch(file.path) or posixpath.normpath(file.path) != file.path:
        message = f"{file.path!r} cannot be a managed file's path: absolute, no `..`, no character of a pattern"
        raise InvalidInput((Diagnostic(file.template, 0, 0, message),))
    rendered = render(file.template, Form.TEXT, build.variables, load)
    return RenderedFile(file.path, rendered.text, file.mode), rendered


def _copies(files: Iterable[RenderedFile]) -> Iterator[str]:
    """Yield one COPY for each folder, so that a folder that is there already keeps its mode."""
    by_folder: dict[str, list[str]] = {}
    for file in files:
        by_folder.setdefault(posixpath.dirname(file.path), []).append(f"{FILES_FOLDER}{file.path}")
    for folder, sources in sorted(by_folder.items()):
        yield f"COPY {json.dumps([*sources, posixpath.join(folder, '')])}\n"
