"""Rows under headers, for any noun; where the terminal is too narrow, one block per row."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

GAP = 2
FOLDED = 60
"""From this width on a table that does not fit folds its cells; below, its rows become blocks."""

Row = Sequence[str | Text]


def table(
    headers: Sequence[str], rows: Sequence[Row], width: int, *, as_written: bool = False
) -> Iterator[RenderableType]:
    """Yield rows under headers, no wider than `width` columns; headers are capitals unless they are names."""
    names, headers = headers, headers if as_written else [header.upper() for header in headers]
    columns = [[header, *(str(row[at]) for row in rows)] for at, header in enumerate(headers)]
    natural = sum(max(map(cell_len, column)) for column in columns) + GAP * (len(headers) - 1)
    if natural > width and width < FOLDED:
        yield from _blocks(names, rows)
    else:
        yield _grid(headers, rows, folds=natural > width)


def _grid(headers: Sequence[str], rows: Sequence[Row], *, folds: bool) -> Table:
    grid = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="faint")
    for header in headers:
        grid.add_column(header, overflow="fold", no_wrap=not folds)
    for row in rows:
        grid.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    return grid


def _blocks(headers: Sequence[str], rows: Sequence[Row]) -> Iterator[RenderableType]:
    for number, row in enumerate(rows):
        if number:
            yield ""
        for header, cell in zip(headers, row, strict=True):
            if str(cell):
                yield Text.assemble((f"{header}: " if header else "", "faint"), cell)
