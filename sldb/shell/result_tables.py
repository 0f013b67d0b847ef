"""What is not the reply to SQL, as a result that prints like one."""

from __future__ import annotations

from collections.abc import Sequence

from lambda_handlers.wire import Column, Result, Value

FOR_PEOPLE = ("table", "markdown", "vertical")  # formats


def result(names: Sequence[str], rows: Sequence[Sequence[Value]]) -> Result:
    return Result(tuple(Column(name, None) for name in names), [tuple(row) for row in rows], len(rows))
