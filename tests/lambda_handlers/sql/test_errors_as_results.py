"""Errors that are results, those that end a request, and what a session owes to both: seen from the reply."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from lambda_handlers.service import Service
from lambda_handlers.wire import Reply, Request, SldbError
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store


@pytest.fixture
def service() -> Iterator[Service]:
    with closing(container(memory_store())) as service:
        run(
            service, "CREATE TABLE t (a INTEGER PRIMARY KEY, b UNIQUE); INSERT INTO t VALUES (1, 1)", request_id="first"
        )
        run(service, "CREATE TABLE theirs (a)", database="other")
        yield service


def send(service: Service, *entries: str | dict[str, Any], on_error: str = "continue", **fields: Any) -> Reply:
    statements = [{"query": entry} if isinstance(entry, str) else entry for entry in entries]
    return service.reply(Request.decode({"statements": statements, "on_error": on_error, **fields}))


def rows(service: Service) -> list[tuple[Any, ...]]:
    return run(service, "SELECT a FROM t ORDER BY a").rows


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("SELEC 1", "sql_error"),
        ("INSERT INTO t VALUES (3, 1)", "constraint"),
        ({"query": "SELECT ?", "params": []}, "bad_request"),
        ({"query": "SELECT :a", "params": {"b": 1}}, "bad_request"),
        ("DELETE FROM _sldb_requests", "forbidden"),
        ("PRAGMA writable_schema = ON", "forbidden"),
        ("ATTACH 'other' AS o; DELETE FROM o.theirs", "read_only"),
        ("VACUUM", "sql_error"),
        ("SELECT CAST(x'ff' AS TEXT)", "sql_error"),
    ],
)
def test_the_session_goes_on_after_an_error_of_a_statement(service: Service, entry: Any, code: str) -> None:
    reply = send(service, "INSERT INTO t VALUES (2, 2)", entry, "INSERT INTO t VALUES (4, 4)")
    failed = next(result for result in reply.results if result.error)
    assert failed.error is not None
    assert (failed.error.code, failed.rows, failed.columns, failed.rowcount) == (code, [], (), 0)
    assert failed.error.details["statement"] == reply.results.index(failed)
    assert failed.error.details["part"] == 1
    assert rows(service) == [(1,), (2,), (4,)]


@pytest.mark.parametrize(
    ("entry", "fields", "code"),
    [
        ("SELECT zeroblob(200000000) || 'x'", {}, "too_large"),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i FROM n",
            {"timeout": 0.3},
            "query_timeout",
        ),
        ("ATTACH 'nothing' AS o", {}, "not_found"),
        ("SELECT 1", {"if_txid": 7}, "conflict"),
        ("DELETE FROM t", {"careful": True}, "unconfirmed"),
        ("BEGIN", {}, "sql_error"),
        ({"query": "SELECT ?; SELECT ?", "params": [1]}, {}, "bad_request"),
    ],
)
def test_any_other_error_ends_the_request_and_applies_nothing(
    service: Service, entry: Any, fields: dict[str, Any], code: str
) -> None:
    with pytest.raises(SldbError) as caught:
        send(service, "INSERT INTO t VALUES (2, 2)", entry, "INSERT INTO t VALUES (4, 4)", **fields)
    assert caught.value.code == code
    assert rows(service) == [(1,)]


def test_a_statement_that_reaches_a_table_of_ours_is_undone(service: Service) -> None:
    """SQLite has run it before it can be seen to."""
    reply = send(
        service,
        "CREATE TABLE c (a REFERENCES _sldb_requests)",
        "BEGIN",
        "CREATE TABLE d (a REFERENCES _sldb_requests)",
        "CREATE TABLE e (a)",
        "COMMIT",
    )
    assert [result.error and result.error.code for result in reply.results] == [
        *("forbidden", None, "forbidden", None, None)
    ]
    assert run(service, "SELECT name FROM sqlite_schema WHERE name IN ('c', 'd', 'e')").rows == [("e",)]


def test_an_error_that_ends_a_transaction_says_so(service: Service) -> None:
    failing = "INSERT OR ROLLBACK INTO t VALUES (4, 4), (1, 1)"
    reply = send(
        service, "INSERT INTO t VALUES (2, 2)", failing, "BEGIN", "INSERT INTO t VALUES (3, 3)", failing, "COMMIT"
    )
    assert [result.rolled_back for result in reply.results] == [False, False, False, False, True, False]
    last = reply.results[-1].error
    assert last is not None
    assert last.message == "cannot commit - no transaction is active"
    assert rows(service) == [(1,), (2,)]


def test_a_request_sent_again_has_the_same_errors(service: Service) -> None:
    entries = ("INSERT INTO t VALUES (2, 2)", "INSERT INTO t VALUES (3, 1)", {"query": "SELECT 1", "if": {"ok": 1}})
    first, again = (send(service, *entries, request_id="twice").encode() for _ in range(2))
    assert first["results"] == again["results"]
    assert first["results"][1]["error"]["sqlite_code"] == "SQLITE_CONSTRAINT_UNIQUE"
    assert first["results"][2]["skipped"] is True
    assert rows(service) == [(1,), (2,)]
    assert Reply.decode(first).encode() == first


def test_errors_take_room_in_the_reply() -> None:
    with closing(container(memory_store(), reply_limit_bytes=100_000)) as service:
        with pytest.raises(SldbError) as caught:
            send(service, *["SELECT nope"] * 1000)
        assert caught.value.code == "too_large"
        with pytest.raises(SldbError) as caught:
            send(service, *[{"query": "SELECT 1", "if": {"is_autocommit": True}}] * 1000)
        assert caught.value.code == "too_large"
        assert len(send(service, *["SELECT nope"] * 100).results) == 100


@pytest.mark.parametrize("word", ["READONLY", "TRANSACTION READONLY", "CONCURRENT", "concurrent /* x */ transaction"])
def test_what_other_engines_say_at_begin_is_understood(service: Service, word: str) -> None:
    send(service, f"BEGIN {word};", "INSERT INTO t VALUES (2, 2)", "COMMIT", on_error="stop")
    assert rows(service) == [(1,), (2,)]


def test_conditions_in_a_request_that_stops_see_what_was_skipped(service: Service) -> None:
    reply = send(
        service,
        {"query": "INSERT INTO t VALUES (2, 2)", "if": {"is_autocommit": True}},
        {"query": "INSERT INTO t VALUES (3, 3)", "if": {"error": 0}},
        {"query": "INSERT INTO t VALUES (4, 4)", "if": {"not": {"ok": 1}}},
        "SAVEPOINT s",
        {"query": "INSERT INTO t VALUES (5, 5)", "if": {"is_autocommit": True}},
        "RELEASE s",
        {"query": "INSERT INTO t VALUES (6, 6)", "if": {"is_autocommit": True}},
        on_error="stop",
    )
    assert [result.skipped for result in reply.results] == [False, True, False, False, True, False, False]
    assert rows(service) == [(1,), (2,), (4,), (6,)]


@pytest.mark.parametrize("on_error", ["stop", "continue"])
@pytest.mark.parametrize(
    ("entries", "asks"),
    [
        (("BEGIN", "DELETE FROM t", "ROLLBACK"), False),
        (("BEGIN", "DELETE FROM t", "COMMIT"), True),
        (("SAVEPOINT s", "DELETE FROM t", "ROLLBACK"), False),
        (("SAVEPOINT s", "DELETE FROM t", "COMMIT"), True),
        (("BEGIN", "CREATE TABLE x AS SELECT 1", "ROLLBACK", "CREATE TABLE x (a)", "DELETE FROM x"), False),
    ],
)
def test_careful_asks_only_for_what_is_applied(
    service: Service, on_error: str, entries: tuple[str, ...], asks: bool
) -> None:
    if asks:
        with pytest.raises(SldbError) as caught:
            send(service, *entries, on_error=on_error, careful=True)
        assert caught.value.code == "unconfirmed"
    else:
        send(service, *entries, on_error=on_error, careful=True)
    assert rows(service) == [(1,)]


def test_deferred_foreign_keys_outside_of_a_group_are_checked_at_the_next_begin_or_the_end(service: Service) -> None:
    run(service, "CREATE TABLE d (a REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
    violates, repairs = "INSERT INTO d VALUES (7)", "INSERT INTO t VALUES (7, 7)"
    send(service, violates, repairs, "DELETE FROM d", "DELETE FROM t WHERE a = 7", on_error="stop")
    for entries, statement in (((violates, "BEGIN", repairs, "COMMIT"), 1), ((violates,), None)):
        with pytest.raises(SldbError) as caught:
            send(service, *entries, on_error="stop")
        assert (caught.value.code, caught.value.message) == ("constraint", "FOREIGN KEY constraint failed")
        assert caught.value.details.get("statement") == statement
    assert rows(service) == [(1,)]


def test_a_group_may_begin_a_database_and_set_foreign_keys(service: Service) -> None:
    script = (
        "BEGIN; PRAGMA foreign_keys = OFF; CREATE TABLE d (a REFERENCES t); CREATE TABLE t (a PRIMARY KEY); COMMIT;"
        "BEGIN; INSERT INTO d VALUES (1); COMMIT; BEGIN; DROP TABLE t; ROLLBACK; PRAGMA foreign_keys = ON"
    )
    assert run(service, script, database="new").txid == 1
    assert run(service, "SELECT * FROM t; PRAGMA integrity_check; SELECT a FROM d", database="new").rows == [(1,)]
    with pytest.raises(SldbError, match="too late"):
        run(service, "BEGIN; INSERT INTO t (a) VALUES (8); PRAGMA foreign_keys = OFF; DELETE FROM t; COMMIT")
