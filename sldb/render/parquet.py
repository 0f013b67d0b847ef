"""The format Parquet, by pyarrow (the extra `parquet`, imported on first use).

SQLite's columns hold any type, Parquet's one: int64, double (also for integers among reals, if a double holds them
all), binary, or string. A column of mixed types is a string column of printed values; one of NULLs alone is a string
column too.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, BinaryIO

from lambda_handlers.wire import Result, Row, SldbError, Value
from sldb.render import values

EXACT_IN_DOUBLE = 1 << 53  # integers up to here


def load(module: str) -> Any:
    """Return `pyarrow`, or a part of it."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise SldbError(
            "bad_request", "Parquet needs pyarrow, which is not installed", "pip install 'sldb[parquet]'"
        ) from error


def write_parquet(result: Result, out: BinaryIO) -> None:
    kinds = [_kind(column) for column in zip(*result.rows, strict=True)] or ["string"] * len(result.columns)
    what = schema([column.name for column in result.columns], kinds)
    with open_writer(out, what) as writer:
        if result.rows:
            writer.write_batch(batch(result.rows, kinds, what))


def open_writer(out: BinaryIO | str, what: Any) -> Any:
    """Return a writer, a context manager, for a file of the schema `what`; `out` is its path, or open."""
    return load("pyarrow.parquet").ParquetWriter(out, what, compression="zstd")


def schema(columns: Sequence[str], kinds: Sequence[str]) -> Any:
    arrow = load("pyarrow")
    names = values.distinct(columns)
    return arrow.schema([(name, getattr(arrow, kind)()) for name, kind in zip(names, kinds, strict=True)])


def kind_of(integers: Value, reals: Value, texts: Value, blobs: Value, large: Value) -> str:
    """Return pyarrow's type of a column with these numbers of values by type (or their presence).

    `large`: of integers beyond the exact range of a double.
    """
    there = [bool(integers or reals), bool(texts), bool(blobs)]
    if there == [True, False, False] and not (reals and large):
        return "float64" if reals else "int64"
    return "binary" if there == [False, False, True] else "string"


def batch(rows: Sequence[Row], kinds: Sequence[str], what: Any) -> Any:
    """Return a record batch of the schema `what`."""
    arrow = load("pyarrow")
    arrays = [
        arrow.array(_as(kind, column), getattr(arrow, kind)())
        for column, kind in zip(zip(*rows, strict=True), kinds, strict=True)
    ]
    return arrow.record_batch(arrays, schema=what)


def _as(kind: str, column: Sequence[Value]) -> list[Any]:
    if kind == "string":
        return [None if value is None else values.plain(value, "") for value in column]
    if kind == "float64":
        return [None if value is None else float(value) for value in column]
    return list(column)


def _kind(column: Sequence[Value]) -> str:
    types = {type(value) for value in column}
    large = any(isinstance(value, int) and abs(value) > EXACT_IN_DOUBLE for value in column)
    return kind_of(int in types, float in types, str in types, bytes in types, large)
