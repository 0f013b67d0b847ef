"""The values of a statement: many rows of them, and the error if they do not fit its parameters.

Many rows are one statement to all else: one result with the number of rows changed by all runs, one digest, and one
start of SQLite's generator (`sql/pin.py`): what it gives depends on the rows so far, as in one statement. An error of
one run ends them; those before it have run, as if they had been statements.

The error names what is missing. Its details, for programs: `parameters`, the names without a value, as `:name` (`?2`
for a number); or `parameter_count` and `value_count`, if the values have no names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import apsw

from lambda_handlers.wire import Many, Params, SldbError, Value

_ROWS_BETWEEN_CHECKS = 256  # SQLite counts the steps of one run


class ManyRuns:
    """To be iterated once, by `executemany`: it asks for the next values when a run has ended."""

    def __init__(self, connection: apsw.Connection, many: Many, check: Callable[[], None]) -> None:
        """`check` raises an error when the request is over."""
        self._connection = connection
        self._rows = many.rows
        self._check = check
        self._counted = 0  # rows changed by the runs that have ended
        self.position = 0  # of the values that run
        self.has_ended = False

    def __iter__(self) -> Iterator[tuple[Value, ...] | dict[str, Value]]:
        for position, row in enumerate(self._rows):
            self.position = position
            if position % _ROWS_BETWEEN_CHECKS == 0:
                self._check()
            yield row
            self._counted += self._connection.changes()
        self.has_ended = True

    @property
    def values(self) -> tuple[Value, ...] | dict[str, Value]:
        """The values that run."""
        return self._rows[self.position]

    @property
    def rowcount(self) -> int:
        """The rows changed so far, those of a failed run too."""
        return self._counted if self.has_ended else self._counted + self._connection.changes()


def refuse_others() -> None:
    """Raise `bad_request` for a statement that may not run many times."""
    raise SldbError(
        "bad_request",
        "many: the statement changes no rows of a table, and runs once",
        "many is for INSERT, UPDATE, DELETE and REPLACE; params is for all statements",
        applied="no",
    )


def mismatch(names: Sequence[str | None], params: Params) -> SldbError | None:
    """Return the error, or None if they fit. `names`: of the statement's parameters in order, None for a `?`."""
    if isinstance(params, tuple):
        return None if len(params) == len(names) else _counts(names, params)
    if params is not None and None in names:
        position = names.index(None) + 1
        return SldbError(
            "bad_request",
            f"the statement needs values by position, for its parameter {position} (?), and got names",
            "give a list, or name the parameters in the statement (:name)",
            parameter_count=len(names),
        )
    if None in names:
        return _counts(names, ())
    missing = [_spelled(name) for name in names if name is not None and name not in (params or {})]
    return _missing(missing, [f":{name}" for name in params or {} if name not in names]) if missing else None


def _missing(missing: Sequence[str], others: Sequence[str]) -> SldbError:
    got = f", and got {_listed(others)}" if others else ""
    example = ", ".join(f'"{name[1:]}": …' for name in missing)
    hint = f"params: {{{example}}}"
    return SldbError("bad_request", f"the statement needs {_listed(missing)}{got}", hint, parameters=list(missing))


def _counts(names: Sequence[str | None], params: Sequence[object]) -> SldbError:
    needed = f"{len(names) or 'no'} parameter{'' if len(names) == 1 else 's'}"
    named = [_spelled(name) for name in names if name is not None]
    which = f" ({', '.join(named)})" if named and len(named) == len(names) else ""
    message = f"the statement needs {needed}{which}, and got {len(params)}"
    hint = "params: a list with a value for each ?" if len(names) > len(params) else ""
    return SldbError("bad_request", message, hint, parameter_count=len(names), value_count=len(params))


def _spelled(name: str) -> str:
    return f"?{name}" if name.isdecimal() else f":{name}"


def _listed(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
