"""The contents of a database over any target, for comparisons."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

Rows = Callable[[str], Iterable[Iterable[Any]]]


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def contents(rows: Rows, rowids: bool = True) -> dict[str, Any]:
    """The schema, every row of every table with its rowid and the types of its values, and the settings.

    Of a virtual table the rows count, not how its module keeps them; of the counters of AUTOINCREMENT not the order in
    which SQLite made them.
    """
    objects = [tuple(row) for row in rows("SELECT type, name, tbl_name, sql FROM sqlite_schema")]
    kinds = dict(rows("SELECT name, type FROM pragma_table_list WHERE schema = 'main'"))
    found: dict[str, Any] = {
        "objects": sorted(
            (object_ for object_ in objects if kinds.get(object_[1]) != "shadow" and not _is_own(object_)), key=repr
        )
    }
    for kind, name, _, sql in found["objects"]:
        if kind == "table" and sql is not None:
            found[name] = _rows(rows, name, rowids and name != "sqlite_sequence")
    for pragma in ("user_version", "application_id", "encoding"):
        found[pragma] = next(iter(next(iter(rows(f"PRAGMA {pragma}")))))
    return found


def _is_own(object_: tuple[Any, ...]) -> bool:
    return any(str(each).lower().startswith(("_sldb_", "sqlite_stat")) for each in object_[1:3])


def _rows(rows: Rows, name: str, rowids: bool) -> list[str]:
    columns = [
        str(column[0]) for column in rows(f"SELECT name FROM pragma_table_xinfo({_text(name)}) WHERE hidden <> 1")
    ]
    without_rowid = next(iter(rows(f"SELECT wr FROM pragma_table_list WHERE name = {_text(name)} AND schema = 'main'")))
    names = [quoted(column) for column in columns]
    taken = {column.lower() for column in columns}
    rowid = next((each for each in ("rowid", "oid", "_rowid_") if each not in taken), None)
    if rowids and rowid and not next(iter(without_rowid)):
        names.insert(0, rowid)
    return sorted(repr(tuple(row)) for row in rows(f"SELECT {','.join(names)} FROM {quoted(name)}"))


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
