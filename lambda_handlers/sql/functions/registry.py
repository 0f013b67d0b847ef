"""The functions of sldb's own, registered with SQLite for the statement that needs them.

SQLite reports that a function does not exist when it prepares a statement. If it is one of these, it is registered, the
statement is prepared again, and the function is removed when the statement is over: a request without them pays
nothing, and the schema is always read without them.

No schema may use them: plain SQLite could not write to such a table, or read such a view. They are registered as
DIRECTONLY, so that SQLite refuses them in views and triggers. Tables and indexes are read before a function is
registered, and SQLite would not notice there: `schema_use` looks at their text. That concerns files that were pushed,
whose own program has functions with these names: reading goes on, and those functions stay unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import apsw

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.shared.function_names import AGGREGATES, SERIES
from lambda_handlers.sql.functions import schema_use


@dataclass(frozen=True, slots=True)
class Environment:
    """The dependencies of the functions of one statement."""

    connection: apsw.Connection
    check: Callable[[], None]  # raises an error when the request is over
    time_ms: int | None  # of the statement, unix milliseconds; None: that of the machine


def missing_name(reason: str | None, name: str | None) -> str | None:
    """Return the name of the function or table that SQLite did not find, if it is one of these. `reason`: of the error
    (`no_such_function`, `no_such_table`)."""
    wanted = "no_such_table" if (name or "").lower() == SERIES else "no_such_function"
    return name.lower() if name and reason == wanted and schema_use.is_ours(name.lower()) else None


@contextmanager
def registered(names: set[str], environment: Environment) -> Iterator[None]:
    """Let statements use the functions. No statement of the connection may run at the beginning and the end."""
    try:
        for name in names:
            _register(name, environment)
        yield
    finally:
        for name in names:
            _remove(environment.connection, name)


def _register(name: str, environment: Environment) -> None:
    connection = environment.connection
    if name == SERIES:
        from lambda_handlers.sql.functions.series import Series

        module = Series()  # a module by its methods
        options = {"use_bestindex_object": True, "eponymous_only": True, "read_only": True}
        connection.create_module(name, module, **options)  # type: ignore[arg-type]
    elif name in AGGREGATES:
        from lambda_handlers.sql.functions.percentiles import Percentile

        count = 1 if name == "median" else 2
        make: Callable[[], Any] = partial(Percentile, name)
        connection.create_aggregate_function(name, make, count, flags=apsw.SQLITE_DIRECTONLY)
    else:
        function, count, is_deterministic = _scalar(name, environment)
        connection.create_scalar_function(
            name, function, count, deterministic=is_deterministic, flags=apsw.SQLITE_DIRECTONLY
        )


def _remove(connection: apsw.Connection, name: str) -> None:
    if name == SERIES:
        connection.create_module(name, None)
    elif name in AGGREGATES:
        connection.create_aggregate_function(name, None, 1 if name == "median" else 2)
    else:
        connection.create_scalar_function(name, None, _COUNTS.get(name, 1))


# Parameters; -1: any number of them. All others have one.
_COUNTS = {"regexp": 2, "sha3": -1, "uuid": 0, "uuid4": 0, "uuid7": 0}


def _scalar(name: str, environment: Environment) -> tuple[Callable[..., Any], int, bool]:
    """Return a function, the number of its parameters, and True if equal arguments give equal results."""
    count = _COUNTS.get(name, 1)
    if name == "regexp":
        from lambda_handlers.sql.functions.regexp import Regexp

        return Regexp(environment.check), count, True
    if name.startswith("uuid"):
        from lambda_handlers.sql.functions import uuids

        functions: dict[str, Callable[..., Any]] = {
            "uuid7": uuids.Uuid7(environment.time_ms),
            "uuid_str": uuids.uuid_str,
            "uuid_blob": uuids.uuid_blob,
        }
        return functions.get(name, uuids.uuid4), count, count != 0
    from lambda_handlers.sql.functions import hashes

    return (hashes.sha3 if name == "sha3" else hashes.hexadecimal(name)), count, True
