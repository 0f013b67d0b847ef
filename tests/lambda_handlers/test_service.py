"""Events in all their shapes, what a container keeps, and what it writes to its log."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from unittest.mock import ANY

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers import db_function, deadlock_fix
from lambda_handlers.deadline import MAX_MARGIN_SECONDS, seconds_for, seconds_until_late
from lambda_handlers.service import Service
from lambda_handlers.settings import Settings
from lambda_handlers.storage.folding import UNIT
from lambda_handlers.storage.publishing import Publisher
from lambda_handlers.wire import ERROR_CODES, Request, SldbError, Statement
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store


@pytest.fixture
def service():
    service = container(memory_store(), log_level="info")
    yield service
    service.close()


class Context:
    aws_request_id = "aws-1"

    def __init__(self, seconds=30.0):
        self.seconds = seconds

    def get_remaining_time_in_millis(self):
        return int(self.seconds * 1000)


def log_lines(capsys):
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_the_plain_event(service):
    assert service.handle({"query": "SELECT 1 AS one"}) == {
        "statusCode": 200,
        "body": {
            "columns": [{"name": "one", "type": None}],
            "rows": [[1]],
            "results": [{"rows_at_top": True, "rowcount": 1, "lastrowid": None}],
            "txid": 0,
            "database": "main",
            "stats": service.handle({"query": "SELECT 1"})["body"]["stats"]
            | {"cold": True, "store_requests": 5, "execute_ms": ANY, "ms": ANY},
        },
    }


def test_the_stats_say_what_the_request_is_billed_for():
    service = container(memory_store(), on_lambda=True, memory_bytes=1769 << 20)
    stats = run(service, "CREATE TABLE t (a)").stats
    # The head, LISTs, what they may not show; the commit and its head.
    assert (stats["store_requests"], stats["store_writes"]) == (7, 5)
    assert stats["ms"] >= stats["execute_ms"] + stats["commit_ms"] > 0
    assert (stats["memory_mb"], stats["architecture"]) == (1769, os.uname().machine)
    stats = run(service, "SELECT * FROM t").stats
    assert (stats["store_requests"], stats["store_writes"]) == (1, 0)
    assert stats["store"] == "efs"
    service.close()
    assert "store" not in Settings(store="s3://bucket", on_lambda=True).billed_machine


def test_the_start_of_the_container_is_told_once():
    service = container(memory_store())
    service.initialized(312.5)
    assert run(service, "SELECT 1").stats["init_ms"] == 312.5
    assert "init_ms" not in run(service, "SELECT 1").stats
    service.close()


def with_work_left(store):
    """A service after its reply to the 16th transaction: that has a fold, a head and a work item, which are put off."""
    service = container(store)
    service.after_reply.put_off(has_thread=False)
    run(service, "CREATE TABLE t (a)")
    for _ in range(UNIT - 1):
        stats = run(service, "INSERT INTO t VALUES (1)", last=True).stats
        assert stats["store_writes"] == 1
    assert service.after_reply.is_due
    assert list(store.list_objects("main/0001/")) == []
    return service


def test_a_reply_does_not_wait_for_folds_and_the_next_one_reports_them():
    store = memory_store()
    service = with_work_left(store)
    stats = run(service, "SELECT * FROM t").stats
    assert (stats["store_requests"], stats["after_store_requests"], stats["after_store_writes"]) == (1, 3, 3)
    assert stats["after_ms"] >= 0
    assert len(list(store.list_objects("main/0001/"))) == 1
    assert "after_ms" not in run(service, "SELECT * FROM t").stats
    service.close()


def test_a_bug_in_the_work_after_a_commit_goes_to_the_log(monkeypatch, capsys):
    """The transaction is committed, and the next request runs on the copy."""
    service = container(memory_store())
    monkeypatch.setattr(Publisher, "_fold", lambda self, header, after: {}["secret"])
    for _ in range(UNIT):
        assert run(service, "CREATE TABLE IF NOT EXISTS t (a); INSERT INTO t VALUES (1)").stats["commit_ms"] > 0
    line = json.loads(capsys.readouterr().err)
    assert (line["event"], line["level"], line["what"]) == ("not_published", "error", "fold")
    assert line["traceback"].endswith("KeyError")
    assert run(service, "SELECT count(*) FROM t").rows == [(UNIT,)]
    service.close()


def test_a_service_that_is_closed_has_finished_its_work():
    store = memory_store()
    with_work_left(store).close()
    assert len(list(store.list_objects("main/0001/"))) == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks Linux")
def test_the_age_of_a_process():
    age = "from lambda_handlers.host import process_age_ms; import time; time.sleep(0.5); print(process_age_ms())"
    started = time.monotonic()
    told = float(subprocess.run([sys.executable, "-c", age], capture_output=True, text=True, check=True).stdout)
    assert 480 < told < (time.monotonic() - started) * 1000 + 20


@pytest.mark.parametrize("event", [None, "SELECT 1", [], {}, {"query": None}, {"Records": []}, {"requestContext": {}}])
def test_what_is_no_request(service, event):
    reply = service.handle(event)
    assert reply["statusCode"] == 400
    assert reply["body"]["error"]["code"] == "bad_request"
    assert set(reply["body"]["error"]) >= {"code", "message", "hint"}


@pytest.mark.parametrize(
    "shape",
    [
        {"httpMethod": "POST", "path": "/", "requestContext": {"stage": "prod"}},
        {"version": "2.0", "rawPath": "/", "requestContext": {"http": {"method": "POST"}}},
    ],
)
@pytest.mark.parametrize("is_base64", [False, True])
def test_http_events(service, shape, is_base64):
    body = json.dumps({"query": "SELECT 'é' AS a"})
    if is_base64:
        body = base64.b64encode(body.encode()).decode()
    reply = service.handle({**shape, "body": body, "isBase64Encoded": is_base64})
    assert reply["statusCode"] == 200
    assert reply["headers"]["content-type"] == "application/json"
    assert json.loads(reply["body"])["rows"] == [["é"]]


@pytest.mark.parametrize("body", [None, "", "{", "[1", "\u00e9=", "SELECT 1"])
def test_http_bodies_that_are_not_json(service, body):
    event = {"httpMethod": "POST", "requestContext": {}, "body": body, "isBase64Encoded": body == "\u00e9="}
    reply = service.handle(event)
    assert (reply["statusCode"], json.loads(reply["body"])["error"]["code"]) == (400, "bad_request")


@pytest.mark.parametrize("body", [f'{{"query": "SELECT 1", "at": {"9" * 5000}}}', "[" * 100_000])
def test_a_body_beyond_the_limits_of_python_is_refused_in_our_words(service, body):
    event = {"httpMethod": "POST", "requestContext": {}, "body": body}
    error = json.loads(service.handle(event)["body"])["error"]
    assert error["code"] == "bad_request"
    assert not any(word in error["message"] for word in ("limit", "recursion", "sys."))


def sqs(*bodies, group=None):
    attributes = {} if group is None else {"MessageGroupId": group}
    return [
        {"messageId": f"{group or 'm'}{n}", "eventSource": "aws:sqs", "attributes": attributes, "body": body}
        for n, body in enumerate(bodies)
    ]


def failures(service, records):
    return [each["itemIdentifier"] for each in service.handle({"Records": records})["batchItemFailures"]]


CREATE, INSERT = json.dumps({"query": "CREATE TABLE t (a UNIQUE)"}), json.dumps({"query": "INSERT INTO t VALUES (1)"})


def test_a_batch_of_a_queue_that_is_delivered_twice_applies_once(service):
    records = sqs(CREATE, json.dumps({"query": "INSERT INTO t VALUES (random())"}))
    assert failures(service, records) == []
    assert failures(service, records) == []
    assert run(service, "SELECT count(*) FROM t").rows == [(1,)]


def test_no_message_is_lost_that_was_not_applied(service):
    """It goes back, for whatever reason it failed: no JSON, a constraint, no more time; the others are not held up."""
    slow = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO t SELECT i FROM n"
    late = json.dumps({"query": slow, "timeout": 0.05})
    assert failures(service, sqs(CREATE, INSERT, "not json", INSERT, late, CREATE.replace(" t ", " u "))) == [
        "m2",
        "m3",
        "m4",
    ]
    assert run(service, "SELECT count(*) FROM t, u").rows == [(0,)]
    assert run(service, "SELECT a FROM t").rows == [(1,)]


def test_a_group_of_a_fifo_queue_stops_at_its_first_failure(service):
    run(service, "CREATE TABLE t (a UNIQUE)")
    two = json.dumps({"query": "INSERT INTO t VALUES (2)"})
    records = [*sqs(INSERT, INSERT, two, group="a"), *sqs(two, group="b")]
    assert failures(service, records) == ["a1", "a2"]
    assert run(service, "SELECT a FROM t ORDER BY a").rows == [(1,), (2,)]


def test_one_line_a_request_and_never_a_value(service, capsys):
    run(service, "CREATE TABLE t (a)")
    event = {"query": "INSERT INTO t VALUES ('secret'), (?)", "params": ["hidden"], "request_id": "r1"}
    service.handle(event, Context())
    service.handle({"query": "SELECT secret FROM hidden"}, Context())
    text = capsys.readouterr().err
    first, second = [json.loads(line) for line in text.splitlines()]
    assert first["event"] == "request"
    assert (first["status"], first["aws_request_id"], first["request_id"]) == (200, "aws-1", "r1")
    assert (first["database"], first["txid"]) == ("main", 2)
    assert {"ms", "cold", "lock_wait_ms", "execute_ms", "commit_ms", "store_requests"} <= set(first)
    assert (second["status"], second["code"]) == (400, "sql_error")
    assert "secret" not in text
    assert "hidden" not in text


def test_a_bug_is_a_reply_and_a_traceback_in_the_log(service, capsys, monkeypatch):
    monkeypatch.setattr(service, "_database", lambda name: 1 / 0)
    reply = service.handle({"query": "SELECT 1"}, Context())
    assert (reply["statusCode"], reply["body"]["error"]["code"]) == (500, "internal")
    assert "aws-1" in reply["body"]["error"]["message"]
    (line,) = log_lines(capsys)
    assert "ZeroDivisionError" in line["traceback"]


@pytest.mark.parametrize(("code", "expected"), ERROR_CODES.items())
def test_every_error_has_its_status(service, monkeypatch, code, expected):
    def fail(request, remaining=None, **how):
        raise SldbError(code, "what", "next", key="k")

    monkeypatch.setattr(service, "reply", fail)
    reply = service.handle({"query": "SELECT 1"})
    assert reply["statusCode"] == expected.status
    assert reply["body"]["error"] == {"code": code, "message": "what", "hint": "next", "key": "k"}


def test_a_request_ends_before_its_function(service):
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    reply = service.handle({"query": endless, "timeout": 600}, Context(seconds=1))
    assert reply["body"]["error"]["code"] == "query_timeout"


@given(remaining=st.floats(0, 900), timeout=st.none() | st.floats(0, 2000))
def test_a_request_leaves_its_function_time_to_roll_back_and_answer(remaining, timeout):
    seconds = seconds_for(Request((Statement("SELECT 1"),), timeout=timeout), remaining)
    assert 0 <= seconds <= max(0, remaining - 0.25)
    assert seconds <= max(0, remaining - min(MAX_MARGIN_SECONDS, remaining / 3))
    assert timeout is None or seconds <= timeout


@given(remaining=st.floats(1, 900))
def test_what_does_not_end_is_given_up_while_its_caller_can_still_be_told(remaining):
    late = seconds_until_late(remaining)
    assert late > seconds_for(Request((Statement("SELECT 1"),)), remaining)
    assert remaining - late >= min(1.5, remaining / 4) - 1e-6


def handler_environment(tmp_path, **more):
    return {"SLDB_STORE": tmp_path.as_uri(), "SLDB_LOG_LEVEL": "error", **more}


def test_the_handler_without_lambda(tmp_path, monkeypatch):
    for name, value in handler_environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    assert db_function.handler({"query": "CREATE TABLE t (a)"}, None)["statusCode"] == 200
    assert db_function.handler({"query": "SELECT * FROM t"})["body"]["rows"] == []
    monkeypatch.setenv("SLDB_STORE", (tmp_path / "other").as_uri())
    assert db_function.handler({"query": "SELECT * FROM t"})["body"]["error"]["code"] == "sql_error"
    db_function._service.cache_clear()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SLDB_STORE", "bucket"),
        ("SLDB_LOCK", "dynamodb"),
        ("SLDB_LOCK_MAX_AGE_SECONDS", "soon"),
        ("SLDB_CACHE_BYTES", "-1"),
        ("SLDB_LOG_LEVEL", "loud"),
        ("SLDB_LOCK", "security-group"),  # without credentials
    ],
)
def test_a_bad_setting_is_named(tmp_path, monkeypatch, name, value):
    for each, fine in handler_environment(tmp_path).items():
        monkeypatch.setenv(each, fine)
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    monkeypatch.setenv(name, value)
    error = db_function.handler({"query": "SELECT 1"}, None)["body"]["error"]
    assert error["code"] == "internal"
    assert "SLDB_" in error["message"]


def test_in_lambda_the_service_is_opened_before_the_first_request(tmp_path):
    program = (
        "import sys, lambda_handlers.db_function as f; assert f._service.cache_info().currsize == 1;"
        "assert 'obstore' in sys.modules"
    )
    environment = {
        "SLDB_STORE": "s3://bucket/databases",
        "SLDB_LOCK": "none",
        "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:1",
        "PATH": os.environ["PATH"],
        "TMPDIR": str(tmp_path),
    }
    command = [sys.executable, "-c", program]
    said = subprocess.run(command, env=environment, check=True, timeout=60, capture_output=True, text=True).stderr
    assert '"event":"no_extension"' in said  # nothing listens there; all is done before each reply


def test_an_invocation_that_lambda_repeats_is_applied_once(service):
    """Asynchronous invocations are delivered at least once, each time with the same id of Lambda's."""
    service.handle({"query": "CREATE TABLE t (a)"}, Context())
    again = container(service._store, log_level="error")
    for each in (service, again, service):
        context = Context()
        context.aws_request_id = "aws-2"
        reply = each.handle({"query": "INSERT INTO t VALUES (random()) RETURNING a"}, context)
        assert reply["statusCode"] == 200
    assert run(service, "SELECT count(*) FROM t").rows == [(1,)]
    assert service.handle({"action": "result", "arguments": {"request_id": "aws-2"}})["body"]["txid"] == 2
    context.aws_request_id = "aws-3"
    service.handle({"query": "INSERT INTO t VALUES (1)"}, context)
    service.handle({"query": "INSERT INTO t VALUES (1)", "request_id": "mine"}, context)
    service.handle({"query": "INSERT INTO t VALUES (1)", "request_id": "mine"}, Context())
    assert run(service, "SELECT count(*) FROM t").rows == [(3,)]
    again.close()


