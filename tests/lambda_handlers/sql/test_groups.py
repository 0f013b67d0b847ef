"""Errors as results, conditions, and BEGIN … COMMIT inside a request: as on one connection of SQLite.

The oracle is a plain connection that runs the same statements one by one, on errors too. sldb must differ in these:

- A request is all or nothing. SQLite would leave a transaction open at its end: after BEGIN it is an error that has
  applied nothing, after a savepoint alone the request commits it.
- With `on_error` "stop" the request is a transaction: deferred foreign keys outside of a group are checked at its end.
- PRAGMA foreign_keys is not ignored inside a transaction (test_pragmas).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import apsw
from hypothesis import example, given
from hypothesis import strategies as st

from lambda_handlers.service import Service
from lambda_handlers.wire import Reply, Request, Result, SldbError
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store

SCHEMA = """
CREATE TABLE u (a INTEGER PRIMARY KEY, b UNIQUE CHECK (b <> 13));
CREATE TABLE r (a UNIQUE ON CONFLICT ROLLBACK, b);
CREATE TABLE f (a UNIQUE ON CONFLICT FAIL, b);
CREATE TABLE n (a INTEGER PRIMARY KEY AUTOINCREMENT, b);
CREATE TABLE p (a INTEGER PRIMARY KEY);
CREATE TABLE c (a REFERENCES p ON DELETE CASCADE);
CREATE TABLE d (a REFERENCES p DEFERRABLE INITIALLY DEFERRED);
CREATE TABLE log (a);
CREATE TRIGGER u_log BEFORE INSERT ON u BEGIN INSERT INTO log VALUES (new.b); END;
CREATE TRIGGER u_raise AFTER INSERT ON u WHEN new.b > 100 BEGIN
    SELECT CASE new.b WHEN 101 THEN raise(ROLLBACK, 'r') WHEN 102 THEN raise(FAIL, 'f') WHEN 103 THEN raise(ABORT, 'a')
    ELSE raise(IGNORE) END;
END;
INSERT INTO p VALUES (1), (2);
INSERT INTO u VALUES (1, 1);
INSERT INTO r VALUES (1, 1);
INSERT INTO f VALUES (1, 1);
"""

WORDS = ("", "OR FAIL", "OR ROLLBACK", "OR ABORT", "OR IGNORE", "OR REPLACE")
FEW = (1, 2, 3)
WRITES = st.one_of(
    st.builds(
        "INSERT {} INTO u VALUES ({}, {}), ({}, {})".format,
        st.sampled_from(WORDS),
        *(st.sampled_from(FEW), st.sampled_from((1, 2, 13, 101, 102, 103, 104))) * 2,
    ),
    st.builds("UPDATE {} u SET b = {}".format, st.sampled_from(WORDS), st.sampled_from((1, 7, 13))),
    st.builds("INSERT INTO {} VALUES ({}, 5), ({}, 6)".format, st.sampled_from("rf"), *(st.sampled_from(FEW),) * 2),
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
    found = rows([*(f'SELECT * FROM main."{table}" ORDER BY rowid' for table in tables), "PRAGMA user_version"])
    return [sorted(map(repr, schema)), *sorted(zip(tables, found[:-1], strict=True)), found[-1]]


def seen(result: Result) -> tuple[Any, ...]:
    if result.skipped:
        return ("skipped",)
    if result.error is None:
        return ("rows", result.rows)
    return ("error", result.error.message, result.error.details.get("sqlite_code"), result.rolled_back)


@contextmanager
def fresh() -> Iterator[Service]:
    with closing(container(memory_store())) as service:
        run(service, SCHEMA)
        yield service


def send(service: Service, statements: list[Any], **fields: Any) -> Reply:
    entries = [{"query": one} if isinstance(one, str) else one for one in statements]
    return service.reply(Request.decode({"statements": entries, **fields}))


def stored(service: Service) -> list[Any]:
    return content_of(lambda queries: [result.rows for result in send(service, queries).results])


def check(statements: list[str], expected: list[tuple[Any, ...]], oracle: Oracle, **how: Any) -> None:
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
            assert any(sql.startswith("BEGIN") for sql in statements)
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
def test_groups_of_a_request_that_stops_are_those_of_one_connection(statements: list[str]) -> None:
    oracle = Oracle()
    expected = []
    for sql in statements:
        expected.append(oracle.run(sql))
        if expected[-1][0] == "error":
            break
    check(statements, expected, oracle)
