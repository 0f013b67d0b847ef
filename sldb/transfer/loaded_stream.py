"""A stream of an import: its rows by number, the types of its columns, and the rows that were refused."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from lambda_handlers.wire import SldbError
from sldb.render.formats import json_lines
from sldb.render.values import folded
from sldb.transfer.formats.bad_rows import BadRows
from sldb.transfer.formats.columns import ColumnType
from sldb.transfer.formats.stream import Stream, Values


@dataclass(frozen=True, slots=True)
class Refusal:
    """A row that was read, and that the database or a limit refused."""

    place: int  # of its stream among those of the import
    row: int  # its number in the stream, from 1, without rows that could not be read
    reason: str
    column: str | None = None  # the one that the reason names


class Lines:
    """The line of each row, by its number. Rows one line after the other take no memory."""

    def __init__(self) -> None:
        self._count = 0
        self._rows = array("q")  # the first of each run
        self._lines = array("q")  # its line

    def add(self, line: int) -> None:
        self._count += 1
        if not self._rows or self._lines[-1] + self._count - self._rows[-1] != line:
            self._rows.append(self._count)
            self._lines.append(line)

    def line(self, row: int) -> int:
        """Return the line of a row."""
        run = bisect_right(self._rows, row) - 1
        return self._lines[run] + row - self._rows[run]


@dataclass(slots=True)
class LoadedStream:
    """A stream that was read."""

    stream: Stream
    types: list[ColumnType] = field(default_factory=list)
    count: int = 0  # of its rows
    lines: Lines = field(default_factory=Lines)
    refused: dict[int, Refusal] = field(default_factory=dict)  # by the number of the row

    def __post_init__(self) -> None:
        self.note_types(())

    def rows(self, keys: Sequence[str], bad: BadRows) -> Iterator[Values]:
        """Yield the rows, and note their lines."""
        add = self.lines.add
        for line, values in rows_with_keys(self.stream, keys, bad):
            add(line)
            yield values

    def accepted(self, batches: Iterable[list[Values]]) -> Iterator[list[Values]]:
        """Yield all rows of the stream, in batches, without those that were refused."""
        before = 0
        for rows in batches:
            yield [row for at, row in enumerate(rows, before + 1) if at not in self.refused] if self.refused else rows
            before += len(rows)

    def note_types(self, rows: Sequence[Values]) -> None:
        self.count += len(rows)
        while len(self.types) < len(self.stream.columns):
            self.types.append(ColumnType(self.stream.is_text))
        for place, type_ in enumerate(self.types):
            if not type_.is_final:
                type_.add([row[place] for row in rows if len(row) > place])


def rows_with_keys(stream: Stream, keys: Sequence[str], bad: BadRows) -> Iterable[tuple[int, Values]]:
    """Return the rows with a value in each of the columns; another row is a bad one: a key is never invented."""
    if not keys or (stream.is_text and not set(map(folded, keys)) <= set(map(folded, stream.columns))):
        return stream.rows  # a column that is missing is an error of the import
    return _rows_with_keys(stream, [folded(key) for key in keys], bad)


def _rows_with_keys(stream: Stream, keys: list[str], bad: BadRows) -> Iterator[tuple[int, Values]]:
    places: dict[str, int] = {}
    for line, values in stream.rows:
        if len(places) < len(stream.columns):
            places = {folded(name): place for place, name in enumerate(stream.columns)}
        for key in keys:
            place = places.get(key, len(values))
            if place >= len(values) or values[place] is None:
                bad.report(stream.shown, line, stream.column_of(place), empty_key(key), text_of(stream, values))
                break
        else:
            yield line, values


def text_of(stream: Stream, values: Values) -> str:
    """Return the text of the row that was read last; JSON if it has none."""
    text = stream.text()
    if text is not None:
        return text
    start = int(stream.has_rowid)
    return next(json_lines(stream.columns[start:], [tuple(values[start:])]))


def empty_key(key: str) -> str:
    """Return the reason why a row without a key is left out."""
    return f"the key {key} is empty"


def column_named(error: SldbError, table: str, columns: Sequence[str]) -> str | None:
    """Return the column that an error of a constraint is about; the first of several."""
    subject = str(error.details.get("subject", ""))
    found = [(subject.find(f"{table}.{name}"), -len(name), name) for name in columns]
    return min((each for each in found if each[0] >= 0), default=(0, 0, None))[2]
