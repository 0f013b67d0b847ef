"""Parquet files, by pyarrow (the extra `parquet`).

The types of the columns (see render.parquet) are determined by a query of all rows before the first is written.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lambda_handlers.wire import INTEGER_MAX, INTEGER_MIN, SldbError, Value
from sldb.render import literals, parquet
from sldb.transfer.database.selection import Selection
from sldb.transfer.database.snapshot import Snapshot
from sldb.transfer.formats.stream import Stream

_READ_ROWS = 2_000


def write(source: Snapshot, what: Selection, path: Path) -> None:
    """Write the rows to the file. Raises SldbError."""
    kinds = _kinds(source, what.query, len(what.columns))
    schema = parquet.schema(what.columns, kinds)
    with parquet.open_writer(str(path), schema) as writer:
        for page in what.pages:
            writer.write_batch(parquet.batch(page, kinds, schema))


def _kinds(source: Snapshot, query: str, width: int) -> list[str]:
    """Return pyarrow's name of the type of each column."""
    cells = [f"c{i}" for i in range(width)]
    limit = parquet.EXACT_IN_DOUBLE
    seen = ",".join(
        f"sum(typeof({cell})='integer'),sum(typeof({cell})='real'),sum(typeof({cell})='text'),sum(typeof({cell})='blob'),"
        f"sum(typeof({cell})='integer' AND {cell} NOT BETWEEN {-limit} AND {limit})"
        for cell in cells
    )
    [counts] = source.rows(f"WITH r({literals.names(tuple(cells))}) AS (\n{query}\n) SELECT {seen} FROM r")
    return [parquet.kind_of(*counts[start : start + 5]) for start in range(0, 5 * width, 5)]


def read(path: Path, table: str, shown: str) -> Stream:
    """Return the rows of a file. Dates, times and decimals become text, lists and structures JSON text."""
    pyarrow = parquet.load("pyarrow.parquet")
    try:
        file = pyarrow.ParquetFile(str(path))
    except (OSError, ValueError) as error:
        raise SldbError("bad_request", f"{shown} is not a Parquet file: {error}") from error
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
