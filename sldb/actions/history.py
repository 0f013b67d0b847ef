"""The history of a database: its transactions as a table, newest first."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lambda_handlers.wire import Result, Value
from sldb.moments import local
from sldb.render import FOR_PEOPLE, result_of, truth
from sldb.report import size

COLUMNS = ("txid", "time", "what", "pages", "size", "readable")
FIELDS = ("txid", "min_txid", "time", "kind", "pages", "bytes", "readable", "restored", "message", "command", "caller")


def table(lines: Iterable[Mapping[str, Any]], format_name: str) -> Result:
    """Return the `transactions` of the action `history` as rows: COLUMNS for people, with `note` if there is
    one, FIELDS in the other formats."""
    if format_name in FOR_PEOPLE:
        shown = [(_cells(line), _note(line)) for line in lines]
        if not any(note for _, note in shown):
            return result_of(COLUMNS, [cells for cells, _ in shown])
        return result_of((*COLUMNS, "note"), [[*cells, note] for cells, note in shown])
    return result_of(FIELDS, [_values(line, format_name) for line in lines])


def _cells(line: Mapping[str, Any]) -> list[Value]:
    txids = line["txid"] if line["txid"] == line["min_txid"] else f"{line['min_txid']}..{line['txid']}"
    time = local(line["time"]) if line["time"] else "gone"
    pages = "" if line["pages"] is None else line["pages"]
    return [txids, time, _what(line), pages, size(line["bytes"]), "yes" if line["readable"] else "no"]


def _values(line: Mapping[str, Any], format_name: str) -> list[Value]:
    # Functions of an earlier version leave the newer fields out.
    return [truth(line[name], format_name) if name == "readable" else line.get(name) for name in FIELDS]


def _note(line: Mapping[str, Any]) -> str:
    return " · ".join(str(line[name]) for name in ("message", "command", "caller") if line.get(name))


def _what(line: Mapping[str, Any]) -> str:
    restored = line.get("restored")
    return f"{line['kind']} to {restored}" if restored else line["kind"] or ""
