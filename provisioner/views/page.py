"""One stream, as wide as it is: everything a person reads is laid out and made safe here."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TextIO

from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.segment import Segment, Segments
from rich.table import Table
from rich.text import Text

from provisioner.views.marks import THEME, marks_for

NARROWEST = 20
_ESCAPES = re.compile(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)?")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class _Console(Console):
    """A console that leaves it to its caller what a reader who went away means."""

    def on_broken_pipe(self) -> None:
        """Pass the error on, where rich would end the program."""
        raise  # noqa: PLE0704 - rich calls this while it handles the error


class Page:
    """Writes renderables to a stream, without trailing blanks, terminal commands or what it cannot encode."""

    def __init__(self, stream: TextIO, width: int, *, colour: bool = False, live: bool = False) -> None:
        self.encoding = getattr(stream, "encoding", None) or "utf-8"
        self.marks = marks_for(self.encoding)
        self.console = _Console(
            file=stream,
            width=max(width, NARROWEST),
            color_system="standard" if colour else None,
            no_color=not colour,
            force_terminal=live,
            force_interactive=live,
            highlight=False,
            markup=False,
            emoji=False,
            theme=THEME,
            _environ={},
        )

    @property
    def width(self) -> int:
        """Return its columns."""
        return self.console.width

    def show(self, *parts: RenderableType) -> None:
        """Write each part on lines of its own."""
        for part in parts:
            lines = self.console.render_lines(part, pad=False)
            segments = [segment for line in lines for segment in (*self._line(line), Segment.line())]
            self.console.print(Segments(segments), end="", no_wrap=True, overflow="ignore", crop=False)

    def raw(self, text: str) -> None:
        """Write text as it is, for another program: never wrapped."""
        self.console.file.write(self.encodable(text if text.endswith("\n") else text + "\n"))
        self.console.file.flush()

    def encodable(self, text: str) -> str:
        """Return text with what the stream's encoding lacks spelled out."""
        return text.encode(self.encoding, "backslashreplace").decode(self.encoding)

    def _line(self, segments: Iterable[Segment]) -> list[Segment]:
        line = [Segment(self.encodable(_CONTROLS.sub("", each.text)), each.style) for each in segments]
        while line and not line[-1].text.rstrip():
            line.pop()
        if line:
            line[-1] = Segment(line[-1].text.rstrip(), line[-1].style)
        return line


def clean(text: str) -> str:
    """Return text that a program wrote, without its terminal commands."""
    return _CONTROLS.sub("", _ESCAPES.sub("", text))


def indented(text: Text | str, columns: int = 4) -> RenderableType:
    """Return text that starts, and goes on where it wraps, some columns to the right."""
    return Padding(text if isinstance(text, Text) else Text(text), (0, 0, 0, columns))


def hanging(lead: Text, text: Text | str) -> RenderableType:
    """Return text after a lead, which goes on below itself where it wraps."""
    grid = Table.grid(padding=0)
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(lead, text if isinstance(text, Text) else Text(text))
    return grid


def hint(command: str) -> Text:
    """Return the line that names the next useful command."""
    return Text.assemble(("next: ", "faint"), (command, "command"))
