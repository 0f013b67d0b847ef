"""The databases of a stack or directory: the reply of the action `databases` as a table and as sentences."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lambda_handlers.wire import Result, Value
from sldb.moments import local
from sldb.render import FOR_PEOPLE, result_of
from sldb.report import size

COLUMNS = ("database", "size", "txid", "last write", "foreign keys", "state")
FIELDS = (
    *("name", "state", "txid", "time", "bytes", "stored_bytes", "page_size"),
    *("foreign_keys", "until", "problem"),
)


def table(databases: Iterable[Mapping[str, Any]], format_name: str) -> Result:
    """Return the databases as rows: COLUMNS for people, FIELDS in the other formats."""
    if format_name in FOR_PEOPLE:
        return result_of(COLUMNS, [cells(database) for database in databases])
    return result_of(FIELDS, [_values(database, format_name) for database in databases])


def problems(databases: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return a sentence for each damaged database."""
    return [f"{each['name']} is damaged: {problem}" for each in databases if (problem := each.get("problem"))]


def cells(database: Mapping[str, Any]) -> list[Value]:
    """Return one database as COLUMNS."""
    if database["state"] == "damaged":
        return [database["name"], None, database["txid"], None, None, "damaged"]
    state = database["state"]
    if state == "dropped":
        state = f"dropped, kept until {local(database['until'])}"
    written = local(database["time"])
    return [database["name"], size(database["bytes"]), database["txid"], written, _foreign_keys(database), state]


def _values(database: Mapping[str, Any], format_name: str) -> list[Value]:
    enforced = database.get("foreign_keys") if format_name in ("json", "jsonl") else _foreign_keys(database)
    return [enforced if name == "foreign_keys" else database.get(name) for name in FIELDS]


def _foreign_keys(database: Mapping[str, Any]) -> str | None:
    return {None: None, True: "on", False: "off"}[database.get("foreign_keys")]
