"""What bases are made from: packages by content, in one order, each verified whenever it is used."""

from __future__ import annotations

import hashlib
import io
import lzma
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.errors import ArchiveBroken, BuildFailed, InputMissing
from provisioner.images.bases.artefacts import Artefacts
from provisioner.images.bases.debian_archive import DebianArchive
from provisioner.images.bases.debian_file import control, data_file, index_entry, installed_entry
from provisioner.images.bases.debian_root import debian_root
from provisioner.images.bases.packages import packages_dockerfile, packages_tag, refuse_package_names
from provisioner.images.bases.resolved import Resolved
from provisioner.images.bases.workshop import OnThisMachine, last_words
from provisioner.model.lock import DebianPackage, LockedPackages
from provisioner.ports import Completed

A, B = DebianPackage("a1", "1", "all", "0" * 64), DebianPackage("b1", "1:2", "amd64", "1" * 64)


def tar(files: dict[str, bytes]) -> bytes:
    """Return a tar."""
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def deb(folder: Path, said: bytes = b"Package: a\nVersion: 1\n") -> Path:
    """Return a Debian package with one file."""
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.xz": lzma.compress(tar({"./control": said})),
        "data.tar": tar({"./etc/a": b"content"}),
    }
    content = b"!<arch>\n"
    for name, part in parts.items():
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(part):<10}`\n"
        content += header.encode() + part + b"\n" * (len(part) % 2)
    path = folder / "a.deb"
    path.write_bytes(content)
    return path


def test_an_artefact_is_kept_under_its_content(tmp_path: Path) -> None:
    """What is kept is found by its digest, byte for byte; nothing else is."""
    artefacts = Artefacts(tmp_path / "artefacts")
    digest = hashlib.sha256(b"onetwo").hexdigest()
    assert artefacts.path(digest) is None
    assert artefacts.keep(digest, [b"one", b"two"]).read_bytes() == b"onetwo"
    found = artefacts.path(digest)
    assert found is not None
    assert found.read_bytes() == b"onetwo"
    assert artefacts.add([b"onetwo"]) == (digest, found)


def test_another_content_is_refused_and_not_kept(tmp_path: Path) -> None:
    """A file whose digest is not the one that was pinned leaves nothing behind."""
    artefacts = Artefacts(tmp_path)
    with pytest.raises(InputMissing, match="is wanted"):
        artefacts.keep("0" * 64, [b"x"])
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    """Where the pieces end with an error, no half a file stays."""

    def cut() -> object:
        yield b"x"
        raise ConnectionError

    with pytest.raises(ConnectionError):
        Artefacts(tmp_path).add(cut())  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


def test_an_artefact_that_went_bad_is_not_there(tmp_path: Path) -> None:
    """A kept file is judged by its content at each use; a bad one is removed so that it is fetched again."""
    artefacts = Artefacts(tmp_path)
    digest, path = artefacts.add([b"good"])
    path.write_bytes(b"evil")
    assert artefacts.path(digest) is None
    assert not path.exists()


def test_a_package_says_what_it_is(tmp_path: Path) -> None:
    """Index and list of installed packages are written from the package alone, without a tool of Debian's."""
    path = deb(tmp_path)
    assert control(path) == "Package: a\nVersion: 1"
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    size = path.stat().st_size
    assert index_entry(path, "./x.deb") == f"{control(path)}\nFilename: ./x.deb\nSize: {size}\nSHA256: {digest}\n"
    assert installed_entry(path) == f"{control(path)}\nStatus: install ok installed\n"
    assert data_file(path, "/etc/a") == b"content"
    assert data_file(path, "/etc/b") is None


@pytest.mark.parametrize("content", [b"", b"!<arch>\n", b"PK", b"!<arch>\n" + b"x" * 60])
def test_what_is_no_package_is_told(tmp_path: Path, content: bytes) -> None:
    """A file that is no Debian package is an error that names it."""
    path = tmp_path / "x.deb"
    path.write_bytes(content)
    with pytest.raises(ArchiveBroken, match="no Debian package"):
        control(path)


def test_a_package_that_was_cut_is_told(tmp_path: Path) -> None:
    """Half of a package is no package."""
    path = deb(tmp_path)
    path.write_bytes(path.read_bytes()[:150])
    with pytest.raises(ArchiveBroken):
        control(path)


class Answers(OnThisMachine):
    """A workshop whose tools answer as they were recorded; apt downloads nothing but what it is told."""

    stdout = b""
    status = 0
    downloads: dict[str, bytes] = {}  # noqa: RUF012 - one test, one class

    def run(self, *argv: str) -> Completed:
        """Answer."""
        if "download" in argv:
            self.put({f"debs/{name}": content for name, content in self.downloads.items()})
            return Completed(self.status, b"", b"E: Version '1' for 'a1' was not found\n")
        return Completed(0, self.stdout, b"")


def test_an_answer_of_apt_becomes_packages(tmp_path: Path) -> None:
    """Name, version, architecture and digest are read from apt's list of what it would fetch; order is ours."""

    class Two(Answers):
        stdout = (
            f"'http://x/b1.deb' b1_1%3a2_amd64.deb 12 SHA256:{'1' * 64}\n"
            f"'http://x/a1.deb' a1_1_all.deb 3 SHA256:{'0' * 64}\nsomething else\n"
        ).encode()

    archive = DebianArchive(Two(str(tmp_path)), debian_root("bookworm", "linux/amd64"))
    assert archive.added(b"", ("a1",)) == (A, B)
    assert archive.minimal() == (A, B)


def test_packages_are_fetched_and_verified(tmp_path: Path) -> None:
    """What the archive gives under a pinned version has the pinned content, or is refused with what to do."""
    artefacts = Artefacts(tmp_path / "artefacts")
    right = replace(A, sha256=hashlib.sha256(b"right").hexdigest())

    class One(Answers):
        downloads = {"a1_1_all.deb": b"right"}  # noqa: RUF012 - as above

    archive = DebianArchive(One(str(tmp_path)), debian_root("bookworm", "linux/amd64"))
    archive.fetch([right], artefacts, "bookworm")
    assert artefacts.path(right.sha256) is not None
    with pytest.raises(InputMissing, match="a1 1 is not the one that was pinned") as refused:
        archive.fetch([A], artefacts, "bookworm")
    assert "lock --upgrade bookworm" in refused.value.hint


def test_a_package_that_vanished_is_named(tmp_path: Path) -> None:
    """A pinned version that the archive has no more is an error with its name and apt's own words."""

    class Nothing(Answers):
        status = 100

    archive = DebianArchive(Nothing(str(tmp_path)), debian_root("bookworm", "linux/amd64"))
    with pytest.raises(InputMissing, match=r"\(a1 1\): Version '1' for 'a1' was not found") as vanished:
        archive.fetch([A], Artefacts(tmp_path / "artefacts"), "bookworm")
    assert "lock --upgrade bookworm" in vanished.value.hint


def test_the_last_words_are_the_first_error() -> None:
    """Of what a tool wrote, its first error is said; else its last line; else its exit status."""
    assert last_words(Completed(1, b"", b"I: a\nE: b\nE: c\nI: d\n")) == "b"
    assert last_words(Completed(1, b"", b"one\ntwo\n\n")) == "two"
    assert last_words(Completed(7, b"", b"")) == "exit status 7"


def test_what_was_resolved_is_remembered(tmp_path: Path) -> None:
    """The same question is asked once; another question, or an answer nobody can read, is asked again."""
    resolved, answers = Resolved(tmp_path), [A, B, A]
    assert resolved.of(DebianPackage, ("q",), answers.pop) == A
    assert resolved.of(DebianPackage, ("q",), answers.pop) == A
    assert resolved.of(DebianPackage, ("r",), answers.pop) == B
    for path in tmp_path.iterdir():
        path.write_text("{")
    assert resolved.of(DebianPackage, ("q",), answers.pop) == A
    assert answers == []


def test_packages_are_one_layer_named_by_what_is_put_in() -> None:
    """The same packages on the same root have one tag; other packages or another root have another."""
    pins = LockedPackages("bookworm", "linux/amd64", ("a1",), (A,))
    assert packages_tag("sha256:1", pins) == packages_tag("sha256:1", pins)
    assert packages_tag("sha256:1", pins) != packages_tag("sha256:2", pins)
    assert packages_tag("sha256:1", pins) != packages_tag("sha256:1", replace(pins, packages=(A, B)))
    assert packages_dockerfile("root").count("\n") == 3


@pytest.mark.parametrize("name", ["", "-y", "a b", "a;reboot", "a\nRUN b", "A", "a$(b)", "a=1;b"])
def test_what_is_no_package_name_is_refused(name: str) -> None:
    """A package name cannot bring an option or a command of its own."""
    with pytest.raises(BuildFailed, match="no name of a Debian package"):
        refuse_package_names((name,))
