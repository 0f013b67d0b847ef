"""CSV and TSV: rows, each with the number of its first line.

csv   RFC 4180: quotes around a cell, doubled inside it; such a cell may hold line ends. Nothing between two commas is
      NULL, "" the empty text. Where the header has no comma outside of quotes, a semicolon, tab or bar separates
      instead. A first line `sep=;`, as Excel writes it, names the separator. Blanks around a name in the header are
      left out, unless it is in quotes; in quotes it may be empty.
tsv   One row a line; \\t \\n \\r \\\\ have their usual meaning, \\N is NULL, in the header the empty name. Any other
      backslash is literal.

A line ends with LF, CR LF or CR, also mixed. A row with more or fewer cells than the header is a bad row. An empty line
is one where there are several columns only if it stands between rows; where there is one column, it is a NULL.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from itertools import chain
from typing import BinaryIO

from lambda_handlers.wire import SldbError
from sldb.render.values import folded
from sldb.transfer.formats.bad_rows import BadRows, lines

Cells = list["str | None"]
Line = tuple[int, str]

_SEPARATORS = (",", ";", "\t", "|")
_SEPARATOR_LINE = re.compile(r'("?)sep=(.)\1', re.IGNORECASE)
_LINE_END = re.compile(r"\r\n|\r|\n")
_LINE_ENDS = ("", "\n", "\r\n", "\r")
_QUOTED = re.compile(r'"([^"]*(?:""[^"]*)*)"(?!")')
_MAX_HEADER_CHARACTERS = 1_000_000
_MAX_CHARACTERS = 100_000_000  # of one value, as in the server
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "\\": "\\"}
_ESCAPED = re.compile(r"\\([tnr\\])")


class DelimitedRows:
    """The rows of a text, by iteration: (line, cells) of each."""

    def __init__(
        self,
        content: BinaryIO,
        name: str,
        is_tsv: bool,
        bad: BadRows,
        delimiter: str | None,
        header: bool,
        encoding: str,
        quoted: type[str] = str,
    ) -> None:
        """Read the header. Raises `bad_request` if there is none."""
        self._lines: Iterator[Line] = lines(content, name, encoding, bad)
        self._name = name
        self._is_tsv = is_tsv
        self._bad = bad
        self._quoted = quoted
        self._delimiter = delimiter or ("\t" if is_tsv else ",")
        self._first: tuple[int, Cells] | None = None
        self.text = ""  # of the row that was read last
        self.header = ""  # the text before the first row
        first = self._next_line() if is_tsv else self._first_record(delimiter)
        exact: list[int] = []
        cells = self._cells(first, exact)
        if cells is None:
            raise SldbError("bad_request", f"{name}:{first[0]}:1: the header cannot be read")
        if header:
            self.columns = self._names(cells, first[0], range(len(cells)) if is_tsv else exact)
        else:
            self.columns = [f"c{i}" for i in range(1, len(cells) + 1)]
            self._first = (first[0], cells)
        self.header += self.text if header else ""
        self.delimiter = self._delimiter

    def _first_record(self, delimiter: str | None) -> Line:
        """Return the first line of a CSV, with those that go on in quotes, and set the separator that it shows."""
        first = self._next_line()
        named = _SEPARATOR_LINE.fullmatch(_without_end(first[1]))
        if named and delimiter in (None, named[2]) and (following := self._following_separator(named)):
            self._delimiter = named[2]
            self.header = first[1]
            return self._whole_record(following)
        first = self._whole_record(first)
        if delimiter is None:
            self._delimiter = _guess_separator(first[1])
        return first

    def _following_separator(self, named: re.Match[str]) -> Line | None:
        """Return the line after one that names the separator; None if that line is a name of a column itself."""
        following = next(self._lines, None)
        if following is None:
            return None
        is_usual = not named[1] and named[2] in _SEPARATORS
        if is_usual or named[2] in _QUOTED.sub("", following[1]):
            return following
        self._lines = chain([following], self._lines)
        return None

    def _whole_record(self, first: Line) -> Line:
        """Return a line together with those after it, up to the one that closes its last quote."""
        taken = [first]
        size = len(first[1])
        while sum(text.count('"') for _, text in taken) % 2 and size < _MAX_HEADER_CHARACTERS:
            following = next(self._lines, None)
            if following is None:
                break
            taken.append(following)
            size += len(following[1])
        else:
            return first[0], "".join(text for _, text in taken)
        self._lines = chain(taken[1:], self._lines)
        return first

    def _next_line(self) -> Line:
        line = next(self._lines, None)
        if line is None:
            hint = "the first line must name the columns"
            raise SldbError("bad_request", f"{self._name} is empty", hint)
        return line

    def __iter__(self) -> Iterator[tuple[int, Cells]]:
        width = len(self.columns)
        if self._first is not None:
            yield self._first
        while (line := next(self._lines, None)) is not None:
            if width > 1 and line[1] in _LINE_ENDS:
                continue
            cells = self._cells(line)
            if cells is None:
                continue
            if len(cells) != width:
                message = f"{len(cells)} cells, and the header has {width}"
                self._bad.report(self._name, line[0], self.column_of(min(len(cells), width)), message, self.text)
                continue
            yield line[0], cells

    def _names(self, cells: Cells, line: int, exact: Collection[int]) -> list[str]:
        """Return the names of the columns. `exact`: the cells with blanks that belong to the name."""
        names: list[str] = []
        for number, cell in enumerate(cells, start=1):
            name = self._name_in(cell, number - 1 in exact)
            if name is None:
                raise SldbError("bad_request", f"{self._name}:{line}:{number}: column {number} has no name")
            if "\0" in name:
                where = f"{self._name}:{line}:{number}"
                hint = "is it in UTF-16? --encoding utf-16-le or utf-16-be"
                raise SldbError("bad_request", f"{where}: the name of column {number} has a NUL character", hint)
            if folded(name) in map(folded, names):
                raise SldbError("bad_request", f"{self._name}:{line}:{number}: there are two columns {name}")
            names.append(name)
        return names

    def _name_in(self, cell: str | None, is_exact: bool) -> str | None:
        """Return the name of a column, as an export writes it; None if there is none."""
        if self._is_tsv:
            return "" if cell is None else cell or None  # \\N is the empty name
        return cell if is_exact else (cell or "").strip() or None

    def column_of(self, cell: int) -> int:
        """Return the column at which a cell of the row that was read last begins, in the line where it does."""
        position = 0
        for _ in range(cell):
            found = None if self._is_tsv else _QUOTED.match(self.text, position)
            position = self.text.find(self._delimiter, found.end() if found else position)
            if position < 0:
                return _place(0, self.text, len(_without_end(self.text)))[1]
            position += len(self._delimiter)
        return _place(0, self.text, position)[1]

    def _cells(self, line: Line, exact: list[int] | None = None) -> Cells | None:
        """Return the cells of a line; None for a bad row. `exact` takes the places of cells in quotes."""
        number, text = line
        self.text = text
        if '"' in text and not self._is_tsv:
            return self._quoted_cells(number, text, exact)
        cells = _without_end(text).split(self._delimiter)
        if not self._is_tsv:
            return [cell or None for cell in cells]
        return [_unescaped(cell) for cell in cells] if "\\" in text else list(cells)

    def _quoted_cells(self, number: int, text: str, exact: list[int] | None) -> Cells | None:
        cells: Cells = []
        position = 0
        while True:
            if text.startswith('"', position):
                found = _QUOTED.match(text, position)
                if found is None:
                    if (more := self._continued(text, position)) is None:
                        self._bad.report(
                            self._name, *_place(number, text, position), "this quote is never closed", text
                        )
                        return None
                    text += more
                    self.text = text
                    continue
                if exact is not None:
                    exact.append(len(cells))
                cells.append(self._quoted(found[1].replace('""', '"')))
                position = found.end()
            else:
                end = text.find(self._delimiter, position)
                cell = _without_end(text[position:]) if end < 0 else text[position:end]
                cells.append(cell or None)
                position += len(cell)
            if text[position : position + 3] in _LINE_ENDS:  # no copy of a long rest, for each cell
                return cells
            if not text.startswith(self._delimiter, position):
                self._bad.report(
                    self._name, *_place(number, text, position), "text after the closing quote of a cell", text
                )
                return None
            position += len(self._delimiter)

    def _continued(self, text: str, position: int) -> str | None:
        """Return the lines after an unclosed quote, up to the next one with a quote in it. None without one: the lines
        are read again, as rows of their own."""
        taken: list[Line] = []
        size = len(text) - position
        while size <= _MAX_CHARACTERS and (line := next(self._lines, None)) is not None:
            taken.append(line)
            if '"' in line[1]:
                return "".join(text for _, text in taken)
            size += len(line[1])
        self._lines = chain(taken, self._lines)
        return None


def _place(line: int, text: str, position: int) -> tuple[int, int]:
    ends = list(_LINE_END.finditer(text, 0, position))
    return line + len(ends), position - (ends[-1].end() if ends else 0) + 1


def _without_end(text: str) -> str:
    """Return a line without its line end."""
    return text[: -2 if text.endswith("\r\n") else -1] if text.endswith(("\n", "\r")) else text


def _guess_separator(header: str) -> str:
    unquoted = _QUOTED.sub("", header)
    return next((each for each in _SEPARATORS if each in unquoted), ",")


def _unescaped(cell: str) -> str | None:
    if cell == "\\N":
        return None
    return _ESCAPED.sub(lambda match: _ESCAPES[match[1]], cell)
