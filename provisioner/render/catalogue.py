"""The templates that come with us: the base each is made for, and the files that belong to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from provisioner.model.spec import Base, SuiteBase
from provisioner.render.quoting import Form

SUITE = "bookworm"

PYTHON_WEB = "python-web"
STATIC_WEB = "static-web"
HAPROXY = "haproxy"
WITH_FILES = "with-files"


@dataclass(frozen=True, slots=True)
class Companion:
    """A file of the image that a template brings along: where it lies there, and in which format it is."""

    path: str
    form: Form


@dataclass(frozen=True, slots=True)
class Entry:
    """What a template of ours goes with: its default base, and its companions by file name."""

    base: Base | None
    companions: Mapping[str, Companion] = field(default_factory=dict)


CATALOGUE: Mapping[str, Entry] = {
    PYTHON_WEB: Entry(SuiteBase(SUITE, ("python3", "python3-venv"))),
    STATIC_WEB: Entry(
        SuiteBase(SUITE, ("nginx-light",)), {"nginx.conf.j2": Companion("/etc/nginx/nginx.conf", Form.NGINX)}
    ),
    HAPROXY: Entry(SuiteBase(SUITE, ("haproxy", "socat"))),
    WITH_FILES: Entry(None),
}
