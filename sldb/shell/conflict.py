"""The words for a conflict: which statement of a transaction shows something else now than it did. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from lambda_handlers.wire import Result, Row
from sldb.render import text
from sldb.report import count, outcome
from sldb.shell.transaction import Kept

MAX_ROWS = 5  # of each kind
_MAX_CHARACTERS = 200  # of a row, and of the statement


def differences(kept: Kept, now: Result | str | None) -> list[str]:
    """Return lines about a statement: its SQL, and its results. `now`: its result on the newest state, or the message
    of its error; None: not known."""
    lines = [_short(" ".join(kept.statement.query.split()))]
    then = kept.error or kept.shown
    if isinstance(then, Result) and isinstance(now, Result) and _have_rows(then, now):
        return [*lines, *_row_differences(then.rows, now.rows)]
    return [*lines, *_labelled("then", then), *_labelled("now", now)]


def _have_rows(*results: Result) -> bool:
    return all(result.columns and len(result.rows) == result.rowcount for result in results)


def _labelled(label: str, found: Result | str | None) -> list[str]:
    if found is None:
        return []
    return [f"{label + ':':<6}{_short(found) if isinstance(found, str) else outcome(found)}"]


def _row_differences(then: Iterable[Row], now: Iterable[Row]) -> list[str]:
    before, after = _counted(then), _counted(now)
    if before == after:
        return ["the same rows, in another order"]
    return [*_rows("then", before - after), *_rows("now", after - before)]


def _counted(rows: Iterable[Row]) -> Counter[str]:
    return Counter(", ".join(map(_value, row)) for row in rows)


def _value(value: object) -> str:
    return "NULL" if value is None else f"x'{value.hex()}'" if isinstance(value, bytes) else str(value)


def _rows(label: str, rows: Counter[str]) -> list[str]:
    """Return the rows that are only in one of two results."""
    listed = [_short(row) for row in rows.elements()]
    more = [f"… and {count(len(listed) - MAX_ROWS, 'more row')}"] if len(listed) > MAX_ROWS else []
    shown = listed[:MAX_ROWS] + more or ["no such row"]
    return [f"{label + ':' if not position else '':<6}{line}" for position, line in enumerate(shown)]


def _short(line: str) -> str:
    cut = line if len(line) <= _MAX_CHARACTERS else line[: _MAX_CHARACTERS - 1] + "…"
    return text.escape(cut)
