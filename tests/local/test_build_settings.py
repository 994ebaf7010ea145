"""What builds are told about this machine."""

from __future__ import annotations

from pathlib import Path

from provisioner.local.build_settings import build_files, pip_files, proxy_arguments


def test_the_environment_of_pip_becomes_its_file(tmp_path: Path) -> None:
    """Indexes that a build can reach, and hosts to trust, are written down; folders of this machine are not."""
    environment = {
        "PIP_CONFIG_FILE": str(tmp_path / "none"),
        "PIP_INDEX_URL": "https://pypi.example.com/simple",
        "PIP_EXTRA_INDEX_URL": "file:///srv/pypi http://wheels.example.com/",
        "PIP_TRUSTED_HOST": "wheels.example.com",
        "PIP_FIND_LINKS": "/srv/wheels",
    }
    assert build_files(environment, tmp_path)["pip.conf"].decode().splitlines() == [
        "[global]",
        "extra-index-url = http://wheels.example.com/",
        "index-url = https://pypi.example.com/simple",
        "trusted-host = wheels.example.com",
    ]


def test_the_environment_wins_over_the_files_of_pip(tmp_path: Path) -> None:
    """What a user's own file says counts until the environment says otherwise."""
    (tmp_path / "pip.conf").write_text(
        "[global]\nindex-url = https://a.example.com\ntimeout = 9\n[install]\nretries=2\n"
    )
    environment = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "PIP_INDEX_URL": "https://b.example.com"}
    lines = build_files(environment, tmp_path)["pip.conf"].decode().splitlines()
    assert {"index-url = https://b.example.com", "timeout = 9", "retries = 2"} <= set(lines)


def test_a_broken_file_of_pip_is_passed_over(tmp_path: Path) -> None:
    """A file that pip would complain about does not stop a build."""
    (tmp_path / "pip.conf").write_text("no section\n")
    environment = {"PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "PIP_TIMEOUT": "7"}
    assert b"timeout = 7" in build_files(environment, tmp_path)["pip.conf"]
    assert pip_files(environment, tmp_path)[-1] == tmp_path / "pip.conf"


def test_certificates_named_by_the_environment_come_first(tmp_path: Path) -> None:
    """The bundle a user named is the one builds trust; one that is not there gives way to the next."""
    (tmp_path / "own.pem").write_text("own")
    environment = {"PIP_CERT": str(tmp_path / "gone.pem"), "SSL_CERT_FILE": str(tmp_path / "own.pem")}
    assert build_files(environment, tmp_path)["ca.pem"] == b"own"


def test_proxies_are_arguments() -> None:
    """Proxies are handed on in both spellings, and nothing else is."""
    environment = {"http_proxy": "http://proxy:3128", "NO_PROXY": "localhost", "HOME": "/root", "https_proxy": ""}
    assert proxy_arguments(environment) == {"http_proxy": "http://proxy:3128", "NO_PROXY": "localhost"}
