"""Parquet, by pyarrow (the extra `parquet`).

Writing: SQLite's columns hold any type, Parquet's one. Which one is asked of the rows, all of them, before the first is
written: int64, double (also for integers among them that a double holds), binary, or string. A column in which these
mix is a string column with the values as SQL would print them; one of NULLs alone is a string column too.
"""

from __future__ import annotations

import datetime
import importlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from lambda_handlers.wire import INTEGER_MAX, INTEGER_MIN, Row, SldbError, Value
from sldb.render import literals, values
from sldb.transfer.selection import Selection
from sldb.transfer.snapshot import Snapshot
from sldb.transfer.streams import Stream

_EXACT_IN_DOUBLE = 1 << 53
_READ_ROWS = 2_000


def load(module: str) -> Any:
    """`pyarrow`, or a part of it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SldbError(
            "bad_request", "Parquet needs pyarrow, which is not installed", "pip install 'sldb[parquet]'"
        ) from error


def write(source: Snapshot, what: Selection, path: Path) -> None:
    arrow, parquet = load("pyarrow"), load("pyarrow.parquet")
    names = values.distinct(what.columns)
    types = _types(source, what.query, len(names))
    schema = arrow.schema([(name, getattr(arrow, kind)()) for name, kind in zip(names, types, strict=True)])
    with parquet.ParquetWriter(str(path), schema, compression="zstd") as writer:
        for page in what.pages:
            writer.write_batch(arrow.record_batch(_columns(page, types), schema=schema))


def _types(source: Snapshot, query: str, width: int) -> list[str]:
    """pyarrow's name of the type of each column."""
    cells = [f"c{i}" for i in range(width)]
    seen = ",".join(
        f"sum(typeof({cell})='integer'),sum(typeof({cell})='real'),sum(typeof({cell})='text'),sum(typeof({cell})='blob'),"
        f"sum(typeof({cell})='integer' AND {cell} NOT BETWEEN {-_EXACT_IN_DOUBLE} AND {_EXACT_IN_DOUBLE})"
        for cell in cells
    )
    [counts] = source.rows(f"WITH r({literals.names(tuple(cells))}) AS (\n{query}\n) SELECT {seen} FROM r")
    return [_type(*counts[start : start + 5]) for start in range(0, 5 * width, 5)]


def _type(integers: Value, reals: Value, texts: Value, blobs: Value, large: Value) -> str:
    there = [bool(integers or reals), bool(texts), bool(blobs)]
    if there == [True, False, False] and not (reals and large):
        return "float64" if reals else "int64"
    return "binary" if there == [False, False, True] else "string"


def _columns(page: Sequence[Row], types: Sequence[str]) -> list[Any]:
    columns: list[Any] = []
    for column, kind in zip(zip(*page, strict=True), types, strict=True):
        if kind == "string":
            columns.append([None if value is None else values.plain(value, "") for value in column])
        else:
            columns.append([float(value) for value in column] if kind == "float64" and None not in column else column)
    arrow = load("pyarrow")
    return [arrow.array(column, getattr(arrow, kind)()) for column, kind in zip(columns, types, strict=True)]


def read(path: Path, table: str, shown: str) -> Stream:
    """The rows of a file. Dates, times and decimals become text, lists and structures JSON text."""
    parquet = load("pyarrow.parquet")
    try:
        file = parquet.ParquetFile(str(path))
    except (OSError, ValueError) as error:
        raise SldbError("bad_request", f"{shown} is no Parquet file: {error}") from error
    names = [str(name) for name in file.schema_arrow.names]

    def rows() -> Iterator[tuple[int, list[Value]]]:
        number = 0
        for batch in file.iter_batches(batch_size=_READ_ROWS):
            columns = [[_value(value) for value in column.to_pylist()] for column in batch.columns]
            for row in zip(*columns, strict=True):
                number += 1
                yield number, list(row)

    return Stream(table, shown, names, rows())


def _value(value: Any) -> Value:
    if value is None or type(value) in (str, float, bytes):
        return None if value != value else value  # noqa: PLR0124 - NaN, which SQLite stores as NULL
    if isinstance(value, int):
        return int(value) if INTEGER_MIN <= value <= INTEGER_MAX else str(value)
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat(" ") if isinstance(value, datetime.datetime) else value.isoformat()
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)
