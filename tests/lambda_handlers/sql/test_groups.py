"""Errors as results, conditions, and BEGIN … COMMIT inside a request: as on one connection of SQLite.

The oracle is a plain connection that runs the same statements one by one, on errors too. sldb must differ in these:

- A request is all or nothing. SQLite would leave a transaction open at its end: after BEGIN it is an error that has
  applied nothing, after a savepoint alone the request commits it.
- With `on_error` "stop" the request is a transaction: deferred foreign keys outside of a group are checked at its end.
- PRAGMA foreign_keys is not ignored inside a transaction (test_pragmas).
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambda_handlers.deadline import NEVER
from lambda_handlers.service import Service
from lambda_handlers.sql import script
from lambda_handlers.sql.session import WRITE, Session
from lambda_handlers.sql.statements import Step, steps_of
from lambda_handlers.storage.log.keys import transaction
from lambda_handlers.wire import Reply, Request, Result, SldbError, Statement
from tests.fakes.databases.engine import Engine
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store
from tests.lambda_handlers.wire.test_conditions import meaning

SCHEMA = """
CREATE TABLE u (a INTEGER PRIMARY KEY, b UNIQUE CHECK (b <> 13));
CREATE TABLE r (a UNIQUE ON CONFLICT ROLLBACK, b);
CREATE TABLE f (a UNIQUE ON CONFLICT FAIL, b);
CREATE TABLE w (a PRIMARY KEY, b) WITHOUT ROWID;
CREATE TABLE n (a INTEGER PRIMARY KEY AUTOINCREMENT, b);
CREATE TABLE p (a INTEGER PRIMARY KEY);
CREATE TABLE c (a REFERENCES p ON DELETE CASCADE);
CREATE TABLE d (a REFERENCES p DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE log (a);
CREATE TRIGGER u_log BEFORE INSERT ON u BEGIN INSERT INTO log VALUES (new.b); END;
CREATE TRIGGER f_w BEFORE INSERT ON f BEGIN INSERT OR REPLACE INTO w VALUES (new.a, new.b); END;
CREATE TRIGGER u_raise AFTER INSERT ON u WHEN new.b > 100 BEGIN
    SELECT CASE new.b WHEN 101 THEN raise(ROLLBACK, 'r') WHEN 102 THEN raise(FAIL, 'f') WHEN 103 THEN raise(ABORT, 'a')
    ELSE raise(IGNORE) END;
END;
INSERT INTO p VALUES (1), (2);
INSERT INTO u VALUES (1, 1);
INSERT INTO r VALUES (1, 1);
INSERT INTO f VALUES (1, 1);
"""

FIRST = transaction(1).key("main")
WORDS = ("", "OR FAIL", "OR ROLLBACK", "OR ABORT", "OR IGNORE", "OR REPLACE")
FEW = (1, 2, 3)
WRITES = st.one_of(
    st.builds(
        "INSERT {} INTO u VALUES ({}, {}), ({}, {})".format,
        st.sampled_from(WORDS),
        *(st.sampled_from(FEW), st.sampled_from((1, 2, 13, 101, 102, 103, 104))) * 2,
    ),
    st.builds("INSERT OR FAIL INTO w VALUES ({}, 5), ({}, 6)".format, *(st.sampled_from(FEW),) * 2),
    st.builds("UPDATE {} u SET b = {}".format, st.sampled_from(WORDS), st.sampled_from((1, 7, 13))),
    st.builds("INSERT INTO {} VALUES ({}, 5), ({}, 6)".format, st.sampled_from("rfw"), *(st.sampled_from(FEW),) * 2),
    st.builds("INSERT INTO n (b) VALUES ({}) RETURNING a, b".format, st.sampled_from(FEW)),
    st.builds("INSERT INTO c VALUES ({})".format, st.sampled_from(FEW)),
    st.builds("DELETE FROM {} WHERE a = {}".format, st.sampled_from("upcn"), st.sampled_from(FEW)),
    st.sampled_from(
        [
            "CREATE TABLE x (a)",
            "CREATE TABLE x AS SELECT a FROM u",
            "CREATE TEMP TABLE x (a)",
            "INSERT INTO x VALUES (1)",
            "INSERT INTO temp.x VALUES (2), (3)",
            "DROP TABLE x",
            "ALTER TABLE x ADD COLUMN y DEFAULT 5",
            "CREATE INDEX x_a ON x (a)",
            "CREATE TEMP TRIGGER g AFTER INSERT ON n BEGIN SELECT raise(ROLLBACK, 'temporary'); END",
            "DROP TRIGGER g",
            "PRAGMA user_version = 5",
            "PRAGMA user_version = 6",
        ]
    ),
)
DEFERRED = st.one_of(
    st.builds("INSERT INTO d VALUES ({})".format, st.sampled_from((1, 3, 4))),
    st.builds("INSERT OR IGNORE INTO p VALUES ({})".format, st.sampled_from((3, 4))),
    st.builds("DELETE FROM d WHERE a = {}".format, st.sampled_from((3, 4))),
    st.just("PRAGMA defer_foreign_keys = ON"),
)
READS = st.sampled_from(
    [
        "SELECT changes(), total_changes(), last_insert_rowid()",
        "SELECT * FROM u",
        "SELECT count(*) FROM log",
        "SELECT * FROM x",
        "SELECT nope",
        "SELEC 1",
        "PRAGMA user_version",
        "SELECT abs(-9223372036854775808) FROM u",
        "EXPLAIN COMMIT",
    ]
)
CONTROLS = st.sampled_from(
    [
        *("BEGIN", "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE TRANSACTION", "BEGIN TRANSACTION READONLY", "BEGIN DEFERRED"),
        *("BEGIN", "COMMIT", "COMMIT", "END", "COMMIT TRANSACTION", "ROLLBACK", "ROLLBACK TRANSACTION"),
        *("SAVEPOINT s", 'SAVEPOINT "S"', "SAVEPOINT t", "RELEASE s", "RELEASE SAVEPOINT t"),
        *("ROLLBACK TO s", "ROLLBACK TRANSACTION TO SAVEPOINT t", "COMMIT nope", "BEGIN 5"),
    ]
)
JOINED = st.one_of(WRITES, WRITES, READS, CONTROLS, CONTROLS)
ANY = st.one_of(WRITES, WRITES, DEFERRED, READS, CONTROLS, CONTROLS)


class Oracle:
    """A plain connection: statement by statement, going on after errors."""

    def __init__(self) -> None:
        made = apsw.Connection(":memory:")
        made.execute(SCHEMA)
        self.connection = apsw.Connection(":memory:")  # of its own: changes() begins at 0
        self.connection.deserialize("main", made.serialize("main"))
        self.connection.execute("PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF")
        self.connection.execute("SELECT * FROM u").fetchall()  # reading the schema ends PRAGMA defer_foreign_keys

    @property
    def is_autocommit(self) -> bool:
        return not self.connection.in_transaction

    def run(self, sql: str) -> tuple[Any, ...]:
        """Return the rows of a statement, or its error and whether it has ended a transaction."""
        was_open = self.connection.in_transaction
        try:
            return ("rows", self.connection.execute(sql).fetchall())
        except apsw.Error as error:
            code = apsw.mapping_extended_result_codes.get(error.extendedresult, "SQLITE_ERROR")
            return ("error", str(error), code, was_open and not self.connection.in_transaction)

    def content(self) -> list[Any]:
        return content_of(lambda queries: [self.connection.execute(query).fetchall() for query in queries])


def content_of(rows: Callable[[list[str]], list[list[tuple[Any, ...]]]]) -> list[Any]:
    """Return the schema, the rows of all tables but sldb's own, and user_version. `rows`: those of each query."""
    [schema] = rows(["SELECT type, name, tbl_name, sql FROM sqlite_schema WHERE name NOT LIKE '~_sldb%' ESCAPE '~'"])
    tables = [name for kind, name, *_ in schema if kind == "table"]
    found = rows([*(f'SELECT * FROM main."{table}"' for table in tables), "PRAGMA user_version"])
    return [sorted(map(repr, schema)), *sorted(zip(tables, found[:-1], strict=True)), found[-1]]


def seen(result: Result) -> tuple[Any, ...]:
    if result.skipped:
        return ("skipped",)
    if result.error is None:
        return ("rows", result.rows)
    return ("error", result.error.message, result.error.details.get("sqlite_code"), result.rolled_back)


@functools.cache
def stored_schema() -> bytes:
    """Return the object of the transaction that makes the schema: quicker than to make it for each example."""
    store = memory_store()
    with closing(container(store)) as service:
        run(service, SCHEMA)
    return store.get(FIRST)


@contextmanager
def fresh() -> Iterator[Service]:
    store = memory_store()
    store.create(FIRST, stored_schema())
    with closing(container(store)) as service:
        yield service


def send(service: Service, statements: list[Any], **fields: Any) -> Reply:
    entries = [{"query": one} if isinstance(one, str) else one for one in statements]
    return service.reply(Request.decode({"statements": entries, **fields}))


def stored(service: Service) -> list[Any]:
    return content_of(lambda queries: [result.rows for result in send(service, queries).results])


def check(statements: list[Any], expected: list[tuple[Any, ...]], oracle: Oracle, **how: Any) -> None:
    """Send the statements, and compare with what the oracle has returned, and holds."""
    with fresh() as service:
        outcome = outcome_of(service, statements, **how)
        if isinstance(outcome, Reply):
            assert [seen(result) for result in outcome.results] == expected
            if not oracle.is_autocommit:
                oracle.run("COMMIT")
            assert stored(service) == oracle.content()
            return
        assert stored(service) == Oracle().content(), "something was applied"
        if outcome.details.get("reason") == "open_transaction":
            assert not oracle.is_autocommit
            assert "BEGIN" in str(statements)
            return
        failed = expected[-1] if how.get("on_error") is None else oracle.run("COMMIT")
        assert ("error", outcome.message, outcome.details.get("sqlite_code")) == failed[:3]


def outcome_of(service: Service, statements: list[Any], **fields: Any) -> Reply | SldbError:
    try:
        return send(service, statements, **fields)
    except SldbError as error:
        return error


@given(st.lists(ANY, min_size=1, max_size=14))
@example(["BEGIN", "INSERT INTO d VALUES (3)", "COMMIT", "INSERT OR IGNORE INTO p VALUES (3)", "COMMIT"])
@example(["INSERT OR ROLLBACK INTO u VALUES (9, 9), (1, 1)", "BEGIN", "INSERT INTO c VALUES (1)", "ROLLBACK"])
@example(["BEGIN", "INSERT INTO c VALUES (1)", "COMMIT", "BEGIN", "INSERT INTO r VALUES (1, 5), (1, 6)", "COMMIT"])
def test_errors_are_results_as_on_one_connection(statements: list[str]) -> None:
    oracle = Oracle()
    expected = [oracle.run(sql) for sql in statements]
    check(statements, expected, oracle, on_error="continue")


@given(st.lists(JOINED, min_size=1, max_size=14))
@example(
    ["INSERT INTO c VALUES (1)", "SAVEPOINT s", "INSERT INTO c VALUES (2)", "ROLLBACK", "INSERT INTO c VALUES (2)"]
)
@example(["INSERT INTO c VALUES (1)", "BEGIN", "INSERT INTO c VALUES (2)", "ROLLBACK", "INSERT INTO c VALUES (2)"])
@example(
    ["SAVEPOINT s", "INSERT INTO c VALUES (1)", "SAVEPOINT t", "INSERT INTO c VALUES (2)", "ROLLBACK", "BEGIN", "END"]
)
def test_groups_of_a_request_that_stops_are_those_of_one_connection(statements: list[str]) -> None:
    oracle = Oracle()
    expected = []
    for sql in statements:
        expected.append(oracle.run(sql))
        if expected[-1][0] == "error":
            break
    check(statements, expected, oracle)


COUNTED = (*"urfwnpcd", "log")


def counts(rows: Callable[[str], Any]) -> dict[str, int]:
    return {table: rows(f"SELECT count(*) FROM main.{table}")[0][0] for table in COUNTED}


@pytest.mark.long
@given(st.lists(ANY, min_size=1, max_size=14))
@example(["BEGIN", "INSERT OR FAIL INTO u VALUES (2, 2), (1, 1)", "COMMIT"])
@example(["INSERT INTO u VALUES (2, 102), (3, 3)", "INSERT INTO u VALUES (3, 103), (2, 2)"])
@example(["BEGIN", "INSERT INTO c VALUES (1)", "INSERT INTO r VALUES (1, 5), (1, 6)", "INSERT INTO c VALUES (2)"])
@example(["SAVEPOINT s", "INSERT INTO c VALUES (1)", "ROLLBACK", "SAVEPOINT s", "INSERT INTO c VALUES (1)", "COMMIT"])
def test_a_dry_run_counts_what_groups_and_failed_statements_leave(statements: list[str]) -> None:
    oracle = Oracle()
    before = counts(lambda sql: oracle.connection.execute(sql).fetchall())
    for sql in statements:
        oracle.run(sql)
    if not oracle.is_autocommit:
        statements = [*statements, "ROLLBACK"]
        oracle.run("ROLLBACK")
    after = counts(lambda sql: oracle.connection.execute(sql).fetchall())
    with fresh() as service:
        reply = send(service, statements, on_error="continue", dry_run=True)
        assert counts(lambda sql: run(service, sql).rows) == before
    assert reply.changes is not None
    none = {"insert": 0, "delete": 0}
    changed = {table: reply.changes.get(table, none) for table in COUNTED}
    assert {table: one["insert"] - one["delete"] for table, one in changed.items()} == {
        table: after[table] - before[table] for table in COUNTED
    }


@st.composite
def conditions(draw: st.DrawFn, position: int) -> dict[str, Any] | None:
    """A condition of the entry at a position; None for none."""
    kind = draw(st.sampled_from(("none", "none", "ok", "error", "not", "and", "or", "is_autocommit")))
    if kind == "none" or (kind != "is_autocommit" and position == 0):
        return None
    if kind == "is_autocommit":
        return {kind: True}
    entries = st.integers(0, position - 1)
    leaves = st.one_of(
        entries.map(lambda entry: {"ok": entry}),
        entries.map(lambda entry: {"error": entry}),
        st.just({"is_autocommit": True}),
    )
    return {kind: draw(leaves if kind == "not" else entries if kind in ("ok", "error") else st.lists(leaves))}


@st.composite
def scripts(draw: st.DrawFn) -> list[dict[str, Any]]:
    entries = []
    for position in range(draw(st.integers(1, 8))):
        entry: dict[str, Any] = {"query": ";".join(draw(st.lists(ANY, min_size=1, max_size=3)))}
        if (condition := draw(conditions(position))) is not None:
            entry["if"] = condition
        entries.append(entry)
    return entries


@pytest.mark.long
@given(scripts())
@example(
    [
        {"query": "BEGIN"},
        {"query": "INSERT INTO u VALUES (1, 1)", "if": {"ok": 0}},
        {"query": "COMMIT", "if": {"ok": 1}},
        {"query": "ROLLBACK", "if": {"not": {"ok": 2}}},
        {"query": "SELECT 1", "if": {"and": [{"is_autocommit": True}, {"error": 1}]}},
    ]
)
def test_conditions_and_entries_decide_what_runs(entries: list[dict[str, Any]]) -> None:
    oracle = Oracle()
    outcomes: dict[int, bool | None] = {}
    expected: list[tuple[Any, ...]] = []
    for position, entry in enumerate(entries):
        holds = "if" not in entry or meaning(entry["if"], outcomes, oracle.is_autocommit)
        outcomes[position] = True if holds else None
        for piece in script.split(entry["query"]):
            expected.append(oracle.run(piece.sql) if outcomes[position] else ("skipped",))
            if expected[-1][0] == "error":
                outcomes[position] = False
    if not oracle.is_autocommit:
        entries = [*entries, {"query": "ROLLBACK"}]
        expected.append(oracle.run("ROLLBACK"))
    check(entries, expected, oracle, on_error="continue")


class Open:
    """A session inside a transaction over several requests, over the same content as the oracle's."""

    def __init__(self, directory: Path) -> None:
        self.engine = Engine(memory_store(), directory)
        self.engine.write(*(piece.sql for piece in script.split(SCHEMA)))
        self.engine.draft.clear()
        self.session = Session(self.engine.vfs, WRITE, NEVER, in_transaction=True)
        self.session.run_steps(self.steps("PRAGMA foreign_keys = ON"))

    @staticmethod
    def steps(sql: str) -> list[Step]:
        return list(steps_of([Statement(sql)], lambda: None))

    def run(self, sql: str) -> Result:
        [result] = self.session.run_steps(self.steps(sql), "continue")
        return result

    def close(self) -> None:
        self.session.close()
        self.engine.close()


@given(st.lists(ANY, min_size=1, max_size=14))
@example(["INSERT INTO d VALUES (3)", "COMMIT", "INSERT OR IGNORE INTO p VALUES (3)", "COMMIT", "SELECT * FROM u"])
@example(["INSERT INTO d VALUES (1)", "INSERT INTO r VALUES (1, 1)", "SELECT * FROM u", "COMMIT"])
@example(["SAVEPOINT s", "INSERT INTO d VALUES (1)", "COMMIT"])
@example(["SAVEPOINT s", "INSERT INTO d VALUES (1)", "ROLLBACK"])
def test_a_transaction_over_several_requests_is_one_of_sqlite(statements: list[str]) -> None:
    oracle = Oracle()
    oracle.run("BEGIN")
    with tempfile.TemporaryDirectory() as directory, closing(Open(Path(directory))) as ours:
        for sql in statements:
            result = ours.run(sql)
            if ours.session.groups.ended is None or not oracle.is_autocommit:
                assert seen(result) == oracle.run(sql)
                ended = {"COMMIT": "commit", "END": "commit"}.get(sql.split()[0], "rollback")
                assert ours.session.groups.ended == (ended if oracle.is_autocommit else None)
            else:
                assert result.error is not None
                assert result.error.details["reason"] == "transaction_ended"
        if ours.session.groups.ended is None:
            oracle.run("ROLLBACK")
        elif ours.session.groups.ended == "commit":
            ours.session.commit()
        ours.session.close()
        assert content_of(lambda queries: [ours.engine.rows(query) for query in queries]) == oracle.content()
