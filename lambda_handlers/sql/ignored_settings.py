"""The PRAGMAs of a request that SQLite was not shown, since they have no effect here: their results and warnings."""

from __future__ import annotations

from lambda_handlers.sql import script
from lambda_handlers.sql.execution import Engine, Execution
from lambda_handlers.sql.settings import rights
from lambda_handlers.wire import Notice, Result


class IgnoredSettings:
    """Those of one session. Call `result` when a statement has run, and `begin_request` before those of the next
    request of the transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._names: dict[str, None] = {}  # in the order of their first use

    @property
    def warnings(self) -> tuple[Notice, ...]:
        return rights.warnings_of(self._names)

    def begin_request(self) -> None:
        self._names.clear()

    def result(self, result: Result, sql: str, position: int) -> Result:
        """Return the result of a statement; in place of an ignored setting's that of reading it, if setting it has rows
        in SQLite."""
        names = [name for name, _ in self._engine.authorizer.without_effect]
        self._names.update(dict.fromkeys(names))
        shown = rights.shown_instead(names[0]) if names else ""
        if not shown or script.first_word(sql) != "PRAGMA":
            return result
        return Execution(self._engine, shown, None, "PRAGMA").run(position)
