"""The tools of the server, without the protocol: functions over a client that return JSON values.

Values are encoded as on the wire (docs/interface.md). Errors are SldbError.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from lambda_handlers.wire import Reply, Request, SldbError, Statement, bad_request
from lambda_handlers.wire.note import Note
from lambda_handlers.wire.reply import Result
from lambda_handlers.wire.values import encode_row
from sldb.client import Client
from sldb.shell import catalog
from sldb.shell.parameters import Parameters

MAX_ROWS = 1_000  # of one answer, and what is asked for at most
DEFAULT_ROWS = 100
MAX_CHARACTERS = 50_000  # of the rows of one answer: an assistant pays for each, and its context is limited
COMMAND = "mcp"  # in the history

Params: TypeAlias = "list[Any] | dict[str, Any] | None"
At: TypeAlias = "int | str | None"


@dataclass(frozen=True, slots=True)
class Tools:
    client: Client

    # That change nothing

    def query(self, sql: str, params: Params = None, at: At = None, limit: int = DEFAULT_ROWS) -> dict[str, Any]:
        """Run SQL that reads. `at`: a transaction id or an RFC 3339 time. `limit`: of rows, up to MAX_ROWS."""
        if not 1 <= limit <= MAX_ROWS:
            bad_request("limit", limit, f"1 to {MAX_ROWS}")
        reply = self._execute(sql, params, at=at, read_only=True)
        return {"txid": reply.txid, **_rows(reply.last, limit)}

    def schema(self, at: At = None) -> str:
        """Return the CREATE statements of the database, those of a table together."""
        reply = self.client.execute(replace(catalog.schema(), at=at))
        return "".join(f"{text!s};\n" for _, text in reply.rows)

    def table(self, name: str, at: At = None) -> dict[str, Any]:
        """Return the columns, indexes and foreign keys of a table or view, and its CREATE statement.

        Raises `not_found` if there is none.
        """
        described = {"columns": "table_xinfo", "indexes": "index_list", "foreign_keys": "foreign_key_list"}
        statements = [
            Statement(
                "SELECT sql FROM sqlite_schema WHERE type IN ('table', 'view') AND lower(name) = lower(?)", (name,)
            ),
            *(Statement(f"SELECT * FROM pragma_{pragma}(?)", (name,)) for pragma in described.values()),
        ]
        made, *results = self.client.execute(Request(tuple(statements), at=at, read_only=True)).results
        if not made.rows:
            raise SldbError("not_found", f"there is no table {name}", "schema shows the tables")
        records = {key: _records(result) for key, result in zip(described, results, strict=True)}
        return {"name": name, "sql": made.rows[0][0], **records}

    def explain(self, sql: str) -> dict[str, Any]:
        """Return the plan of a statement, a line for each step, and indexes that would spare reading whole tables."""
        from sldb.shell.index_advice import advise_on, plan_of, reads_all, tree  # imports apsw

        # The plan is the same for any value.
        plan = plan_of(self.client.execute, sql, Parameters({}).bind(sql, {}, lambda _name, _: ":null"))
        is_slow = reads_all(plan)
        advice = advise_on(self.client.execute, sql) if is_slow else []
        return {"plan": list(tree(plan)), "reads_whole_tables": is_slow, "advice": advice}

    def preview(self, sql: str, params: Params = None, at: At = None) -> dict[str, Any]:
        """Run SQL that writes, take it back, and return what it would change and destroy."""
        reply = self._execute(sql, params, at=at, dry_run=True)
        return {
            "txid": reply.txid,
            "changes": reply.changes or {},
            "destroys": reply.destroys or [],
            **_rows(reply.last, DEFAULT_ROWS),
        }

    def history(self, limit: int = 20) -> list[dict[str, Any]]:
        """Return the newest transactions, the newest first."""
        return list(self.client.act("history", limit=limit)["transactions"])

    # That write

    def write(
        self,
        sql: str,
        params: Params = None,
        message: str | None = None,
        if_txid: int | None = None,
        may_destroy: bool = False,
    ) -> dict[str, Any]:
        """Run SQL that writes, in one transaction. `message`: the reason, for the history.

        Without `may_destroy`, raises `unconfirmed` for what removes or overwrites existing rows, with what it would.
        """
        noted = Tools(replace(self.client, note=Note(message, COMMAND)))
        reply = noted._execute(sql, params, if_txid=if_txid, careful=not may_destroy)
        changed = sum(result.rowcount for result in reply.results if not result.columns)
        return {"txid": reply.txid, "changed_rows": changed, **_rows(reply.last, DEFAULT_ROWS)}

    def _execute(self, sql: str, params: Params, **fields: Any) -> Reply:
        event = {"query": sql, "params": params, **fields}
        return self.client.execute(Request.decode({name: each for name, each in event.items() if each is not None}))


def _rows(result: Result, limit: int) -> dict[str, Any]:
    """Return as many rows as an answer holds, at least one if there is one."""
    if not result.columns:
        return {}
    taken: list[list[Any]] = []
    size = 0
    for row in result.rows[:limit]:
        encoded = encode_row(row)
        size += len(json.dumps(encoded, ensure_ascii=False))
        if taken and size > MAX_CHARACTERS:
            break
        taken.append(encoded)
    columns = [column.name for column in result.columns]
    count = len(result.rows)
    return {"columns": columns, "rows": taken, "row_count": count, "is_cut": len(taken) < count}


def _records(result: Result) -> list[dict[str, Any]]:
    names = [column.name for column in result.columns]
    return [dict(zip(names, encode_row(row), strict=True)) for row in result.rows]
