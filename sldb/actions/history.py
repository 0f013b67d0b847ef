"""The history of a database: its transactions as a table, newest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lambda_handlers.wire import Result, Value
from sldb.moments import local
from sldb.render import FOR_PEOPLE, result_of, truth
from sldb.report import size

COLUMNS = ("txid", "time", "what", "size")
FIELDS = ("txid", "min_txid", "time", "kind", "pages", "bytes", "readable", "restored", "message", "command", "caller")


def table(lines: Iterable[Mapping[str, Any]], format_name: str) -> Result:
    """Return the `transactions` of the action `history` as rows: FIELDS for programs; for people COLUMNS, with
    `readable` if one is not, and `note` if there is one, so that 80 columns of a terminal have room."""
    found = list(lines)
    if format_name not in FOR_PEOPLE:
        return result_of(FIELDS, [_values(line, format_name) for line in found])
    shows_readable = not all(line["readable"] for line in found)
    shows_notes = any(_note(line) for line in found)
    names = [*COLUMNS, *(["readable"] if shows_readable else []), *(["note"] if shows_notes else [])]
    rows = [{**_cells(line), "note": _note(line)} for line in found]
    return result_of(names, [[row[name] for name in names] for row in rows])


def _cells(line: Mapping[str, Any]) -> dict[str, Value]:
    txids = line["txid"] if line["txid"] == line["min_txid"] else f"{line['min_txid']}..{line['txid']}"
    time = local(line["time"]) if line["time"] else "gone"
    readable = "yes" if line["readable"] else "no"
    return {"txid": txids, "time": time, "what": _what(line), "size": size(line["bytes"]), "readable": readable}


def _values(line: Mapping[str, Any], format_name: str) -> list[Value]:
    # Functions of an earlier version leave the newer fields out.
    return [truth(line[name], format_name) if name == "readable" else line.get(name) for name in FIELDS]


def _note(line: Mapping[str, Any]) -> str:
    return " · ".join(str(line[name]) for name in ("message", "command", "caller") if line.get(name))


def _what(line: Mapping[str, Any]) -> str:
    restored = line.get("restored")
    return f"{line['kind']} to {restored}" if restored else line["kind"] or ""
