"""`compare` as a person calls it, where no host needs to be reached."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command_line import project, provisioner


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("web1",), "two hosts at least"),
        (("web1", "web1"), "two hosts at least"),
        (("web1", "web9"), "did you mean"),
        (("web1", "root@"), "USER@HOST"),
        (("web", "--only", "packages"), "did you mean 'package'"),
        (("web", "--ignore", "nothing:*"), "there is no kind 'nothing'"),
    ],
)
def test_what_cannot_be_compared_is_wrong_usage(tmp_path: Path, arguments: tuple[str, ...], told: str) -> None:
    """It is said before any host is asked."""
    ran = provisioner(project(tmp_path), "compare", *arguments)
    assert ran.code == 64
    assert told in ran.err


def test_it_needs_neither_spec_nor_inventory(tmp_path: Path) -> None:
    """Hosts named by address are reached, or are unknown: exit 4."""
    ran = provisioner(tmp_path, "compare", "root@127.0.0.1:1", "root@127.0.0.1:2")
    assert ran.code == 4
    assert "refused the connection" in ran.out
    assert "unreachable" in ran.out
