"""What a `.dockerignore` leaves out."""

from __future__ import annotations

import pytest

from provisioner.errors import InvalidInput
from provisioner.local.dockerignore import parse_rules

# Each row: the lines of the file, what they leave out, what they let in. From Docker's reference and its own tests.
RULES = {
    "a name at the top": (["temp"], ["temp", "temp/x"], ["a/temp", "temp2"]),
    "one folder deep": (["*/temp*"], ["a/temporary.txt", "a/temp", "a/temp/x"], ["temp", "a/b/temp"]),
    "two folders deep": (["*/*/temp*"], ["a/b/temporary.txt"], ["a/temp", "a/b/c/temp"]),
    "one letter": (["temp?"], ["tempa", "tempb"], ["temp", "temp/a"]),
    "any folder": (["**/*.go"], ["x.go", "a/x.go", "a/b/x.go"], ["x.god"]),
    "everything below": (["docs/**"], ["docs/a", "docs/a/b"], ["docs", "docs2"]),
    "any folders in between": (["a/**/z"], ["a/z", "a/b/z", "a/b/c/z", "a/b/z/x"], ["a/bz", "z"]),
    "a comment": (["#temp", "#"], [], ["#temp", "temp"]),
    "an exception": (["*.md", "!README.md"], ["a.md"], ["README.md"]),
    "the last line counts": (["*.md", "!README*.md", "README-secret.md"], ["README-secret.md"], ["README.md"]),
    "an exception that is taken back": (["*.md", "README-secret.md", "!README*.md"], ["a.md"], ["README-secret.md"]),
    "all but one folder": (["*", "!app"], ["x", "lib/x"], ["app", "app/x", "app/a/b"]),
    "all but one kind of file": (["**", "!**/*.py"], ["a/x.c"], ["x.py", "a/b/x.py"]),
    "slashes and dots around": (["/foo/", "./bar/../baz"], ["foo", "foo/x", "baz"], ["bar", "a/foo"]),
    "blanks around": (["  foo  ", "! foo/x "], ["foo"], ["foo/x"]),
    "a set of letters": (["x[a-c]", "y[^a]"], ["xa", "yb"], ["xd", "ya", "x[a-c]"]),
    "letters that mean something elsewhere": (["a.b+c$(d)"], ["a.b+c$(d)"], ["axb+c$(d)"]),
    "a quoted star": ([r"a\*"], ["a*"], ["ab"]),
    "dots of hidden files": (["*"], [".env", "a"], []),
    "the folder itself": (["."], [], ["a"]),
}


@pytest.mark.parametrize("case", RULES)
def test_patterns_choose_as_docker_does(case: str) -> None:
    """Every kind of pattern leaves out what Docker's reference says it leaves out, and no more."""
    lines, out, kept = RULES[case]
    rules = parse_rules("\n".join(lines), ".dockerignore")
    assert [path for path in out if not rules.ignores(path)] == []
    assert [path for path in kept if rules.ignores(path)] == []


def test_windows_line_ends_and_a_byte_order_mark_do_not_matter() -> None:
    """A file written on Windows means the same."""
    rules = parse_rules("\ufefffoo\r\nbar\r\n", ".dockerignore")
    assert rules.ignores("foo")
    assert rules.ignores("bar")


def test_lines_that_are_no_patterns_are_named_together() -> None:
    """A lone exclamation mark and an open bracket are errors with their line numbers."""
    with pytest.raises(InvalidInput) as caught:
        parse_rules("ok\n!\nfoo[\n", "app/.dockerignore")
    assert [(found.path, found.line) for found in caught.value.diagnostics] == [
        ("app/.dockerignore", 2),
        ("app/.dockerignore", 3),
    ]
