"""Where templates are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.errors import InvalidInput
from provisioner.local.templates import TemplateFolders, shipped_templates


def test_ours_are_found_by_name(tmp_path: Path) -> None:
    """Every template that comes with us is there."""
    load = TemplateFolders(tmp_path)
    for name in ("python-web", "static-web", "haproxy", "with-files"):
        found = load(f"{name}/Dockerfile.j2")
        assert found is not None
        assert "FROM {{ base }}" in found.text
    assert load("nobody/Dockerfile.j2") is None


def test_a_path_from_the_spec_s_folder_comes_first(tmp_path: Path) -> None:
    """Then `templates/` beside the spec, then ours."""
    load = TemplateFolders(tmp_path)
    for folder in ("templates/python-web", "python-web"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "Dockerfile.j2").write_text(folder)
        found = load("python-web/Dockerfile.j2")
        assert found is not None
        assert found.text == folder


def test_an_override_of_one_file_leaves_the_others_ours(tmp_path: Path) -> None:
    """A user may replace nginx's configuration and keep our Dockerfile."""
    (tmp_path / "templates/static-web").mkdir(parents=True)
    (tmp_path / "templates/static-web/nginx.conf.j2").write_text("mine")
    load = TemplateFolders(tmp_path)
    found = load("static-web/Dockerfile.j2")
    assert found is not None
    assert found.path == str(shipped_templates() / "static-web/Dockerfile.j2")


def test_an_absolute_path_is_taken_as_it_is(tmp_path: Path) -> None:
    """The spec may name a template anywhere on this machine."""
    (tmp_path / "Dockerfile.j2").write_text("FROM x\n")
    found = TemplateFolders(tmp_path / "elsewhere")(str(tmp_path / "Dockerfile.j2"))
    assert found is not None
    assert found.text == "FROM x\n"


def test_a_link_may_not_lead_out(tmp_path: Path) -> None:
    """A template folder from somewhere else cannot reach into this machine."""
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "spec").mkdir()
    (tmp_path / "spec/link.j2").symlink_to(tmp_path / "secret")
    with pytest.raises(InvalidInput, match="leads out"):
        TemplateFolders(tmp_path / "spec")("link.j2")


def test_a_template_is_text(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 are refused by name."""
    (tmp_path / "x.j2").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidInput, match="UTF-8"):
        TemplateFolders(tmp_path)("x.j2")
