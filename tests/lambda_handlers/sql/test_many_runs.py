"""A statement that runs with many rows of values: what SQLite does with each, as one statement to all else."""

from __future__ import annotations

import sqlite3
from typing import Any

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_handlers.deadline import NEVER
from lambda_handlers.sql import pin
from lambda_handlers.sql.parameters import ManyRuns
from lambda_handlers.sql.session import WRITE, Session
from lambda_handlers.wire import Many, Request, SldbError, Statement
from tests.fakes.databases.engine import Engine
from tests.fakes.databases.interactive import Interactive
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store

INSERT = "INSERT INTO t VALUES (?, ?)"


@pytest.fixture
def service():
    made = container(memory_store())
    run(made, "CREATE TABLE t (a INTEGER PRIMARY KEY, b UNIQUE)")
    yield made
    made.close()


def many(service: Any, query: str, rows: list[Any], **fields: Any) -> Any:
    return service.reply(Request.decode({"query": query, "many": rows, **fields}))


def test_they_are_one_result_and_one_transaction(service):
    reply = many(service, INSERT, [[n, f"x{n}"] for n in range(600)])
    assert [(result.rowcount, result.columns, result.rows) for result in reply.results] == [(600, (), [])]
    reply = many(service, "UPDATE t SET b = b || :end WHERE a < :a", [{":a": 2, "end": "!"}, {"a": 1, "end": "?"}])
    assert (reply.txid, reply.results[0].rowcount) == (3, 3)
    assert run(service, "SELECT b FROM t LIMIT 2").rows == [("x0!?",), ("x1!",)]


def test_rows_of_returning_are_dropped(service):
    (result,) = many(service, f"{INSERT} RETURNING a", [[1, "x"], [2, "y"]]).results
    assert (result.columns, result.rows, result.rowcount, result.lastrowid) == ((), [], 2, None)


def test_one_that_fails_is_named_and_ends_all(service):
    with pytest.raises(SldbError) as caught:
        many(service, INSERT, [[1, "x"], [2, "y"], [3, "x"], [4, "z"]])
    assert (caught.value.code, caught.value.details["row"]) == ("constraint", 2)
    assert run(service, "SELECT count(*) FROM t").rows == [(0,)]


def test_an_error_after_them_names_no_row(service):
    entries = [{"query": INSERT, "many": [[1, "x"]]}, {"query": "BEGIN"}, {"query": "SELECT * FROM nowhere"}]
    with pytest.raises(SldbError) as caught:
        service.reply(Request.decode({"statements": entries}))
    assert "row" not in caught.value.details


def test_inside_a_transaction_those_before_it_have_run(service):
    client = Interactive(service)
    with pytest.raises(SldbError):
        client.run(INSERT, many=[[1, "x"], [2, "x"]])
    assert client.rows("SELECT * FROM t") == [(1, "x")]
    client.commit()
    assert run(service, "SELECT * FROM t").rows == [(1, "x")]


def test_another_one_failing_at_commit_is_a_conflict(service):
    """The codes are equal, and the rows that have run are not."""
    client = Interactive(service)
    with pytest.raises(SldbError):
        client.run(INSERT, many=[[1, "x"], [2, "x"]])
    run(service, "INSERT INTO t VALUES (5, 'x')")
    with pytest.raises(SldbError) as caught:
        client.commit()
    assert caught.value.code == "conflict"


@pytest.mark.parametrize("query", ["SELECT ?", "PRAGMA user_version = 1", "CREATE TABLE u (a)", f"EXPLAIN {INSERT}"])
def test_other_statements_run_once(service, query):
    values = [[1, 2]] if "VALUES" in query else [[1]] if "?" in query else [[]]
    with pytest.raises(SldbError, match="runs once") as caught:
        many(service, query, values)
    assert (caught.value.code, run(service, "SELECT 1").txid) == ("bad_request", 1)


