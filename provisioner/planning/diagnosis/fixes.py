"""What would help, written as it stands in a spec: made to be pasted."""

from __future__ import annotations

from provisioner.model.evidence import Evidence


def in_service(evidence: Evidence, setting: str) -> str:
    """Return a setting of the service: `services: {web: {port: 8080}}`."""
    return f"services: {{{evidence.expected.service}: {{{setting}}}}}"


def in_environment(evidence: Evidence, variable: str, value: str) -> str:
    """Return a variable of the service's environment."""
    return in_service(evidence, f"environment: {{{variable}: {value}}}")


def with_volume(evidence: Evidence, source: str, target: str) -> str:
    """Return a volume of the service."""
    return in_service(evidence, f'volumes: ["{source}:{target}"]')


def with_file(evidence: Evidence, path: str) -> str:
    """Return a file of the service that is made from a template."""
    return in_service(evidence, f"files: {{{path}: {{template: …}}}}")
