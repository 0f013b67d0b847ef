"""The statements of a session as SQLite is shown them: with functions of sldb's own, and without some settings.

A PRAGMA without effect here (`sql/settings/`) is not shown to SQLite; its result is that of reading the setting, and
the request has a warning. A statement that calls a function of sldb's own (`sql/functions/`) is prepared again with it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import apsw

from lambda_handlers.shared.dataclasses import replace
from lambda_handlers.sql import script
from lambda_handlers.sql.errors import reason_of, translated
from lambda_handlers.sql.execution import Described, Engine, Execution
from lambda_handlers.sql.groups import is_other_begin
from lambda_handlers.sql.settings import rights
from lambda_handlers.sql.statements import Step
from lambda_handlers.wire import Many, Notice, Result, SldbError, bad_request

if TYPE_CHECKING:
    from lambda_handlers.sql.parameters import ManyRuns


class StatementRuns:
    """Those of one session. Call `begin_request` before the statements of the next request of the transaction."""

    def __init__(self, engine: Engine, check: Callable[[], None], time_ms: int | None) -> None:
        """`check` raises an error when the request is over. `time_ms`: the time of the statements (unix milliseconds);
        None: that of the machine."""
        self._engine = engine
        self._check = check
        self._time_ms = time_ms
        self._many: ManyRuns | None = None  # the runs of the last statement, if it has many
        self._ignored: dict[str, None] = {}  # PRAGMAs of the request that SQLite was not shown, in their order

    @property
    def warnings(self) -> tuple[Notice, ...]:
        return rights.warnings_of(self._ignored)

    @property
    def failed_row(self) -> int | None:
        """The position of the values with which the last statement has failed, if it had many."""
        return self._many.position if self._many and not self._many.has_ended else None

    def begin_request(self) -> None:
        self._ignored.clear()

    def run(self, step: Step, word: str, position: int, trusted: Callable[..., Any]) -> Result:
        """Run a statement. `word`: its first one; `trusted` runs statements of sldb's own. Raises what Execution.run
        raises."""

        def make() -> Execution:
            if not isinstance(step.params, Many):
                self._many = None
                return Execution(self._engine, step.piece.sql, step.params, word, step.shows_lastrowid)
            from lambda_handlers.sql.parameters import (
                ManyRuns,  # few requests need it, and imports slow down cold starts
            )

            self._many = ManyRuns(self._engine.connection, step.params, self._check)
            return Execution(self._engine, step.piece.sql, None, word, shows_lastrowid=False, many=self._many)

        execution = make()
        try:
            result = execution.run(position)
        except apsw.SQLError as error:
            if execution.has_prepared or reason_of(str(error))[0] not in ("no_such_function", "no_such_table"):
                raise
            from lambda_handlers.sql.functions import calls, registry  # few requests need them

            environment = registry.Environment(self._engine.connection, self._check, self._time_ms)
            return calls.run(make, position, error, environment, trusted, reason_of)
        return self._shown(result, word, position) if self._engine.authorizer.without_effect else result

    def describe(self, sql: str, trusted: Callable[..., Any]) -> Described:
        """Return what SQLite knows of one statement, once it has prepared it. Raises SldbError."""
        pieces = list(script.split(sql))
        if len(pieces) != 1:
            bad_request("query", f"{len(pieces)} statements", "one")
        piece = replace(pieces[0], sql="BEGIN") if is_other_begin(pieces[0].sql) else pieces[0]
        self._engine.describes = True
        try:
            self.run(Step(piece, None, 0), script.first_word(piece.sql), 0, trusted)
        except Described as described:
            return described
        except (apsw.Error, UnicodeError, MemoryError, OSError) as error:
            raise translated(error, self._engine.authorizer, 0, piece, trusted) from error
        finally:
            self._engine.describes = False
        raise SldbError("sql_error", "the statement is empty", statement=0)

    def _shown(self, result: Result, word: str, position: int) -> Result:
        """Return the result in place of an ignored setting's: that of reading it, if setting it has rows in SQLite."""
        names = [name for name, _ in self._engine.authorizer.without_effect]
        self._ignored.update(dict.fromkeys(names))
        sql = rights.shown_instead(names[0])
        if not sql or word != "PRAGMA":
            return result
        return Execution(self._engine, sql, None, word).run(position)
