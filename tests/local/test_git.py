"""What git says about a folder."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import pytest

from provisioner.local.git import author, commit


def git(folder: Path, *arguments: str) -> str:
    """Run git in a folder; return what it says."""
    who = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit."""
    git(tmp_path, "init", "-q")
    (tmp_path / "fleet.yaml").write_text("name: shop\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    return tmp_path


def test_a_clean_folder_is_at_its_commit(repository: Path) -> None:
    """A folder without changes is named by the commit alone."""
    assert commit(repository) == git(repository, "rev-parse", "HEAD")


def test_a_changed_or_new_file_makes_it_dirty(repository: Path) -> None:
    """A file that git does not know marks the commit as dirty."""
    (repository / "new").write_text("")
    assert commit(repository) == git(repository, "rev-parse", "HEAD") + "-dirty"


def test_a_change_elsewhere_in_the_repository_does_not(repository: Path) -> None:
    """Only what lies below the folder of the spec counts."""
    (repository / "fleet").mkdir()
    (repository / "other").write_text("")
    assert not commit(repository / "fleet").endswith("-dirty")


def test_without_a_repository_or_a_commit_there_is_none(tmp_path: Path) -> None:
    """No repository, a repository without commits and a folder that is not there have no commit."""
    assert commit(tmp_path) == ""
    git(tmp_path, "init", "-q")
    assert commit(tmp_path) == ""
    assert commit(tmp_path / "gone") == ""


def test_an_author_is_a_user_on_a_host() -> None:
    """The author is the person behind sudo, else the user, at this host."""
    assert author({"USER": "root", "SUDO_USER": "ann"}) == f"ann@{socket.gethostname()}"
    assert author({"USER": "ben"}) == f"ben@{socket.gethostname()}"
    assert author({}).endswith(f"@{socket.gethostname()}")
