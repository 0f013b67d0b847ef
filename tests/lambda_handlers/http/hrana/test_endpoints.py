"""Pipelines and cursors against the engine, by the specification. Each request meets a fresh container."""

from __future__ import annotations

import json
from typing import Any

import pytest

from lambda_handlers.http.hrana.stream import Stream
from lambda_handlers.wire import Reply, SldbError
from tests.fakes.databases.hrana import HranaClient, batch, execute, rows, step
from tests.fakes.databases.service import container

CLOSE = {"type": "close"}
AUTOCOMMIT = {"type": "get_autocommit"}
OK_0 = {"type": "ok", "step": 0}


def not_ok(position: int) -> dict[str, Any]:
    return {"type": "not", "cond": {"type": "ok", "step": position}}


@pytest.fixture
def client(store):
    client = HranaClient(store)
    client.send(execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a UNIQUE)"), execute("INSERT INTO t VALUES (1, 'x')"))
    assert client.baton is None
    return client


@pytest.fixture
def count(client, store):
    """The rows of t, as another client sees them."""
    return lambda: HranaClient(store).rows("SELECT count(*) FROM t")[0][0]


# Statements


def test_the_result_of_an_insert(client):
    result = client.run("INSERT INTO t (a) VALUES (?), (?)", "y", b"\0z")["response"]["result"]
    assert result.pop("query_duration_ms") >= 0
    assert result == {
        "cols": [],
        "rows": [],
        "affected_row_count": 2,
        "last_insert_rowid": "3",
        "rows_read": 0,
        "rows_written": 2,
    }


def test_a_select_without_rows_has_columns_with_their_types(client):
    result = client.run("SELECT id, a || 'b' AS c FROM t WHERE id = 99")["response"]["result"]
    assert result["cols"] == [{"name": "id", "decltype": "INTEGER"}, {"name": "c", "decltype": None}]
    assert (result["affected_row_count"], result["last_insert_rowid"]) == (0, None)


@pytest.mark.parametrize("name", ["a", ":a", "@a", "$a"])
@pytest.mark.parametrize("sign", ":@$")
def test_named_arguments_with_and_without_a_sign(client, name, sign):
    named = [{"name": name, "value": {"type": "integer", "value": "7"}}]
    [result] = client.send(execute(f"SELECT {sign}a", named_args=named))
    assert rows(result) == [(7,)]


def test_positional_values_for_named_parameters(client):
    assert client.rows("SELECT :b, ?, @a", 1, 2, 3) == [(1, 2, 3)]


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (execute("SELECT FROM"), "SQLITE_ERROR"),
        (execute(""), "SQL_PARSE_ERROR"),
        (execute("-- nothing"), "SQL_PARSE_ERROR"),
        (execute("SELECT 1; SELECT 2"), "SQL_MANY_STATEMENTS"),
        (execute("SELECT ?"), "SQL_INPUT_ERROR"),
        (execute("SELECT ?", 1, 2), "SQL_INPUT_ERROR"),
        (execute("SELECT ?, :a", named_args=[{"name": "a", "value": {"type": "null"}}]), "SQL_INPUT_ERROR"),
        (execute("SELECT :a, :b", 1, named_args=[{"name": "b", "value": {"type": "null"}}]), "SQL_INPUT_ERROR"),
        ({"type": "execute", "stmt": {"sql_id": 5}}, "SQL_INPUT_ERROR"),
        (execute("PRAGMA hard_heap_limit = 1"), "BLOCKED"),
        (execute("INSERT INTO t VALUES (1, 2)"), "SQLITE_CONSTRAINT"),
        (execute("COMMIT"), "SQLITE_ERROR"),
        ({"type": "sequence", "sql": "SELECT 1; SELECT nothing; SELECT 2"}, "SQLITE_ERROR"),
        ({"type": "describe", "sql": "SELECT nothing"}, "SQLITE_ERROR"),
    ],
)
def test_an_error_is_a_result_and_the_pipeline_goes_on(client, sent, code):
    failed, after = client.send(sent, execute("SELECT 1"))
    assert (failed["type"], failed["error"]["code"]) == ("error", code)
    assert rows(after) == [(1,)]


