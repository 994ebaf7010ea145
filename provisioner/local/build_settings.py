"""What builds on this machine need to reach the world: its package index, its certificates, its proxies."""

from __future__ import annotations

import configparser
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path

_CERTIFICATE_VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_CERTIFICATE_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)
_INDEXES = ("index-url", "extra-index-url")
_PIP_SETTINGS = (*_INDEXES, "trusted-host", "timeout", "retries")
_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy")


def build_files(environment: Mapping[str, str], home: Path) -> dict[str, bytes]:
    """Return the files for the settings folder of a build: `pip.conf` and `ca.pem`, each where there is need.

    Indexes that are folders of this machine are left out: no build can see them.
    """
    found = {"pip.conf": _pip_conf(environment, pip_files(environment, home)), "ca.pem": _certificates(environment)}
    return {name: content for name, content in found.items() if content}


def proxy_arguments(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the proxies of this machine as build arguments; every engine keeps these out of the image."""
    wanted = {spelling for name in _PROXIES for spelling in (name, name.upper())}
    return {name: value for name, value in environment.items() if name in wanted and value}


def pip_files(environment: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    """Return pip's own configuration files in the order in which it reads them."""
    named = environment.get("PIP_CONFIG_FILE")
    files = (Path("/etc/pip.conf"), home / ".pip/pip.conf", home / ".config/pip/pip.conf")
    return (*files, Path(named)) if named else files


def _pip_conf(environment: Mapping[str, str], files: Iterable[Path]) -> bytes:
    settings = _from_files(files) | _from_environment(environment)
    kept = {name: _reachable(value) if name in _INDEXES else value for name, value in settings.items()}
    lines = [f"{name} = {' '.join(value.split())}" for name, value in sorted(kept.items()) if value.strip()]
    return "\n".join(["[global]", *lines, ""]).encode() if lines else b""


def _from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    variables = {name: f"PIP_{name.upper().replace('-', '_')}" for name in _PIP_SETTINGS}
    return {name: environment[variable] for name, variable in variables.items() if variable in environment}


def _from_files(files: Iterable[Path]) -> dict[str, str]:
    settings: dict[str, str] = {}
    for path in files:
        reader = configparser.RawConfigParser()
        try:
            reader.read(path, encoding="utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            # A file that pip itself would complain about is no reason to refuse a build that may not need pip.
            continue
        for section in ("global", "install"):
            if reader.has_section(section):
                settings |= {name: value for name, value in reader.items(section) if name in _PIP_SETTINGS}
    return settings


def _reachable(indexes: str) -> str:
    return " ".join(index for index in indexes.split() if index.startswith(("http://", "https://")))


def _certificates(environment: Mapping[str, str]) -> bytes:
    named = [environment[variable] for variable in _CERTIFICATE_VARIABLES if environment.get(variable)]
    default = ssl.get_default_verify_paths().cafile
    for path in (*named, *_CERTIFICATE_FILES, *([default] if default else [])):
        try:
            return Path(path).read_bytes()
        except OSError:
            continue
    return b""
