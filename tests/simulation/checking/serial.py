"""An interactive transaction in plain SQLite: all of its statements, on one state, under its pin.

An error of a statement is its result, and the next one runs, as in SQLite. Other databases are attached from the
beginning, since their content is loaded, which SQLite does not do inside a transaction.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import apsw

from lambda_handlers.sql.pin import end_seed, seed  # bound here, so that a planted bug does not reach them
from lambda_handlers.wire import Result
from lambda_handlers.wire.pin import Pin
from tests.simulation.histories.shown import Shown

_ATTACH = re.compile(r"ATTACH '(?P<database>[\w-]+)' AS (?P<schema>\w+)")
_COUNTING = ("INSERT", "UPDATE", "DELETE")
_JULIAN_EPOCH_MS = 210_866_760_000_000

Outcome = tuple[Any, ...]


class _Clock(apsw.VFS):
    """The system's VFS, with the time of a pin."""

    def __init__(self) -> None:
        self.name = "model-clock"
        self.time_ms = 0
        super().__init__(self.name, base="")

    def xCurrentTimeInt64(self) -> int:  # noqa: N802 - SQLite's name
        return self.time_ms + _JULIAN_EPOCH_MS


_CLOCK = _Clock()


@dataclass(frozen=True, slots=True)
class Serial:
    """An execution: the outcome of each statement, and the state after them."""

    outcomes: tuple[Outcome, ...]
    state: bytes

    def shows(self, statements: Sequence[Shown]) -> bool:
        """Return True if the client was shown nothing else."""
        return all(agrees(one.result, outcome) for one, outcome in zip(statements, self.outcomes, strict=True))


def agrees(result: Result | None, outcome: Outcome) -> bool:
    """Return True if a result is that of the model; a result that was not shown agrees with every one."""
    if result is None:
        return True
    if result.error is not None:
        return outcome == ("error", result.error.code, result.error.details.get("sqlite_code"))
    kind, rows, count, lastrowid = (*outcome, None, None)[:4]
    shown = result.lastrowid in (None, lastrowid)
    return kind == "rows" and result.rows == rows and count in (None, result.rowcount) and shown


def attached_by(statements: Sequence[Shown]) -> dict[str, str]:
    """Return the databases that statements attach: schema → name."""
    found = (_ATTACH.fullmatch(one.query) for one in statements)
    return {one["schema"]: one["database"] for one in found if one}


def run(state: bytes, attached: Mapping[str, bytes], pin: Pin | None, statements: Sequence[Shown]) -> Serial:
    """Run statements as one transaction. `attached`: schema → its state."""
    _CLOCK.time_ms = pin.time_ms if pin else 0
    connection = apsw.Connection(":memory:", vfs=_CLOCK.name)
    try:
        if state:
            connection.deserialize("main", state)
        for schema, content in attached.items():
            connection.execute(f"ATTACH ':memory:' AS {schema}")
            if content:
                connection.deserialize(schema, content)
        connection.execute("BEGIN")
        outcomes = tuple(_outcome(connection, pin, index, one) for index, one in enumerate(statements))
        connection.execute("COMMIT")
        return Serial(outcomes, connection.serialize("main"))
    finally:
        connection.close()


def _outcome(connection: apsw.Connection, pin: Pin | None, index: int, one: Shown) -> Outcome:
    if _ATTACH.fullmatch(one.query):
        return ("rows", [], None)
    if pin:
        seed(pin, index)
    try:
        rows = list(connection.execute(one.query, one.params))
    except apsw.Error as error:
        return _failure(error)
    finally:
        end_seed()
    counts = one.query.startswith(_COUNTING)
    return ("rows", rows, connection.changes() if counts else None, connection.last_insert_rowid() if counts else None)


def _failure(error: apsw.Error) -> Outcome:
    code: int = getattr(error, "extendedresult", -1)
    name = apsw.mapping_extended_result_codes.get(code) or apsw.mapping_result_codes.get(code)
    return ("error", "constraint" if isinstance(error, apsw.ConstraintError) else "sql_error", name)
