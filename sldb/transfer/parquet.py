"""Parquet, by pyarrow (the extra `parquet`).

Writing: SQLite's columns hold any type, Parquet's one. Which one is asked of the rows, all of them, before the first is
written: int64, double (also for integers among them that a double holds), binary, or string. A column in which these
mix is a string column with the values as SQL would print them; one of NULLs alone is a string column too.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lambda_handlers.wire import Row, SldbError, Value
from sldb.render import literals, values
from sldb.transfer.selection import Selection
from sldb.transfer.snapshot import Snapshot

_EXACT_IN_DOUBLE = 1 << 53


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
