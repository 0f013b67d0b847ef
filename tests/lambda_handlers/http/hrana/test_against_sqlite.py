"""Random pipelines give what one connection of plain SQLite gives, whatever container each request meets."""

from __future__ import annotations

from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.databases.hrana import HranaClient, batch, decoded, execute, step
from tests.fakes.databases.service import container
from tests.fakes.stores.memory import memory_store

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE, b CHECK (b < 9))"
MAY_FAIL = st.sampled_from(
    [
        "INSERT INTO t (a, b) VALUES (1, 1)",
        "INSERT INTO t (a, b) VALUES (2, 2), (3, 3)",
        "INSERT INTO t (b) VALUES (9)",
        "INSERT OR ROLLBACK INTO t (a) VALUES (1)",
        "INSERT OR IGNORE INTO t (a) VALUES (1)",
        "INSERT OR FAIL INTO t (a) VALUES (7), (1)",
        "REPLACE INTO t (a) VALUES (2) RETURNING id, a",
        "UPDATE t SET b = coalesce(b, 0) + 1",
        "DELETE FROM t WHERE a = 2 RETURNING *",
        "WITH x AS (SELECT 5) INSERT INTO t (a) SELECT * FROM x",
        "SELECT id, a, b FROM t ORDER BY id",
        "SELECT count(*), total(b) FROM t",
        "SELECT 9e999, -1.5, x'00ff', 'ä', null",
        "SELECT nothing FROM t",
        "CREATE TABLE IF NOT EXISTS u (x)",
        "DROP TABLE u",
        "PRAGMA user_version",
    ]
)
CONTROL = st.sampled_from(
    [
        *("BEGIN", "BEGIN IMMEDIATE", "BEGIN TRANSACTION READONLY", "COMMIT", "END", "ROLLBACK"),
        *("SAVEPOINT p", "SAVEPOINT q", "RELEASE p", "RELEASE q", "ROLLBACK TO p", "ROLLBACK TO q"),
    ]
)
STATEMENTS = st.one_of(MAY_FAIL, MAY_FAIL, CONTROL)
CONDITIONS = st.recursive(
    st.one_of(
        st.tuples(st.sampled_from(["ok", "error"]), st.integers(0, 9)), st.just(("is_autocommit",)), st.just(("true",))
    ),
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner), st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, max_size=2))
    ),
    max_leaves=3,
)
STEPS = st.lists(st.tuples(STATEMENTS, CONDITIONS), min_size=1, max_size=7)
ATOMIC = st.lists(MAY_FAIL, min_size=1, max_size=4)
REQUESTS = st.one_of(
    st.tuples(st.just("execute"), STATEMENTS),
    st.tuples(st.just("batch"), STEPS),
    st.tuples(st.just("atomic"), ATOMIC),
    st.tuples(st.just("sequence"), st.lists(STATEMENTS, max_size=4)),
)


class Plain:
    """The requests on one connection of SQLite."""

    def __init__(self) -> None:
        self.connection = apsw.Connection(":memory:")
        self.connection.execute(TABLE)

    def execute(self, sql: str) -> tuple[Any, ...]:
        """Return rows, changed rows and the inserted rowid; or the name of the error."""
        before = self.connection.total_changes()
        try:
            cursor = self.connection.execute(sql)
            rows = [tuple(None if value in (float("inf"),) else value for value in row) for row in cursor]
        except apsw.Error as error:
            return (apsw.mapping_extended_result_codes.get(error.extendedresult) or "SQLITE_ERROR",)
        changed = self.connection.changes() if self.connection.total_changes() != before else 0
        inserts = changed and ("INSERT" in sql or "REPLACE" in sql)
        return (rows, changed, self.connection.last_insert_rowid() if inserts else None)

    def run(self, request: tuple[str, Any]) -> Any:
        kind, value = request
        if kind == "execute":
            return self.execute(value)
        if kind == "sequence":
            return next((outcome for sql in value if len(outcome := self.execute(sql)) == 1), None)
        outcomes: list[tuple[Any, ...] | None] = []
        for sql, condition in value if kind == "batch" else atomic(value):
            outcomes.append(self.execute(sql) if self._holds(condition, outcomes) else None)
        return outcomes

    def _holds(self, condition: tuple[Any, ...], outcomes: list[tuple[Any, ...] | None]) -> bool:
        kind = condition[0]
        if kind in ("ok", "error") and outcomes:
            outcome = outcomes[condition[1] % len(outcomes)]
            return (outcome is not None and len(outcome) > 1) is (kind == "ok")
        if kind == "is_autocommit":
            return not self.connection.in_transaction
        if kind == "not":
            return not self._holds(condition[1], outcomes)
        if kind in ("and", "or"):
            parts = [self._holds(part, outcomes) for part in condition[1]]
            return all(parts) if kind == "and" else any(parts)
        return True


