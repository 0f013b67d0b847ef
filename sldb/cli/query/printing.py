"""The printing of results: format, layout, and the terminal, stream or file for them."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click

from sldb.cli import streams
from sldb.cli.run import Run
from sldb.file_formats import output_format
from sldb.render import FORMATS, Layout, check_format

if TYPE_CHECKING:
    from sldb.render import Screen

FORMATS_OF_FILES = (*FORMATS, "parquet")


@dataclass(frozen=True, slots=True)
class Printing:
    format: str
    layout: Layout
    max_rows: int  # of a table on a terminal; 0: all
    max_width: int | None  # of a cell of such a table; 0: no limit; None: as there is room
    output: Path | None  # None: standard output

    @classmethod
    def choose(cls, run: Run, layout: Layout, max_rows: int, max_width: int | None, output: Path | None) -> Printing:
        """Return the printing for the options. Raises `bad_request` or UsageError for contradictory ones."""
        name = run.format
        if output is not None:
            # The name of the file outweighs environment and config, but not --format.
            given = name if run.settings.find("format").is_option else None
            name = output_format(output.name, FORMATS_OF_FILES, given, name)
        check_format(name, to_file=output is not None)
        if layout.null is not None and name in ("json", "jsonl", "insert", "parquet"):
            raise click.UsageError(f"--null: {name} has a word for NULL of its own")
        return cls(name, layout, max_rows, max_width, output)

    @contextmanager
    def out(self) -> Iterator[tuple[TextIO, Screen | None]]:
        """Yield the stream for the data, and the screen if it is one. A file appears only after success."""
        if self.output is None:
            yield streams.data_out(), streams.screen(self.max_rows, self.max_width)
            return
        from sldb.transfer.files.output import open_output

        with open_output(self.output, sys.stdout.buffer) as raw:
            out = io.TextIOWrapper(raw, encoding="utf-8", newline="")
            try:
                yield out, None
            finally:
                out.detach()  # flushes
