"""A statement that calls functions of sldb's own, which SQLite learns of for this statement alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import apsw

from lambda_handlers.sql.functions import registry, schema_use
from lambda_handlers.wire import Result, SldbError


class Attempt(Protocol):
    """An execution of the statement."""

    @property
    def has_prepared(self) -> bool:
        """True if SQLite has prepared the statement."""
        ...

    def run(self, position: int) -> Result: ...


def run(
    make: Callable[[], Attempt],
    position: int,
    error: apsw.Error,
    environment: registry.Environment,
    trusted: Callable[[Callable[[apsw.Connection], Any]], Any],
    reason_of: Callable[[str], tuple[str | None, str | None]],
) -> Result:
    """Run a statement that SQLite could not prepare with this error; `make` returns an execution of it, `trusted` runs
    statements of sldb's own, `reason_of` returns the reason and the missing name in a text of SQLite's. Raises the
    error for a function that sldb lacks too."""
    names: set[str] = set()
    while (name := registry.missing_name(*reason_of(str(error)))) is not None and name not in names:
        if trusted(partial(schema_use.uses, name=name)):
            raise SldbError(
                "sql_error",
                f"{name}() cannot be used here: the tables of this database use a function of that name, of a program",
                "sldb pull writes the file for that program",
                reason="function_in_schema",
            )
        names.add(name)
        execution = make()
        try:
            with registry.registered(names, environment):
                return execution.run(position)
        except apsw.SQLError as again:
            if execution.has_prepared:
                raise
            error = again
    raise error