def test_want_rows_false(client):
    [result] = client.send(execute("SELECT id FROM t", want_rows=False))
    assert result["response"]["result"]["rows"] == []
    assert len(result["response"]["result"]["cols"]) == 1


def test_each_execute_is_a_transaction(client, count):
    client.send(execute("INSERT INTO t (a) VALUES ('y')"), execute("INSERT INTO t (a) VALUES ('x')"))
    assert count() == 2


def test_describe(client):
    [result] = client.send({"type": "describe", "sql": "SELECT id FROM t WHERE id = :id AND a = ?"})
    assert result["response"]["result"] == {
        "params": [{"name": "id"}, {}],
        "cols": [{"name": "id", "decltype": "INTEGER"}],
        "is_explain": False,
        "is_readonly": True,
    }


# Batches


ATOMIC = (
    step("BEGIN IMMEDIATE"),
    step("INSERT INTO t (a) VALUES ('y')", OK_0),
    step("INSERT INTO t (a) VALUES ('x')", {"type": "ok", "step": 1}),
    step("COMMIT", {"type": "ok", "step": 2}),
    step("ROLLBACK", not_ok(3)),
)


def test_a_batch_rolls_back_by_its_conditions(client, count):
    [result] = client.send(batch(*ATOMIC))
    shown = result["response"]["result"]
    assert [one is not None for one in shown["step_results"]] == [True, True, False, False, True]
    assert [one and one["extended_code"] for one in shown["step_errors"]] == [
        *(None, None, "SQLITE_CONSTRAINT_UNIQUE", None, None)
    ]
    assert client.baton is None
    assert count() == 1


def test_error_is_the_negation_of_ok(client):
    error_of_skipped = {"type": "error", "step": 1}
    [result] = client.send(batch(step("SELECT 1"), step("SELECT 2", not_ok(0)), step("SELECT 3", error_of_skipped)))
    assert [one is not None for one in result["response"]["result"]["step_results"]] == [True, False, True]


def test_a_batch_may_leave_its_transaction_open(client, count):
    sent = batch(
        step("INSERT INTO t (a) VALUES ('before')"), step("BEGIN"), step("INSERT INTO t (a) VALUES ('in')", OK_0)
    )
    client.send(sent)
    assert client.baton is not None
    assert count() == 2
    [result] = client.send(batch(step("COMMIT"), step("ROLLBACK", not_ok(0))))
    assert result["response"]["result"]["step_errors"] == [None, None]
    assert count() == 3


def test_a_failed_sequence_leaves_its_transaction_open(client, count):
    sent = {"type": "sequence", "sql": "BEGIN; INSERT INTO t (a) VALUES ('y'); SELECT nothing; COMMIT"}
    failed, autocommit = client.send(sent, AUTOCOMMIT)
    assert failed["type"] == "error"
    assert autocommit["response"]["is_autocommit"] is False
    client.run("COMMIT")
    assert count() == 2


def test_statements_of_a_batch_without_begin_are_transactions(client, count):
    client.send(
        batch(step("INSERT INTO t (a) VALUES ('y')"), step("SELECT nothing"), step("INSERT INTO t (a) VALUES ('z')"))
    )
    assert count() == 3


def test_rows_that_or_fail_leaves_stay(client, count):
    assert client.run("INSERT OR FAIL INTO t (a) VALUES ('y'), ('x')")["error"]["code"] == "SQLITE_CONSTRAINT"
    assert count() == 2


def test_vacuum_in_a_batch_runs_alone(client):
    [result] = client.send(batch(step("VACUUM"), step("SELECT 1", {"type": "is_autocommit"})))
    assert result["response"]["result"]["step_errors"] == [None, None]


def test_a_failed_write_of_a_cursor_commits_nothing(client, store):
    client.cursor(step("INSERT INTO t (a) VALUES ('x')"), step("SELECT 1"))
    HranaClient(store).run("SELECT 1")
    assert client.response.headers["x-sldb-txid"] == "2"


# Transactions


def test_a_transaction_over_three_requests(client, count):
    client.send(execute("BEGIN TRANSACTION"), execute("INSERT INTO t (a) VALUES ('y')"))
    first = client.baton
    assert client.rows("SELECT count(*) FROM t") == [(2,)]
    assert count() == 1
    result, autocommit, _ = client.send(execute("COMMIT"), AUTOCOMMIT, CLOSE)
    assert result["type"] == "ok"
    assert autocommit["response"]["is_autocommit"] is True
    assert (client.baton, count()) == (None, 2)
    client.baton = first  # an older baton is the stream as it was then
    assert client.rows("SELECT count(*) FROM t") == [(2,)]