def test_messages_that_are_delivered_again_in_any_way(service):
    """In the same batch, in another, to another container, while a group is held up before them."""
    run(service, "CREATE TABLE t (a)")
    insert = json.dumps({"query": "INSERT INTO t VALUES (random())"})
    records = [*sqs(insert, insert), *sqs(insert, insert)]  # two messages, each twice
    assert failures(service, records) == []
    again = container(service._store)
    assert failures(again, records) == []
    assert run(service, "SELECT count(*) FROM t").rows == [(2,)]
    group = sqs(insert, "no json", insert, group="g")
    assert failures(again, group) == ["g1", "g2"]
    assert failures(service, [group[0], *sqs(insert, insert, insert, group="g")]) == []
    assert run(service, "SELECT count(*) FROM t").rows == [(5,)]
    again.close()


@pytest.mark.parametrize("foreign", ["file", "directory", "link", "dangling link"])
def test_nothing_of_another_user_is_in_the_way_in_a_shared_temporary_directory(tmp_path, foreign):
    shared, elsewhere = tmp_path / "shared", tmp_path / "elsewhere"
    shared.mkdir()
    elsewhere.mkdir()
    if foreign == "file":
        (shared / "sldb").write_bytes(b"")
    elif foreign == "directory":
        (shared / "sldb").mkdir(0o500)
    else:
        (shared / "sldb").symlink_to(elsewhere if foreign == "link" else tmp_path / "nowhere")
    service = Service(Settings("memory:", lock="none", temp_dir=str(shared), log_level="error"), store=memory_store())
    run(service, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    assert run(service, "SELECT * FROM t").rows == [(1,)]
    assert [path.name for path in shared.iterdir()] == ["sldb"]  # while the copies are open
    assert list(elsewhere.iterdir()) == []
    service.close()


def test_a_temporary_directory_that_takes_no_file_is_named(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    directory = str(tmp_path / "file" / "below")
    service = Service(Settings("memory:", lock="none", temp_dir=directory, log_level="error"), store=memory_store())
    for query in ("SELECT 1", "CREATE TABLE t (a)"):
        error = service.handle({"query": query})["body"]["error"]
        assert (error["code"], error["applied"]) == ("store_error", "no")
        assert directory in error["message"]
    service.close()


FOR_ANOTHER_STACK = {
    "query": {"query": "INSERT INTO t VALUES (1)", "stack": "two"},
    "statements": {"statements": [{"query": "INSERT INTO t VALUES (1)"}], "stack": "two"},
    "read": {"query": "SELECT * FROM t", "stack": "two"},
    "action": {"action": "drop_database", "stack": "two"},
}


@pytest.mark.parametrize("event", FOR_ANOTHER_STACK.values(), ids=FOR_ANOTHER_STACK)
@pytest.mark.parametrize("shape", ["direct", "http", "queue"])
def test_what_is_meant_for_another_stack_is_refused_before_anything_is_opened(event, shape):
    service = container(memory_store(), stack="one")
    run(service, "CREATE TABLE t (a)")
    before = service._store.counters
    text = json.dumps(event)
    if shape == "queue":
        record = {"eventSource": "aws:sqs", "messageId": "m", "body": text}
        assert service.handle({"Records": [record]}) == {"batchItemFailures": [{"itemIdentifier": "m"}]}
    elif shape == "http":
        answer = service.handle({"requestContext": {}, "rawPath": "/", "body": text})
        assert (answer["statusCode"], json.loads(answer["body"])["error"]["stack"]) == (400, "one")
    else:
        answer = service.handle(event)
        error = answer["body"]["error"]
        assert (answer["statusCode"], error["code"]) == (400, "bad_request")
        assert (error["field"], error["stack"]) == ("stack", "one")
    assert service._store.counters == before
    assert run(service, "SELECT count(*) FROM t").rows == [(0,)]
    service.close()


def test_the_own_stack_may_be_named_and_need_not_be():
    service = container(memory_store(), stack="one")
    for named in ({}, {"stack": "one"}, {"stack": None}):
        assert service.handle({"query": "SELECT 1", **named})["statusCode"] == 200
        assert service.handle({"action": "databases", **named})["statusCode"] == 200
    service.close()


@pytest.mark.parametrize("name", ["", 5, True, ["one"], {"stack": "one"}])
def test_a_stack_is_named_by_text(name):
    service = container(memory_store(), stack="one")
    for event in ({"query": "SELECT 1", "stack": name}, {"action": "databases", "stack": name}):
        answer = service.handle(event)
        assert (answer["statusCode"], answer["body"]["error"]["field"]) == (400, "stack")
        assert "stack" not in answer["body"]["error"]  # no claim of what the function is of: the event makes no sense
    service.close()


def test_commands_in_hints_go_to_the_functions_own_stack(monkeypatch):
    for stack, command in (("test-db", "sldb deploy --timeout"), ("two", "sldb deploy --stack two --timeout")):
        service = container(memory_store(), stack=stack)
        answer = service.handle(
            {
                "query": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n",
                "timeout": 0.05,
            }
        )
        assert command in answer["body"]["error"]["hint"]
        service.close()
        monkeypatch.setenv("SLDB_STORE", "nowhere")
        monkeypatch.setenv("SLDB_STACK", stack)
        for handler in (db_function.handler, deadlock_fix.handler):
            hint = handler({"query": "SELECT 1"})["body"]["error"]["hint"]
            assert hint.endswith("sldb deploy" if stack == "test-db" else "sldb deploy --stack two")
