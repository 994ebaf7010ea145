"""The tar a build sends."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.errors import BuildFailed
from provisioner.images.build_context import DOCKERFILE, context_archive
from provisioner.model.image import BuildInputs, ContextFile, RenderedFile

NAMING = "FROM scratch\nCOPY provisioner-build/ /settings/\n"
Inputs = Callable[..., BuildInputs]


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    """Make the inputs of a build over files of these texts."""

    def over(**texts: str) -> BuildInputs:
        entries = []
        for name, text in texts.items():
            (tmp_path / name).write_text(text)
            digest = hashlib.sha256(text.encode()).hexdigest()
            entries.append(ContextFile(name, str(tmp_path / name), 0o755, len(text), digest))
        return BuildInputs("web", "provisioner/shop-web:1", "FROM scratch\n", None, tuple(entries))

    return over


def members(inputs: BuildInputs, dockerfile: str = "FROM scratch\n") -> dict[str, tarfile.TarInfo]:
    """Return the members of a context by name, in their order."""
    content = b"".join(context_archive(inputs, dockerfile, {"ca.pem": b"certificate"}))
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {member.name: member for member in archive}


def test_the_bytes_depend_on_nothing_but_the_inputs(inputs: Inputs) -> None:
    """Order and times of files do not change the tar; it is sorted, of one time, and owned by root."""
    one, other = inputs(a="1", b="2"), inputs(b="2", a="1")
    assert b"".join(context_archive(one, "FROM x", {})) == b"".join(context_archive(other, "FROM x", {}))
    found = members(one)
    assert list(found) == ["a", "b", "provisioner-build", DOCKERFILE]
    assert {(member.mtime, member.uid, member.gid) for member in found.values()} == {(found["a"].mtime, 0, 0)}


def test_files_links_and_modes_are_sent(inputs: Inputs) -> None:
    """A context has the user's files and links, and rendered files at their path below a folder of ours."""
    made = inputs(run="#!/bin/sh")
    link = ContextFile("lib/link", "", 0o777, 0, "", link="../run")
    rendered = RenderedFile("/etc/app/app.toml", "x = 1\n", 0o600)
    found = members(BuildInputs("web", "t", "", None, (*made.context, link), (rendered,)))
    assert found["run"].mode == 0o755
    assert (found["lib/link"].issym(), found["lib/link"].linkname) == (True, "../run")
    assert found["lib"].isdir()
    assert found["provisioner-files/etc/app/app.toml"].mode == 0o600


def test_settings_go_only_where_they_are_read(inputs: Inputs) -> None:
    """What this machine's builds need is sent to a Dockerfile that names its folder, and to no other."""
    assert "provisioner-build/ca.pem" not in members(inputs())
    assert "provisioner-build/ca.pem" in members(inputs(), NAMING)


def test_long_and_foreign_names_survive(inputs: Inputs) -> None:
    """A path beyond what a plain tar header holds arrives whole."""
    path = "ü" * 60 + "/" + "x" * 120
    assert path in members(BuildInputs("web", "t", "", None, (ContextFile(path, "", 0o777, 0, "", link="y"),)))


@pytest.mark.parametrize("now", ["other", "longer than it was", "", None])
def test_a_file_that_changed_since_it_was_read_ends_the_build(inputs: Inputs, tmp_path: Path, now: str | None) -> None:
    """The tag says what was read before: another content, size, or no file at all is an error that names it."""
    made = inputs(a="first")
    if now is None:
        (tmp_path / "a").unlink()
    else:
        (tmp_path / "a").write_text(now)
    with pytest.raises(BuildFailed, match=str(tmp_path / "a")):
        list(context_archive(made, "FROM scratch", {}))


def test_a_name_of_ours_in_the_context_is_refused(inputs: Inputs) -> None:
    """A context cannot bring its own settings folder."""
    entry = ContextFile("provisioner-build/ca.pem", "", 0o644, 0, "")
    with pytest.raises(BuildFailed, match="a name of ours"):
        list(context_archive(BuildInputs("web", "t", "", None, (entry,)), "FROM scratch", {}))
