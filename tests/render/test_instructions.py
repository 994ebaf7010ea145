"""A Dockerfile read as the classic builder reads it."""

from __future__ import annotations

from provisioner.render.structure import Instruction, instructions


def test_continuations_are_joined_and_comments_are_left_out() -> None:
    """An instruction is one logical line, at the line where it begins."""
    text = '# x\nFROM a\n\nRUN one \\\n# no\n\n  && two\n  env X=1\nCMD ["a"]'
    assert instructions(text) == (
        Instruction(2, "FROM", "a"),
        Instruction(4, "RUN", "one && two"),
        Instruction(8, "ENV", "X=1"),
        Instruction(9, "CMD", '["a"]'),
    )


def test_a_continuation_at_the_end_of_the_file_ends_there() -> None:
    """The last instruction needs no further line."""
    assert instructions("FROM a \\") == (Instruction(1, "FROM", "a"),)