def atomic(statements: list[str]) -> list[tuple[str, tuple[Any, ...]]]:
    """Return the steps that clients send for a batch: BEGIN, each after the success of the last, COMMIT or ROLLBACK."""
    inner = [(sql, ("ok", i)) for i, sql in enumerate(statements)]
    last = len(statements)
    return [("BEGIN", ("true",)), *inner, ("COMMIT", ("ok", last)), ("ROLLBACK", ("not", ("ok", last + 1)))]


def sent(request: tuple[str, Any]) -> dict[str, Any]:
    kind, value = request
    if kind == "execute":
        return execute(value)
    if kind == "sequence":
        return {"type": "sequence", "sql": ";".join(value)}
    steps = value if kind == "batch" else atomic(value)
    return batch(*[step(sql, condition_of(condition, i)) for i, (sql, condition) in enumerate(steps)])


def condition_of(condition: tuple[Any, ...], position: int) -> dict[str, Any]:
    kind = condition[0]
    if kind in ("ok", "error") and position:
        return {"type": kind, "step": condition[1] % position}
    if kind == "is_autocommit":
        return {"type": kind}
    if kind == "not":
        return {"type": kind, "cond": condition_of(condition[1], position)}
    if kind in ("and", "or"):
        return {"type": kind, "conds": [condition_of(part, position) for part in condition[1]]}
    return {"type": "and", "conds": []}


def outcome_of(result: dict[str, Any] | None, error: dict[str, Any] | None) -> tuple[Any, ...] | None:
    if error is not None:
        return (error.get("extended_code", error["code"]),)
    if result is None:
        return None
    rows = [tuple(decoded(value) for value in row) for row in result["rows"]]
    rowid = result["last_insert_rowid"]
    return rows, result["affected_row_count"], None if rowid is None else int(rowid)


def shown(request: tuple[str, Any], result: dict[str, Any]) -> Any:
    """Return a result of a pipeline in the form that Plain.run has."""
    if request[0] == "execute":
        return outcome_of(result.get("response", {}).get("result"), result.get("error"))
    if request[0] == "sequence":
        return outcome_of(None, result.get("error"))
    assert result["type"] == "ok", result
    both = result["response"]["result"]
    return [outcome_of(*pair) for pair in zip(both["step_results"], both["step_errors"], strict=True)]


@pytest.mark.long
@given(st.lists(st.lists(REQUESTS, min_size=1, max_size=3), min_size=1, max_size=5), st.booleans())
@settings(deadline=None)
def test_pipelines_do_what_one_connection_of_sqlite_does(pipelines, meets_fresh_containers):
    store, plain = memory_store(), Plain()
    service = None if meets_fresh_containers else container(store)
    client = HranaClient(store, service)
    client.run(TABLE)
    for requests in pipelines:
        results = client.send(*map(sent, requests), {"type": "get_autocommit"})
        expected = [plain.run(request) for request in requests]
        assert [shown(request, result) for request, result in zip(requests, results, strict=False)] == expected
        assert results[-1]["response"]["is_autocommit"] == (not plain.connection.in_transaction)
    committed = HranaClient(store).rows("SELECT id, a, b FROM t ORDER BY id")
    client.send({"type": "close"})
    if plain.connection.in_transaction:
        plain.connection.execute("ROLLBACK")
    assert committed == plain.execute("SELECT id, a, b FROM t ORDER BY id")[0]
    if service:
        service.close()
