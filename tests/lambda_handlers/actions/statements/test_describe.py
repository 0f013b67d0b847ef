"""The action `describe`: what SQLite knows of a statement that does not run."""

from __future__ import annotations

from typing import Any

import pytest

from lambda_handlers.wire import SldbError
from tests.fakes.databases.past import act
from tests.fakes.databases.service import run

TABLE = "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE)"


@pytest.fixture
def described(service):
    run(service, TABLE)

    def describe(query: str, **arguments: Any) -> dict[str, Any]:
        return act(service, "describe", query=query, **arguments)

    return describe


def test_parameters_and_columns(described):
    assert described("SELECT id, upper(name) AS up FROM t WHERE id = :id AND name > @n OR name = ? OR id = ?7") == {
        "database": "main",
        "parameters": ["id", "n", None, None, None, None, None],
        "columns": [{"name": "id", "type": "INTEGER"}, {"name": "up", "type": None}],
        "is_explain": False,
        "is_readonly": True,
    }


@pytest.mark.parametrize(
    ("query", "is_readonly", "is_explain"),
    [
        ("INSERT INTO t VALUES (?, ?)", False, False),
        ("DELETE FROM t RETURNING id", False, False),
        ("CREATE TABLE u (a)", False, False),
        ("ALTER TABLE t ADD COLUMN b", False, False),
        ("DROP TABLE t", False, False),
        ("VACUUM", False, False),
        ("EXPLAIN DELETE FROM t", False, True),
        ("EXPLAIN QUERY PLAN SELECT 1", True, True),
        ("BEGIN", True, False),
        ("BEGIN READONLY", True, False),
        ("COMMIT", True, False),
        ("SAVEPOINT a", True, False),
        ("PRAGMA user_version = 3", False, False),
        ("SELECT uuid7()", True, False),
    ],
)
def test_a_statement_does_not_run(service, described, query, is_readonly, is_explain):
    before = run(service, "SELECT count(*) FROM sqlite_schema").txid
    body = described(query)
    assert (body["is_readonly"], body["is_explain"]) == (is_readonly, is_explain)
    assert run(service, "SELECT * FROM t").txid == before


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("SELECT nothing FROM t", "sql_error"),
        ("SELECT * FROM absent", "sql_error"),
        ("SELECT FROM", "sql_error"),
        ("DELETE FROM _sldb_requests", "sql_error"),
        ("PRAGMA journal_size_limit", None),
        ("PRAGMA hard_heap_limit = 1", "forbidden"),
        ("SELECT load_extension('x')", "forbidden"),
        ("SELECT 1; SELECT 2", "bad_request"),
        ("", "bad_request"),
    ],
)
def test_errors(described, query, code):
    if code is None:
        described(query)
        return
    with pytest.raises(SldbError) as caught:
        described(query)
    assert caught.value.code == code


def test_inside_a_transaction_its_own_tables_are_there(service, described):
    reply = run(service, "CREATE TABLE inner (a BLOB)", transaction={"begin": True})
    token = reply.transaction["token"]
    columns = described("SELECT * FROM inner", transaction=token)["columns"]
    assert columns == [{"name": "a", "type": "BLOB"}]
    with pytest.raises(SldbError, match="no such table"):
        described("SELECT * FROM inner")
    with pytest.raises(SldbError, match="absent"):
        described("SELECT * FROM absent", transaction=token)
    run(service, "INSERT INTO inner VALUES (1)", transaction={"token": token, "end": "commit"})
    assert run(service, "SELECT a FROM inner").rows == [(1,)]


def test_in_another_container_the_transaction_runs_again(container, store):
    first, second = container(store), container(store)
    run(first, TABLE)
    reply = run(first, "ALTER TABLE t ADD COLUMN late TEXT", transaction={"begin": True})
    body = act(second, "describe", query="SELECT late FROM t", transaction=reply.transaction["token"])
    assert body["columns"] == [{"name": "late", "type": "TEXT"}]


def test_a_forged_token_is_refused(described):
    with pytest.raises(SldbError) as caught:
        described("SELECT 1", transaction="AQBforged")
    assert caught.value.details["field"] == "transaction.token"


@pytest.mark.parametrize("arguments", [{"query": 1}, {"query": "SELECT 1", "transaction": 1}, {}])
def test_wrong_arguments(service, arguments):
    with pytest.raises(SldbError) as caught:
        act(service, "describe", **arguments)
    assert caught.value.code == "bad_request"
