"""The tables that an import creates: their columns, and CREATE TABLE.

A column has the type that the user gives, or else one that follows from the values in all streams for the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lambda_handlers.wire import SldbError
from sldb.render import literals
from sldb.render.values import folded
from sldb.transfer.formats.columns import ColumnType
from sldb.transfer.loaded_stream import LoadedStream
from sldb.transfer.target_columns import Column

TYPES = ("INTEGER", "REAL", "TEXT", "NUMERIC", "BLOB")  # that a user may give


def columns(streams: Iterable[LoadedStream]) -> list[Column]:
    """Return the columns for the rows of all streams of a table; names that differ in case only are the same."""
    merged: dict[str, tuple[str, ColumnType]] = {}
    for loaded in streams:
        for name, type_ in zip(loaded.stream.columns, loaded.types, strict=True):
            merged.setdefault(folded(name), (name, ColumnType(type_.is_text)))[1].merge(type_)
    return [Column(name, type_.declared, is_generated=False) for name, type_ in merged.values()]


def create_statement(table: str, columns: Sequence[Column], keys: Sequence[str]) -> str:
    """Return CREATE TABLE. `keys`: the primary key, of columns that are NOT NULL. Raises `bad_request`."""
    if not columns:
        raise SldbError("bad_request", f"there are no rows, and so no columns to create a table {table}")
    check_keys(keys, [column.name for column in columns])
    required = set(map(folded, keys))
    declared = [
        f"{literals.name(column.name)} {column.type}".rstrip() + " NOT NULL" * (folded(column.name) in required)
        for column in columns
    ]
    if keys:
        declared.append(f"PRIMARY KEY ({literals.names(tuple(keys))})")
    return f"CREATE TABLE {literals.name(table)} ({', '.join(declared)})"


def check_keys(keys: Sequence[str], columns: Sequence[str]) -> None:
    """Raise `bad_request` if one of the keys of an upsert is no column."""
    known = set(map(folded, columns))
    for key in keys:
        if folded(key) not in known:
            raise SldbError(
                "bad_request", f"--upsert {key}: there is no such column", f"there are {', '.join(columns)}"
            )
