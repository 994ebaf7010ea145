"""Reads the cases of this room: balancer configurations from JSON, fleets from YAML with their contexts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from provisioner.local.context import read_context
from provisioner.local.templates import TemplateFolders
from provisioner.model.balancer import Backend, BalancerConfig, Check, Server
from provisioner.model.image import BuildInputs
from provisioner.model.spec import Bind, FleetSpec, FromTemplate, Route, Service
from provisioner.render.dockerfile import build_inputs
from provisioner.render.templates import Load, TemplateSource
from provisioner.spec.read import read_fleet
from provisioner.spec.source import SourceText

CASES = Path(__file__).parents[1] / "cases/render"
NOWHERE = Path("/nonexistent")


def shipped() -> Load:
    """Find only the templates that come with us."""
    return TemplateFolders(NOWHERE)


def in_memory(templates: Mapping[str, str]) -> Load:
    """Find templates among some texts."""
    return lambda name: TemplateSource(name, templates[name]) if name in templates else None


def balancer_config(text: str) -> BalancerConfig:
    """Return the configuration that a case's JSON says."""
    said: dict[str, Any] = json.loads(text)
    return BalancerConfig(
        **said
        | {
            "bind": tuple(Bind(**each) for each in said["bind"]),
            "routes": tuple(Route(**each) for each in said["routes"]),
            "backends": tuple(
                Backend(each["service"], tuple(_server(server) for server in each["servers"]))
                for each in said["backends"]
            ),
        }
    )


def _server(said: dict[str, Any]) -> Server:
    return Server(**said | {"check": Check(**said["check"])})


def fleet(file: Path, environment: Mapping[str, str] | None = None) -> FleetSpec:
    """Return the fleet that a spec declares."""
    return read_fleet(SourceText(str(file), file.read_text()), environment or {}).spec


def inputs(file: Path) -> BuildInputs | None:
    """Return what the only service of a spec is built from."""
    spec = fleet(file)
    (service,) = spec.services.values()
    return service_inputs(spec, service, file.parent)


def service_inputs(spec: FleetSpec, service: Service, folder: Path) -> BuildInputs | None:
    """Return what a service is built from."""
    source = service.source
    context = read_context(Path(source.context)) if isinstance(source, FromTemplate) and source.context else ()
    return build_inputs(spec, service, context, TemplateFolders(folder))
