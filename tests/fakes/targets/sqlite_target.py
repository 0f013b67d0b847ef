"""A target over a sqlite3 database in memory: the client's tests need rows and errors, not storage."""

from __future__ import annotations

import sqlite3
import threading
import weakref
from dataclasses import dataclass, field
from typing import Any

from lambda_handlers.sql.errors import reason_of
from lambda_handlers.wire import Action, Column, Params, Reply, Request, Result, SldbError
from sldb.sql_text import is_blank, split_statements


@dataclass
class SqliteTarget:
    name: str = "local:/tmp/fake"
    txid: int = 0
    requests: list[Request] = field(default_factory=list)
    actions: list[Action] = field(default_factory=list)
    replies: dict[str, dict[str, Any]] = field(default_factory=dict)  # of actions, by their names
    failures: list[BaseException] = field(default_factory=list)  # raised instead, first to last
    connection: sqlite3.Connection = field(
        default_factory=lambda: sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    )
    running: threading.Lock = field(default_factory=threading.Lock)  # a container runs one request at a time

    def __post_init__(self) -> None:
        weakref.finalize(self, self.connection.close)  # Python 3.13 warns of what nobody closed

    def send(self, request: Request) -> Reply:
        self.requests.append(request)
        if self.failures:
            raise self.failures.pop(0)
        with self.running:
            return self._reply(request)

    def _reply(self, request: Request) -> Reply:
        before = self.connection.total_changes
        self.connection.execute("BEGIN")
        try:
            results = tuple(self._run_all(request))
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        self.connection.execute("ROLLBACK" if request.dry_run else "COMMIT")
        self.txid += self.connection.total_changes > before
        return Reply(results, self.txid, request.database, {"cold": False, "store_requests": 1})

    def act(self, action: Action) -> dict[str, Any]:
        self.actions.append(action)
        if self.failures:
            raise self.failures.pop(0)
        if action.name not in self.replies:
            raise SldbError("bad_request", f"action: got {action.name!r}")
        return self.replies[action.name]

    def result(self, database: str, request_id: str) -> tuple[dict[str, Any], Reply | None]:
        return self.act(Action("result", database, {"request_id": request_id})), None

    def close(self) -> None:
        self.connection.close()

    def _run_all(self, request: Request) -> list[Result]:
        results = []
        for statement in request.statements:
            for query in split_statements(statement.query):
                if not is_blank(query):
                    results.append(self._result(request, query, statement.params, len(results)))
        return results

    def _result(self, request: Request, query: str, params: Params, position: int) -> Result:
        try:
            return self._run(query, params, position)
        except SldbError as error:
            if request.on_error == "stop":
                raise
            return Result(error=error)

    def _run(self, query: str, params: Params, position: int) -> Result:
        try:
            cursor = self.connection.execute(query, params if params is not None else ())
        except sqlite3.Error as error:
            reason, _ = reason_of(str(error))
            raise SldbError("sql_error", str(error), statement=position, reason=reason) from None
        columns = tuple(Column(entry[0], None) for entry in cursor.description or ())
        rows = cursor.fetchall()
        return Result(columns, rows, len(rows) if columns else max(cursor.rowcount, 0), cursor.lastrowid)