def test_a_row_of_another_width_is_a_bad_request(service):
    with pytest.raises(SldbError, match="needs 2 parameters, and got 1") as caught:
        many(service, INSERT, [[1, "x"], [2]])
    assert caught.value.details["row"] == 1


def test_a_dry_run_counts_all(service):
    run(service, "INSERT INTO t VALUES (1, 'x'), (2, 'y'), (3, 'z')")
    reply = many(service, "DELETE FROM t WHERE a = ?", [[1], [3], [9]], dry_run=True)
    assert reply.changes == {"t": {"insert": 0, "update": 0, "delete": 2}}


def test_a_dry_run_of_a_virtual_table_counts_all(service):
    run(service, "CREATE VIRTUAL TABLE f USING fts5 (body)")
    reply = many(service, "INSERT INTO f VALUES (?)", [["one"], ["two"]], dry_run=True)
    assert reply.changes["f"]["insert"] == 2


def test_the_time_is_looked_at_between_rows():
    looks = []
    runs = ManyRuns(apsw.Connection(":memory:"), Many(((),) * 1000), lambda: looks.append(1))
    assert (sum(1 for _ in runs), len(looks)) == (1000, 4)


def test_the_generator_starts_once(service, monkeypatch):
    """So it does for one statement: to start it takes longer than a row."""
    seeds = []
    real = pin.seed
    monkeypatch.setattr(pin, "seed", lambda *given: seeds.append(given) or real(*given))
    client = Interactive(service)
    client.run("INSERT INTO t VALUES (?, random())", many=[[n] for n in range(500)])
    assert len(seeds) == 2, "one to open the connection"
    shown = client.rows("SELECT b FROM t")
    client.commit()
    assert run(service, "SELECT b FROM t").rows == shown


VALUES = st.one_of(st.none(), st.integers(0, 3), st.sampled_from(["x", "é", b"\0", 1.5, float("inf")]))
RUNS = st.tuples(
    st.sampled_from(
        (
            "INSERT INTO t VALUES (?, ?)",
            "REPLACE INTO t VALUES (?, ?)",
            "UPDATE t SET b = ?2 WHERE a = ?1",
            "INSERT INTO t VALUES (?, ?) ON CONFLICT DO UPDATE SET a = a + 10",
            "DELETE FROM t WHERE a = ? OR b = ?",
        )
    ),
    st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=4),
)


@pytest.mark.long
@settings(max_examples=30)
@given(st.lists(RUNS, max_size=4))
def test_a_transaction_on_ever_other_containers_does_what_sqlite_does(statements):
    store = memory_store()
    oracle = sqlite3.connect(":memory:")
    oracle.execute("CREATE TABLE t (a INTEGER PRIMARY KEY, b UNIQUE)")
    first = container(store)
    run(first, "CREATE TABLE t (a INTEGER PRIMARY KEY, b UNIQUE)")
    client = Interactive(first)
    containers = [first]
    for query, rows in statements:
        containers.append(container(store))
        statement = Request((Statement(query, Many(tuple(rows))),)).encode()
        try:
            reply = client.run(statement["query"], many=statement["many"], service=containers[-1])
            shown: object = reply.results[0].rowcount
        except SldbError:
            shown = "an error"
        assert shown == of_sqlite(oracle, query, rows)
    client.commit()
    found = run(first, "SELECT * FROM t ORDER BY a").rows
    assert found == oracle.execute("SELECT * FROM t ORDER BY a").fetchall()
    for one in containers:
        one.close()


def of_sqlite(oracle: sqlite3.Connection, query: str, rows: list[Any]) -> object:
    try:
        return oracle.executemany(query, rows).rowcount
    except sqlite3.Error:
        return "an error"


def test_they_may_be_given_to_one_statement_only(tmp_path):
    engine = Engine(memory_store(), tmp_path)
    engine.replica.refresh()
    session = Session(engine.vfs, WRITE, NEVER)
    with pytest.raises(SldbError, match="for several statements"):
        session.run([Statement("SELECT 1; SELECT 2", Many(((1,),)))])
    session.close()
    engine.close()