READONLY = ("BEGIN READONLY", "BEGIN TRANSACTION READONLY")


def refused(result: dict[str, Any]) -> bool:
    return (result["type"], result.get("error", {}).get("code")) == ("error", "SQLITE_READONLY")


@pytest.mark.parametrize("begin", READONLY)
@pytest.mark.parametrize("write", ["INSERT INTO t (a) VALUES ('y')", "CREATE TABLE u (a)", "DELETE FROM t"])
def test_a_transaction_that_only_reads(client, count, begin, write):
    _, failed, read = client.send(execute(begin), execute(write), execute("SELECT count(*) FROM t"))
    assert refused(failed)
    assert rows(read) == [(1,)]
    assert refused(client.run(write))
    commit, after = client.send(execute("COMMIT"), execute(write))
    assert (commit["type"], after["type"]) == ("ok", "ok")


@pytest.mark.parametrize("begin", READONLY)
def test_a_batch_that_only_reads(client, count, begin):
    steps = step(begin), step("SELECT id FROM t"), step("INSERT INTO t (a) VALUES ('y')"), step("COMMIT")
    [result] = client.send(batch(*steps))
    shown = result["response"]["result"]
    assert [error and error["code"] for error in shown["step_errors"]] == [None, None, "SQLITE_READONLY", None]
    assert (count(), client.baton) == (1, None)


def test_a_batch_that_only_reads_is_one_request(client, store):
    class Counting:
        requests = 0

        def reply(self, *given, **more):
            self.requests += 1
            return service.reply(*given, **more)

    service, counting = container(store), Counting()
    one = HranaClient(store, counting)
    one.send(batch(step("BEGIN TRANSACTION READONLY"), step("SELECT 1"), step("SELECT 2"), step("COMMIT")))
    service.close()
    assert counting.requests == 1


def test_writes_beside_a_transaction_that_only_reads(client, count):
    insert = step("INSERT INTO t (a) VALUES (random())")
    [result] = client.send(batch(insert, step("BEGIN READONLY"), insert, step("ROLLBACK"), insert))
    errors = result["response"]["result"]["step_errors"]
    assert [error and error["code"] for error in errors] == [None, None, "SQLITE_READONLY", None, None]
    assert count() == 3


def test_close_rolls_back(client, count):
    client.send(execute("BEGIN"), execute("DELETE FROM t"))
    client.send(CLOSE)
    assert (client.baton, count()) == (None, 1)


def test_an_error_leaves_the_transaction_open_and_or_rollback_ends_it(client, count):
    client.send(execute("BEGIN"), execute("INSERT INTO t (a) VALUES ('y')"), execute("INSERT INTO t (a) VALUES ('x')"))
    assert client.rows("SELECT count(*) FROM t") == [(2,)]
    failed = {"type": "error", "step": 0}
    sent = batch(
        step("INSERT OR ROLLBACK INTO t (a) VALUES ('x')"),
        step("INSERT INTO t (a) VALUES ('z')", failed),
        step("SELECT 1", {"type": "is_autocommit"}),
    )
    [result] = client.send(sent)
    assert [one is not None for one in result["response"]["result"]["step_results"]] == [False, True, True]
    assert client.baton is None
    assert count() == 2


def test_a_conflict_is_busy_and_leaves_the_transaction_to_be_rolled_back(client, store, count):
    client.send(execute("BEGIN"), execute("SELECT count(*) FROM t"), execute("INSERT INTO t (a) VALUES ('y')"))
    HranaClient(store).run("INSERT INTO t (a) VALUES ('other')")
    assert client.run("COMMIT")["error"]["code"] == "SQLITE_BUSY"
    assert client.send(AUTOCOMMIT)[0]["response"]["is_autocommit"] is False
    assert client.run("ROLLBACK")["type"] == "ok"
    assert (client.baton, count()) == (None, 2)


