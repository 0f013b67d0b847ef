"""The databases of a stack or directory: the reply of the action `databases` as a table and as sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lambda_handlers.wire import Result, Value
from sldb.moments import local
from sldb.render import FOR_PEOPLE, result_of
from sldb.report import size

if TYPE_CHECKING:
    from sldb.client import Client

COLUMNS = ("database", "size", "txid", "last write", "foreign keys", "state")
FIELDS = (
    *("name", "state", "txid", "time", "bytes", "stored_bytes", "page_size"),
    *("foreign_keys", "until", "problem"),
)

LOOKED_AT = 100  # databases of one request


def listed(client: Client, *, shows_all: bool = False, details: bool = False) -> Iterator[list[dict[str, Any]]]:
    """Yield the databases in order, in parts as they come. Of more than a hundred the names alone, unless with
    `details`. Raises SldbError."""
    found = client.list_databases(all=shows_all)
    if not details or all(map(is_detailed, found)):
        yield found
        return
    for start in range(0, len(found), LOOKED_AT):
        names = [one["name"] for one in found[start : start + LOOKED_AT]]
        yield client.list_databases(all=shows_all, names=names)


def is_detailed(database: Mapping[str, Any]) -> bool:
    """Return False for a name alone."""
    return "state" in database


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
    if not is_detailed(database):
        return [database["name"], None, None, None, None, None]
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
