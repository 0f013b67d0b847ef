"""The tables that an import creates: their columns, and CREATE TABLE.

A column has the type that the user gives, or else one that follows from the values in all streams for the table.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence

from lambda_handlers.wire import SldbError
from sldb.did_you_mean import with_suggestion
from sldb.render import literals
from sldb.render.values import folded
from sldb.transfer.formats.columns import ColumnType
from sldb.transfer.loaded_stream import LoadedStream
from sldb.transfer.target_columns import Column

TYPES = ("INTEGER", "REAL", "TEXT", "NUMERIC", "BLOB")  # that a user may give


def columns(streams: Iterable[LoadedStream], given: Mapping[str, str]) -> list[Column]:
    """Return the columns for the rows of all streams of a table. `given`: types by folded name."""
    return [
        Column(name, given.get(folded(name), type_.declared), is_generated=False) for name, type_ in _merged(streams)
    ]


def _merged(streams: Iterable[LoadedStream]) -> Iterable[tuple[str, ColumnType]]:
    """Return names and types; names that differ in the case of ASCII letters are the same."""
    merged: dict[str, tuple[str, ColumnType]] = {}
    for loaded in streams:
        for name, type_ in zip(loaded.stream.columns, loaded.types, strict=True):
            merged.setdefault(folded(name), (name, ColumnType(type_.is_text)))[1].merge(type_)
    return merged.values()


def notes(streams: Iterable[LoadedStream], given: Mapping[str, str]) -> Iterator[str]:
    """Yield a note for each column that became text although all of its cells are numbers."""
    for name, type_ in _merged(streams):
        if folded(name) not in given and (odd := type_.odd_number) is not None:
            option = shlex.quote(f"{name}=REAL")
            yield f"{name} is text: {odd.text} would become {odd.printed}; --type {option} makes it numbers"


def parse_type(text: str) -> tuple[str, str]:
    """Return name and type of NAME=TYPE. Raises `bad_request`."""
    name, _, type_ = text.rpartition("=")
    if not name or type_.upper() not in TYPES:
        wanted = with_suggestion(type_, TYPES, f"TYPE is one of {', '.join(TYPES)}")
        raise SldbError("bad_request", f"--type: got {text!r}, want NAME=TYPE", wanted)
    return name, type_.upper()


def check_types(given: Mapping[str, str], made: Sequence[Sequence[Column]], existing: Sequence[str]) -> None:
    """Raise `bad_request` for a given type without a column in the tables that are made."""
    known = [column.name for columns in made for column in columns]
    for name in given.keys() - set(map(folded, known)):
        hint = f"the new columns are {', '.join(known)}"
        if existing:
            hint = f"{', '.join(existing)} exists, and keeps its own types"
        raise SldbError("bad_request", f"--type {name}={given[name]}: there is no such new column", hint)


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