def test_savepoints_outside_of_a_transaction_begin_one(client, count):
    client.run("SAVEPOINT a")
    client.send(execute("INSERT INTO t (a) VALUES ('y')"), execute("SAVEPOINT b"), execute("DELETE FROM t"))
    client.send(execute("ROLLBACK TO b"), execute("RELEASE b"))
    assert (client.baton is not None, count()) == (True, 1)
    client.run("RELEASE a")
    assert (client.baton, count()) == (None, 2)


# State of a stream


def test_stored_texts(client):
    stored = client.send({"type": "store_sql", "sql_id": 1, "sql": "SELECT ? + 1"})
    assert stored == [{"type": "ok", "response": {"type": "store_sql"}}]
    [result] = client.send({"type": "execute", "stmt": {"sql_id": 1, "args": [{"type": "integer", "value": "41"}]}})
    assert rows(result) == [(42,)]
    client.send({"type": "close_sql", "sql_id": 1}, {"type": "close_sql", "sql_id": 42})
    assert client.baton is None


def test_a_setting_holds_for_the_stream(client):
    client.send(execute("CREATE TABLE child (t REFERENCES t)"), execute("PRAGMA foreign_keys = OFF"))
    assert client.run("INSERT INTO child VALUES (99)")["type"] == "ok"
    client.run("BEGIN")
    assert client.run("INSERT INTO child VALUES (98)")["type"] == "ok"
    client.run("COMMIT")
    client.run("PRAGMA foreign_keys = ON")
    assert client.run("INSERT INTO child VALUES (97)")["error"]["code"] == "SQLITE_CONSTRAINT"


def test_an_attached_database_stays(client, store):
    HranaClient(store).send(execute("CREATE TABLE o (a)"), execute("INSERT INTO o VALUES (5)"), database="other")
    client.run("ATTACH 'other' AS o")
    assert client.rows("SELECT a FROM o.o") == [(5,)]
    client.run("DETACH o")
    assert (client.baton, client.run("SELECT a FROM o.o")["type"]) == (None, "error")


# Whole failures


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"requests": [NaN]}',
        b"[" * 100_000,
        {},
        {"requests": {}},
        {"requests": [5]},
        {"requests": [{}]},
        {"requests": [{"type": "explode"}]},
        {"requests": [{"type": "execute"}]},
        {"requests": [{"type": "execute", "stmt": {}}]},
        {"requests": [{"type": "execute", "stmt": {"sql": "SELECT 1", "sql_id": 1}}]},
        {"requests": [{"type": "execute", "stmt": {"sql": "SELECT 1", "args": [1]}}]},
        {"requests": [{"type": "execute", "stmt": {"sql": "SELECT 1", "args": {}}}]},
        {"requests": [{"type": "execute", "stmt": {"sql": "SELECT 1", "named_args": [{"name": 1}]}}]},
        {"requests": [{"type": "execute", "stmt": {"sql": "SELECT 1", "want_rows": 1}}]},
        {"requests": [{"type": "store_sql", "sql_id": "1", "sql": "SELECT 1"}]},
        {"requests": [{"type": "sequence", "sql": 1}]},
        {"requests": [CLOSE, AUTOCOMMIT]},
        {"requests": [batch(step("SELECT 1", {"type": "ok", "step": 0}))]},
        {"baton": 5, "requests": []},
        {"baton": "garbage", "requests": []},
    ],
)
def test_a_malformed_body_is_400_and_nothing_runs(client, count, body):
    if isinstance(body, dict) and isinstance(body.get("requests"), list):
        body = {**body, "requests": [execute("DELETE FROM t"), *body["requests"]]}
    answer = client.post(body)
    assert client.response.status == 400
    assert isinstance(answer["error"], str)
    assert count() == 1


def test_a_forged_token_is_404(client):
    baton = Stream("main", token="AQBmb3JnZWQ").encode()
    client.post({"baton": baton, "requests": [execute("SELECT 1")]})
    assert client.response.status == 404


def test_a_baton_of_another_database_is_404(client):
    client.run("BEGIN")
    mine = client.baton
    assert client.post({"baton": mine, "requests": [execute("SELECT 1")]}, database="other")["error"].startswith(
        "stream"
    )
    assert client.response.status == 404


def test_a_database_that_does_not_exist_is_404(client):
    client.post({"requests": [execute("SELECT 1")]}, database="absent")
    assert client.response.status == 404


