"""What a build context is read as."""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from provisioner.errors import InvalidInput
from provisioner.local.context import read_context
from provisioner.model.image import ContextFile

Write = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files into a context folder by their path."""

    def into(files: Mapping[str, str]) -> Path:
        folder = tmp_path / "app"
        for path, text in files.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(text)
        return folder

    return into


def paths(entries: tuple[ContextFile, ...]) -> list[str]:
    """Return the paths of entries, in their order."""
    return [entry.path for entry in entries]


def test_files_come_sorted_with_size_and_digest(write: Write) -> None:
    """Entries are sorted by path and carry the size and sha256 of their content."""
    folder = write({"b.txt": "two", "a/z": "", "a.txt": "one"})
    entries = read_context(folder)
    assert paths(entries) == ["a.txt", "a/z", "b.txt"]
    assert entries[2] == ContextFile(
        "b.txt", str(folder / "b.txt"), 0o644, 3, hashlib.sha256(b"two").hexdigest(), link=""
    )


def test_times_and_needless_mode_bits_do_not_matter(write: Write) -> None:
    """Touching a file, or making it writable for all, changes nothing."""
    folder = write({"run.sh": "#!/bin/sh"})
    before = read_context(folder)
    (folder / "run.sh").chmod(0o666)
    os.utime(folder / "run.sh", (1, 1))
    assert read_context(folder) == before


def test_the_right_to_execute_counts(write: Write) -> None:
    """A file that its owner may execute has mode 0755."""
    folder = write({"run.sh": "#!/bin/sh"})
    (folder / "run.sh").chmod(0o700)
    assert read_context(folder)[0].mode == 0o755


def test_links_stay_links(write: Write, tmp_path: Path) -> None:
    """A link is never followed, be it to a file, a folder, to nothing, or out of the context."""
    (tmp_path / "secret").write_text("secret")
    folder = write({"real/x": "x"})
    targets = {"file": "./real/x", "folder": "real", "nothing": "gone", "outside": str(tmp_path / "secret")}
    for name, target in targets.items():
        (folder / name).symlink_to(target)
    links = {entry.path: entry.link for entry in read_context(folder) if entry.link}
    assert links == targets
    assert all(not entry.digest and not entry.size for entry in read_context(folder) if entry.link)


def test_a_dockerignore_is_honoured_and_left_out(write: Write) -> None:
    """What it names does not come, exceptions below an ignored folder do, and neither does the file itself."""
    folder = write({".dockerignore": "*\n!src/**/*.py\n", "src/a/x.py": "", "src/a/x.pyc": "", ".git/HEAD": ""})
    assert paths(read_context(folder)) == ["src/a/x.py"]


def test_what_cannot_be_sent_is_named_together(write: Write) -> None:
    """A pipe, a socket and a name that is not UTF-8 are all told at once, with their paths."""
    folder = write({"ok": ""})
    os.mkfifo(folder / "pipe")
    os.mkfifo(os.fsencode(folder) + b"/caf\xe9")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        with pytest.raises(InvalidInput) as caught:
            read_context(folder)
    told = sorted((Path(found.path).name, found.message) for found in caught.value.diagnostics)
    assert [name for name, _ in told] == ["caf\\udce9", "pipe", "socket"]
    assert told[0][1] == "its name is not UTF-8"
    assert told[1][1].startswith("is a pipe")
    assert told[2][1].startswith("is a socket")


def test_an_ignored_pipe_does_no_harm(write: Write) -> None:
    """What the `.dockerignore` leaves out is not looked at."""
    folder = write({".dockerignore": "pipe", "ok": ""})
    os.mkfifo(folder / "pipe")
    assert paths(read_context(folder)) == ["ok"]


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_text("")])
def test_a_context_that_is_no_folder_is_an_error(tmp_path: Path, make: Callable[[Path], object]) -> None:
    """A missing folder, and a file in its place, give an error that names the path."""
    make(tmp_path / "app")
    with pytest.raises(InvalidInput, match="app") as caught:
        read_context(tmp_path / "app")
    assert caught.value.diagnostics[0].path == str(tmp_path / "app")


def test_a_file_that_may_not_be_read_is_an_error(write: Write) -> None:
    """A file of which nothing can be read is named; root may read everything, so a dangling folder stands for it."""
    folder = write({".dockerignore/x": ""})
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_context(folder)
