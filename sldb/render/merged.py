"""The merging of results: those of equal columns come one after the other, and are written as one.

Formats of lines (jsonl, csv, tsv, insert) are written at once; formats of all rows together (table, vertical, markdown,
json) are kept until the end.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TextIO

from lambda_handlers.wire import Column, Result, Row
from sldb.render import Layout, Screen, describe_hidden, write

_AS_IT_COMES = ("jsonl", "csv", "tsv", "insert")


@dataclass(slots=True)
class Merged:
    format: str
    out: TextIO
    screen: Screen | None
    layout: Layout
    columns: tuple[Column, ...] = ()  # of the first result; empty before
    rows_count: int = 0
    _kept: list[Row] = field(default_factory=list)

    @property
    def is_streamed(self) -> bool:
        """True if rows are written before the end."""
        return self.format in _AS_IT_COMES

    def add(self, columns: tuple[Column, ...], rows: Sequence[Row]) -> None:
        """Add rows; `columns` have the same names every time."""
        is_first = not self.columns
        self.columns = self.columns or columns
        self.rows_count += len(rows)
        if self.format not in _AS_IT_COMES:
            self._kept.extend(rows)
            return
        layout = self.layout if is_first else replace(self.layout, header=False)
        write([Result(columns, list(rows), len(rows))], self.format, self.out, self.screen, layout)
        self.out.flush()

    def end(self) -> str:
        """Write the kept rows; return a note on the omitted ones."""
        if self.format in _AS_IT_COMES:
            return ""
        results = [Result(self.columns, self._kept, len(self._kept))] if self.columns else []
        write(results, self.format, self.out, self.screen, self.layout)
        self.out.flush()
        return describe_hidden(results, self.format, self.screen)
