"""Rows of a cursor as Arrow record batches, by pyarrow (the extra `parquet`).

A column of Arrow has one type, those of SQLite have one for each value. So the declared type decides, as SQLite reads
it: INTEGER is int64, REAL float64, TEXT string, BLOB binary. For other declared types, expressions and columns that are
converted, the values of the first batch decide; NULLs alone are strings. A later value of another type is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lambda_handlers.wire import Column
from sldb.dbapi.errors import DataError, NotSupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

# Of a declared type: parts of it, and Arrow's type ("Datatypes In SQLite", 3.1; the first that fits counts).
_DECLARED = (
    (("INT",), "int64"),
    (("CHAR", "CLOB", "TEXT"), "string"),
    (("BLOB",), "binary"),
    (("REAL", "FLOA", "DOUB"), "float64"),
)


def reader(columns: Sequence[Column], converted: Sequence[bool], fetch: Callable[[], list[tuple[Any, ...]]]) -> Any:
    """Return a RecordBatchReader. `converted`: of each column, True if it has a converter; `fetch` returns the rows of
    the next batch, and none at the end. Raises NotSupportedError without pyarrow, DataError for values of several
    types."""
    try:
        import pyarrow
    except ImportError as error:
        raise NotSupportedError("fetch_arrow needs pyarrow: pip install 'sldb[parquet]'") from error
    rows = fetch()
    values = _by_column(rows, len(columns))
    arrays = [
        _array(pyarrow, column, values[i], None if converted[i] else _declared(pyarrow, column))
        for i, column in enumerate(columns)
    ]
    fields = [pyarrow.field(name, array.type) for name, array in zip(_names(columns), arrays, strict=True)]
    schema = pyarrow.schema(fields)

    def batches() -> Iterator[Any]:
        yield pyarrow.record_batch(arrays, schema=schema)
        while rows := fetch():
            made = zip(columns, _by_column(rows, len(columns)), schema.types, strict=True)
            yield pyarrow.record_batch([_array(pyarrow, *one) for one in made], schema=schema)

    return pyarrow.RecordBatchReader.from_batches(schema, batches())


def _by_column(rows: Sequence[tuple[Any, ...]], count: int) -> list[Sequence[Any]]:
    return list(zip(*rows, strict=True)) if rows else [()] * count


def _declared(pyarrow: Any, column: Column) -> Any:
    """Return the type of a declared column; None if its values decide."""
    declared = (column.type or "").upper()
    found = next((kind for parts, kind in _DECLARED if any(part in declared for part in parts)), None)
    return found and getattr(pyarrow, found)()


def _array(pyarrow: Any, column: Column, values: Sequence[Any], kind: Any) -> Any:
    try:
        array = pyarrow.array(values, kind)
    except (pyarrow.ArrowInvalid, pyarrow.ArrowTypeError, OverflowError) as error:
        raise DataError(
            f"column {column.name}: its values have several types, or another one than declared ({error}); "
            "CAST(… AS …) in the statement makes them alike"
        ) from error
    return pyarrow.array(values, pyarrow.string()) if pyarrow.types.is_null(array.type) else array


def _names(columns: Sequence[Column]) -> list[str]:
    """Return different names: a second `a` is `a_2`."""
    names: list[str] = []
    for column in columns:
        name, number = column.name, 1
        while name in names:
            number += 1
            name = f"{column.name}_{number}"
        names.append(name)
    return names
