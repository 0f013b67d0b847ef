"""The rows that an import leaves out: their places for people, and their texts in a file (`--rejects`).

The inputs are read a second time for them, so that the first time keeps nothing. The file has the format of the input,
with its header, and can be imported like it once it is mended; rows of Parquet, SQLite files and dumps are JSON Lines.
It appears when the import is done.
"""

from __future__ import annotations

import codecs
import shutil
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, suppress
from pathlib import Path
from typing import BinaryIO, cast

from lambda_handlers.wire import SldbError
from sldb.render.values import folded
from sldb.transfer.files import recoding
from sldb.transfer.files.input import STANDARD_INPUT, Input
from sldb.transfer.files.output import open_output
from sldb.transfer.formats.bad_rows import BadRows
from sldb.transfer.formats.stream import RejectsLayout, Stream
from sldb.transfer.formats.tables import ReadOptions, read
from sldb.transfer.loaded_stream import LoadedStream, Refusal, rows_with_keys, text_of

MAX_SHOWN = 5


class SecondReading:
    """The inputs of an import, to be read again. Standard input must be a file for that."""

    def __init__(
        self, inputs: Sequence[str], reading: ReadOptions, keys: Sequence[str], standard_input: BinaryIO
    ) -> None:
        self._inputs = inputs
        self._reading = reading
        self._keys = keys
        self._standard_input = standard_input
        self._kept: BinaryIO | None = None  # a copy of standard input

    def close(self) -> None:
        """Remove the copy of standard input."""
        if self._kept is not None:
            self._kept.close()

    def keep_standard_input(self) -> BinaryIO:
        """Copy standard input to a file, and return that."""
        self._kept = cast(BinaryIO, tempfile.TemporaryFile(prefix="sldb-"))  # noqa: SIM115 - `close` does
        shutil.copyfileobj(self._standard_input, self._kept, 1 << 20)
        self._kept.seek(0)
        self._standard_input = self._kept
        return self._kept

    @property
    def is_possible(self) -> bool:
        return all(
            self._standard_input.seekable() if name == STANDARD_INPUT else Path(name).is_file() for name in self._inputs
        )

    def rows(
        self, wanted: Mapping[int, Mapping[int, Refusal]], bad: BadRows
    ) -> Generator[tuple[Refusal, Stream, str], None, None]:
        """Yield the rows that are wanted, by place and number, with their texts."""
        place = 0
        for name in self._inputs:
            if name == STANDARD_INPUT:
                self._standard_input.seek(0)
            with closing(read(Input(name), self._reading, bad, self._standard_input)) as streams:
                for stream in streams:
                    refused = wanted.get(place, {})
                    for row, (_, values) in enumerate(rows_with_keys(stream, self._keys, bad), start=1):
                        if row in refused:
                            yield refused[row], stream, text_of(stream, values)
                    place += 1


def shown(reading: SecondReading, loaded: Sequence[LoadedStream], refused: Sequence[Refusal]) -> list[str]:
    """Return `file:line:column: reason` for each of a few rows."""
    columns: dict[Refusal, int] = {}
    wanted: dict[int, dict[int, Refusal]] = {}
    for each in refused:
        if each.column is not None and loaded[each.place].stream.text() is not None:
            wanted.setdefault(each.place, {})[each.row] = each
    if wanted and reading.is_possible:
        count = sum(map(len, wanted.values()))
        with closing(reading.rows(wanted, BadRows(skip=True))) as rows:
            for each, stream, _ in rows:
                columns[each] = stream.column_of(stream.columns.index(str(each.column).split(", ")[0]))
                if len(columns) == count:
                    break
    return [_shown(loaded[each.place], each, columns.get(each)) for each in refused]


def _shown(loaded: LoadedStream, refusal: Refusal, column: int | None) -> str:
    place = f"{loaded.stream.shown}:{loaded.lines.line(refusal.row)}"
    return f"{place}: {refusal.reason}" if column is None else f"{place}:{column}: {refusal.reason}"


class _Discarded(Exception):
    """The file is not wanted."""


class RejectsFile:
    """The file of the rows that are left out, unfinished until `finish`."""

    def __init__(self, path: Path, reading: SecondReading) -> None:
        self._path = path
        self._reading = reading
        self._open: AbstractContextManager[BinaryIO] | None = None

    def write(self, loaded: Sequence[LoadedStream]) -> None:
        """Write all rows that are left out by now. Raises `bad_request`."""
        self.discard()
        self._open = open_output(self._path, sys.stdout.buffer)
        out = _Texts(self._open.__enter__(), loaded[0].stream.layout)
        wanted = {place: each.refused for place, each in enumerate(loaded)}
        for _, _, text in self._reading.rows(wanted, out):
            out.write(text)
        out.close()

    def finish(self) -> str | None:
        """Give the file its name, and return it; None if there are no rows."""
        if self._open is None:
            return None
        opened, self._open = self._open, None
        opened.__exit__(None, None, None)
        return str(self._path)

    def discard(self) -> None:
        """Leave no file behind."""
        if self._open is not None:
            opened, self._open = self._open, None
            with suppress(_Discarded):
                opened.__exit__(_Discarded, _Discarded(), None)


class _Texts(BadRows):
    """The content of the file; also the bad rows that are read again go there."""

    def __init__(self, out: BinaryIO, layout: RejectsLayout) -> None:
        super().__init__(skip=True)
        self._out = out
        self._is_array = layout.format == "json"
        self._is_recoded = recoding.wide_encoding(b"", layout.encoding) is not None
        self._encode = codecs.getincrementalencoder(layout.encoding)().encode  # with one byte order mark
        self._is_empty = True
        self._put("[" if self._is_array else layout.header)

    def report(self, name: str, line: int, column: int, message: str, text: str | bytes | None = None) -> None:
        super().report(name, line, column, message, text)
        self.write(text or "")

    def write(self, text: str | bytes) -> None:
        if isinstance(text, bytes) and self._is_recoded:
            text = text.decode(errors="replace")
        if isinstance(text, bytes):
            self._out.write(text if text.endswith(b"\n") else text + b"\n")
        elif self._is_array:
            self._put(("\n" if self._is_empty else ",\n") + text)
        else:
            self._put(text if text.endswith(("\n", "\r")) else text + "\n")
        self._is_empty = False

    def close(self) -> None:
        if self._is_array:
            self._put("\n]\n")

    def _put(self, text: str) -> None:
        self._out.write(self._encode(text))


def check_layouts(loaded: Sequence[LoadedStream]) -> None:
    """Raise `bad_request` if the rows of the newest stream cannot stand in one file with those before."""
    first, newest = loaded[0].stream, loaded[-1].stream
    if (folded(first.table), first.layout) != (folded(newest.table), newest.layout):
        raise SldbError(
            "bad_request",
            f"--rejects: rows of {newest.shown} and {first.shown} differ in table, columns or format",
            "import them one after the other, each with a file of its own",
            applied="no",
        )