@pytest.mark.parametrize("sent", [AUTOCOMMIT, batch(step("SELECT 1"), step("SELECT 1", {"type": "is_autocommit"}))])
def test_version_2_lacks_autocommit(store, sent):
    client = HranaClient(store, version=2)
    client.post({"requests": [sent]})
    assert client.response.status == 400
    assert rows(client.send(execute("SELECT 1"))[0]) == [(1,)]


class Broken:
    def reply(self, request, *_, **__):
        raise SldbError("store_error", "the store does not answer")


def test_a_failure_of_the_store_fails_the_request(store):
    client = HranaClient(store, Broken())
    message = "the store does not answer"
    failed = {"error": message, "message": message, "code": "SERVER_ERROR"}
    assert client.post({"requests": [execute("SELECT 1")]}) == failed
    assert client.response.status == 503


# Cursors


def test_the_entries_of_a_cursor(client):
    entries = client.cursor(
        step("SELECT id FROM t"),
        step("SELECT 2", not_ok(0)),
        step("INSERT INTO t VALUES (123, 'y')"),
        step("INSERT INTO t VALUES (123, 'z')"),
    )
    assert [entry["type"] for entry in entries] == [
        *("step_begin", "row", "step_end", "step_begin", "step_end", "step_error", "replication_index")
    ]
    assert entries[0] == {"type": "step_begin", "step": 0, "cols": [{"name": "id", "decltype": "INTEGER"}]}
    assert entries[1] == {"type": "row", "row": [{"type": "integer", "value": "1"}]}
    assert entries[4] == {"type": "step_end", "affected_row_count": 1, "last_insert_rowid": 123}
    assert entries[5]["step"] == 3
    assert isinstance(client.baton, str)


def test_a_transaction_goes_on_in_a_cursor(client):
    client.run("BEGIN")
    probe = step("SELECT 1", {"type": "is_autocommit"}, want_rows=False)
    entries = client.cursor(step("INSERT INTO t (a) VALUES ('y')"), probe)
    assert [entry["type"] for entry in entries] == ["step_begin", "step_end", "replication_index"]
    entries = client.cursor(step("COMMIT"), probe)
    assert [entry.get("step") for entry in entries if entry["type"] == "step_begin"] == [0, 1]


def test_a_malformed_cursor_is_400(client):
    with pytest.raises(AssertionError, match="error"):
        client.cursor({"stmt": {}})
    assert client.response.status == 400


# Exactly once


class Lossy:
    """An engine whose first answer to a write is lost."""

    def __init__(self, service: Any) -> None:
        self._service = service
        self._has_lost = False

    def reply(self, request: Any, *given: Any, **more: Any) -> Reply:
        reply = self._service.reply(request, *given, **more)
        if request.request_id and not self._has_lost:
            self._has_lost = True
            raise SldbError("store_error", "lost")
        return reply


def test_an_idempotency_key_applies_a_pipeline_once(client, service, count, store):
    lossy = HranaClient(store, Lossy(service))
    sent = [execute("INSERT INTO t (a) VALUES (random())"), batch(step("INSERT INTO t (a) VALUES (random())"))]
    lossy.post({"requests": sent}, key="once")
    assert lossy.response.status == 503
    for _ in range(2):
        result = lossy.send(*sent, key="once")[1]["response"]["result"]["step_results"][0]
        assert result["last_insert_rowid"] == "3"
    assert count() == 3
    lossy.send(*sent, key="another")
    assert count() == 5


def test_the_requests_of_one_batch_have_an_id_each(client, count):
    insert = step("INSERT INTO t (a) VALUES (random())")
    for _ in range(2):
        client.baton = None
        client.send(batch(insert, step("PRAGMA foreign_keys = ON"), insert), key="once")
    assert count() == 3


@pytest.mark.parametrize("key", ["", "x" * 161, "a\nb"])
def test_a_wrong_idempotency_key_is_400(client, key):
    client.post({"requests": [execute("SELECT 1")]}, key=key)
    assert client.response.status == 400


def test_the_newest_transaction_is_a_header(client):
    client.send(execute("SELECT 1"), execute("INSERT INTO t (a) VALUES ('y')"))
    assert client.response.headers["x-sldb-txid"] == "3"
    assert json.loads(client.response.body)["base_url"] is None
