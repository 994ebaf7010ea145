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
from provisioner.images.bases.debian_root import DebianRoot, debian_root, root_stem
from provisioner.images.bases.root_image import image_archive
from provisioner.images.bases.roots import Roots, suite_base
from provisioner.model.lock import DebianPackage, LockedSuite

CACHE = Path(__file__).parents[2] / ".provisioner" / "cache"
A = DebianPackage("a1", "1", "all", "0" * 64)


@pytest.fixture
def engine() -> Iterator[docker.APIClient]:
    """Connect to the engine of this machine."""
    client = docker.APIClient()
    yield client
    client.close()


def test_a_name_depends_on_all_that_goes_into_a_root() -> None:
    """Another suite, platform or package is another root; the same packages are the same root."""
    names = {
        root_stem(LockedSuite(suite, platform, packages))
        for suite in ("bookworm", "trixie")
        for platform in ("linux/amd64", "linux/arm64")
        for packages in ((), (A,))
    }
    assert len(names) == 8
    assert root_stem(LockedSuite("bookworm", "linux/amd64", (A,))) in names
    assert root_stem(LockedSuite("bookworm", "linux/amd64", (A,))).startswith("bookworm-amd64-")


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
    pins = LockedSuite("bookworm", "linux/amd64", ())
    once, again = (b"".join(image_archive(tar, "base:x", pins)) for _ in range(2))
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
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


@pytest.mark.engine
@pytest.mark.timeout(300)
def test_the_same_packages_give_the_same_bytes_here_and_in_a_container(
    engine: docker.APIClient, tmp_path: Path
) -> None:
    """A root depends on its packages alone: made again in a container, without mmdebstrap here, it is the same tar."""
    suite_base(engine, "bookworm", cache=CACHE)
    here = Roots(engine, CACHE)
    pins = here.suite("bookworm", here.platform())
    (tmp_path / "artefacts").symlink_to(CACHE / "artefacts")
    there = Roots(engine, tmp_path, installed=False)
    assert here.tar(pins).read_bytes() == there.tar(pins).read_bytes()
