"""The parameters of many executions from a file: one row, one execution.

The file is read as `sldb import` reads it (`sldb.transfer.formats.tables`): csv, tsv, json, jsonl or parquet, with its
separator, encoding, line ends and compression found out.

csv, tsv       the header names the parameters; a cell is bound as `--param` reads it (a number in SQLite's own
               spelling, else text), and a quoted one as text
json, jsonl    an object has named parameters, an array positional ones (?)
parquet        the columns name the parameters
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from lambda_handlers.wire import SldbError, Value
from sldb.params.arguments import guess
from sldb.transfer.files.input import STANDARD_INPUT, Input
from sldb.transfer.files.recoding import check_encoding
from sldb.transfer.formats import tables
from sldb.transfer.formats.bad_rows import BadRows
from sldb.transfer.formats.json_rows import InvalidValue, JsonRows, value_of
from sldb.transfer.formats.stream import Stream

MAX_BYTES = 6_000_000  # of one request to the function, and so of one transaction
Bound = tuple[Value, ...] | dict[str, Value]


@dataclass(frozen=True, slots=True)
class ParamRow:
    params: Bound
    line: int  # where in the file it begins


class _Quoted(str):
    """The text of a quoted cell, which is never a number."""

    __slots__ = ()


def read(name: str, standard_input: BinaryIO, encoding: str = "utf-8") -> list[ParamRow]:
    """Return the rows of a file, or of standard input (`-`), in order.

    Raises `bad_request` with its place for invalid content, and `too_large`.
    """
    check_encoding(encoding)
    if Path(name).is_file() and Path(name).stat().st_size > MAX_BYTES:
        raise too_large(name)
    rows, size = [], 0
    try:
        for line, params in _rows(Input(name), standard_input, encoding):
            rows.append(ParamRow(params, line))
            size += _size(params)
            if size > MAX_BYTES:  # of a pipe or a compressed file
                raise too_large(name)
    except SldbError as error:
        error.details.setdefault("applied", "no")
        raise
    return rows


def too_large(name: str) -> SldbError:
    return SldbError(
        "too_large",
        f"{name} is more than one request can hold ({MAX_BYTES // 1_000_000} MB), and so more than one transaction",
        f"sldb import {name} loads files of any size into a table",
        applied="no",
    )


def _size(params: Bound) -> int:
    values = params.values() if isinstance(params, dict) else params
    return sum(len(value) if isinstance(value, (str, bytes)) else 8 for value in values)


def _rows(source: Input, standard_input: BinaryIO, encoding: str) -> Iterator[tuple[int, Bound]]:
    table = "parameters" if source.name == STANDARD_INPUT else None
    options = tables.ReadOptions(table=table, encoding=encoding, quoted=_Quoted)
    bad = BadRows(skip=False, hint="")
    for stream in tables.read(source, options, bad, standard_input):
        if source.format in ("sqlite", "sql"):
            want = "csv, tsv, json, jsonl or parquet"
            raise SldbError("bad_request", f"{source.shown}: want {want}, got {source.format}")
        yield from _of_json(stream.rows, source.shown, bad) if isinstance(stream.rows, JsonRows) else _named(stream)


def _named(stream: Stream) -> Iterator[tuple[int, Bound]]:
    names = [_parameter(column) for column in stream.columns]
    _refuse_equal(names, stream.shown)
    for line, values in stream.rows:
        bound = map(_typed, values) if stream.is_text else values
        yield line, dict(zip(names, bound, strict=True))


def _typed(cell: Value) -> Value:
    if isinstance(cell, _Quoted):
        return str(cell)
    return guess(cell) if isinstance(cell, str) else cell


def _of_json(rows: JsonRows, shown: str, bad: BadRows) -> Iterator[tuple[int, Bound]]:
    for line, document in rows.documents:
        try:
            yield line, _bound(document, f"{shown}:{line}")
        except InvalidValue as error:
            bad.report(shown, line, 1, str(error))


def _bound(document: Any, where: str) -> Bound:
    if isinstance(document, list):
        return tuple(value_of(value, str(number)) for number, value in enumerate(document, start=1))
    if not isinstance(document, dict):
        raise InvalidValue("want an object of named parameters, or an array of positional ones")
    _refuse_equal([_parameter(key) for key in document], where)
    return {_parameter(key): value_of(value, key) for key, value in document.items()}


def _parameter(column: str) -> str:
    return column.lstrip(":@$")


def _refuse_equal(names: list[str], where: str) -> None:
    """Raise `bad_request` if two columns, such as `:a` and `a`, name the same parameter."""
    for position, name in enumerate(names):
        if name in names[:position]:
            raise SldbError("bad_request", f"{where}: two columns name the parameter {name}")
