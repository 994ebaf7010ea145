"""Bases made from a Debian archive, without a registry."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from provisioner.errors import BuildFailed
from provisioner.images.bases.bootstrap import base_tag, debian_root, image_archive, suite_base
from provisioner.images.bases.debian_root import DebianRoot, make_root

CACHE = Path(__file__).parents[2] / ".provisioner" / "cache" / "bases"


@pytest.fixture
def engine() -> Iterator[docker.APIClient]:
    """Connect to the engine of this machine."""
    client = docker.APIClient()
    yield client
    client.close()


def test_a_tag_depends_on_all_that_goes_into_a_root() -> None:
    """Another suite, platform or archive is another base; the same inputs are the same base."""
    tags = {
        base_tag(debian_root(suite, platform, mirror))
        for suite in ("bookworm", "trixie")
        for platform in ("linux/amd64", "linux/arm64")
        for mirror in ("", "http://mirror.example/debian")
    }
    assert len(tags) == 8
    assert base_tag(debian_root("bookworm", "linux/amd64")) in tags
    assert base_tag(debian_root("bookworm", "linux/amd64")).startswith("provisioner/base:bookworm-amd64-")


def test_a_mirror_serves_updates_where_the_suite_has_them() -> None:
    """A rolling suite has no updates of its own."""
    mirror = "http://mirror.example/debian"
    assert DebianRoot("bookworm", "amd64", mirror).sources() == [
        f"deb {mirror} bookworm main",
        f"deb {mirror} bookworm-updates main",
    ]
    assert DebianRoot("sid", "amd64", mirror).sources() == [f"deb {mirror} sid main"]
    assert DebianRoot("bookworm", "amd64").sources() == []


def test_a_platform_debian_does_not_have_is_refused() -> None:
    """The error lists the platforms there are."""
    with pytest.raises(BuildFailed) as refused:
        debian_root("bookworm", "windows/amd64")
    assert "linux/amd64" in refused.value.hint


def test_the_same_root_gives_the_same_image(tmp_path: Path) -> None:
    """The archive holds nothing but the root, its tag and what follows from them."""
    tar = tmp_path / "root.tar"
    tar.write_bytes(b"a root" * 300)
    root = debian_root("bookworm", "linux/amd64")
    once, again = (b"".join(image_archive(tar, "base:x", root, "linux/amd64")) for _ in range(2))
    assert once == again
    with tarfile.open(fileobj=io.BytesIO(once)) as archive:
        members = {member.name: archive.extractfile(member) for member in archive}
        (manifest,) = json.loads(_content(members["manifest.json"]))
        config = json.loads(_content(members[manifest["Config"]]))
        assert _content(members[manifest["Layers"][0]]) == tar.read_bytes()
    assert manifest["RepoTags"] == ["base:x"]
    assert config["rootfs"]["diff_ids"] == ["sha256:" + manifest["Layers"][0].partition("/")[0]]


def _content(member: object) -> bytes:
    assert isinstance(member, io.BufferedIOBase)
    return member.read()


@pytest.mark.engine
def test_a_base_is_made_once(engine: docker.APIClient) -> None:
    """A second call finds the image and has nothing to report."""
    tag = suite_base(engine, "bookworm", cache=CACHE)
    heard: list[str] = []
    assert suite_base(engine, "bookworm", cache=CACHE, report=heard.append) == tag
    assert heard == []


@pytest.mark.engine
def test_a_suite_that_is_not_in_the_archive_fails_with_the_tools_own_words(
    engine: docker.APIClient, tmp_path: Path
) -> None:
    """The error carries the command and its output, and leaves no half-made root."""
    with pytest.raises(BuildFailed) as failed:
        suite_base(engine, "nosuchsuite", cache=tmp_path)
    assert "mmdebstrap" in failed.value.instruction
    assert failed.value.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.engine
@pytest.mark.timeout(300)
def test_a_container_makes_the_same_root_as_this_machine(engine: docker.APIClient, tmp_path: Path) -> None:
    """Where mmdebstrap is not installed, any Debian image of the engine serves; the result is the same root."""
    suite_base(engine, "bookworm", cache=CACHE)
    root = debian_root("bookworm", "linux/amd64")
    here = make_root(engine, root, tmp_path / "here.tar", lambda _: None)
    there = make_root(engine, root, tmp_path / "there.tar", lambda _: None, installed=False)
    assert here.read_bytes() == there.read_bytes()
