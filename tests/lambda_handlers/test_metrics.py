"""Metrics in the log: from the real lines of the functions, and by the rules of CloudWatch's format."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers import metrics
from lambda_handlers.database.writer_turns import Turns
from lambda_handlers.host import Host
from lambda_handlers.locks.s3 import ObjectLock
from lambda_handlers.log import Log
from lambda_handlers.metrics import UNITS, Metrics
from lambda_handlers.settings import BadSetting, Settings
from lambda_handlers.storage.log import work_items
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from tests.fakes.aws.embedded_metrics import metrics_in
from tests.fakes.clock import Clock
from tests.fakes.databases.service import container, run
from tests.fakes.stores.faulty import FaultyStore, Step, refuse, works
from tests.fakes.stores.memory import memory_store

EVENTS = ("request", "given_up", "batch", "stale_lock_freed", "free_locks", "maintenance", "maintained", "announced")
EVENTS += ("after_reply", "after_reply_failed", "not_published", "extension_lost", "lock_not_released")
NUMBERS = st.floats(0, 1e12, allow_nan=False) | st.integers(0, 10**12)
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "status": st.sampled_from([200, 202, 400, 404, 409, 413, 499, 500, 503]),
        "code": st.sampled_from(["lock_timeout", "sql_error", None]),
        "database": st.sampled_from(["main", "a" * 64, None]),
        "freed": st.lists(st.just({"lock_id": "x"}), max_size=3),
        **{
            name: NUMBERS | st.none()
            for name in ("lock_wait_ms", "store_requests", "bytes_in", "bytes_out", "log_length", "age_seconds")
        },
        **{
            name: st.integers(0, 50)
            for name in ("ms", "commit_ms", "conflicts", "messages", "failed", "skipped", "commits")
        },
    },
)


def settings(**others: Any) -> Settings:
    return Settings(store="file:///unused", stack="orders", metrics="true", memory_bytes=1 << 30, **others)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def counted(text: str) -> dict[str, float]:
    """The sum of each metric over the lines of a log."""
    found: dict[str, float] = {}
    for line in text.splitlines():
        for name, value in metrics_in(line).items():
            found[name] = found.get(name, 0) + value
    return found


@given(st.sampled_from(EVENTS), FIELDS, st.sampled_from(["true", "databases"]), st.sampled_from(["info", "error"]))
def test_every_line_is_valid_whatever_is_in_it(event: str, fields: dict[str, Any], kind: str, level: str) -> None:
    stream = io.StringIO()
    own = Settings(store="file:///unused", stack="orders", metrics=kind)
    Log(level, stream, metrics=Metrics(own)).info(event, **fields)
    for line in stream.getvalue().splitlines():
        assert metrics_in(line).keys() <= UNITS.keys()
        assert level == "info" or "_aws" in json.loads(line)


def test_a_level_above_info_hides_the_line_but_not_its_metrics() -> None:
    stream = io.StringIO()
    Log("error", stream, metrics=Metrics(settings())).info("request", status=200, ms=5.0, database="main", txid=7)
    (line,) = lines(stream.getvalue())
    assert "txid" not in line
    assert (line["Stack"], line["requests"], line["request_ms"]) == ("orders", 1, 5.0)


def test_without_the_setting_nothing_is_added(capsys: pytest.CaptureFixture[str]) -> None:
    service = container(memory_store(), log_level="info")
    service.handle({"query": "SELECT 1"})
    service.close()
    assert all("_aws" not in line for line in lines(capsys.readouterr().err))


@pytest.mark.parametrize(("text", "value"), [("", ""), ("false", ""), ("true", "true"), ("databases", "databases")])
def test_the_setting(text: str, value: str) -> None:
    environment = {"SLDB_STORE": "file:///x", "SLDB_METRICS": text}
    assert Settings.from_environment(environment).metrics == value
    with pytest.raises(BadSetting, match="SLDB_METRICS"):
        Settings.from_environment({**environment, "SLDB_METRICS": "yes"})


def test_requests_writes_and_errors(capsys: pytest.CaptureFixture[str]) -> None:
    service = container(memory_store(), log_level="info", metrics="true")
    for query in ("CREATE TABLE t (a)", "INSERT INTO t VALUES (1)", "SELECT * FROM t", "SELECT nothing"):
        service.handle({"query": query})
    service.close()
    found = counted(capsys.readouterr().err)
    assert (found["requests"], found["commits"], found["client_errors"]) == (4, 2, 1)
    assert "server_errors" not in found
    assert found["bytes_out"] > 0
    assert found["store_requests"] >= 3
    assert {"request_ms", "lock_wait_ms"} <= found.keys()


def test_a_bug_is_an_error_of_the_server() -> None:
    stream = io.StringIO()
    log = Log("error", stream, metrics=Metrics(settings()))
    log.error("request", status=500, code="internal", ms=1.0)
    log.error("given_up", code="query_timeout")
    assert counted(stream.getvalue())["server_errors"] == 2


def test_a_wait_for_the_lock_that_was_in_vain_counts_as_a_wait() -> None:
    stream = io.StringIO()
    Log("info", stream, metrics=Metrics(settings())).info("request", status=503, code="lock_timeout", ms=9000.0)
    assert counted(stream.getvalue())["lock_wait_ms"] == 9000.0


def test_names_of_databases_are_dimensions_only_if_asked_for_and_only_of_those_that_exist(
    capsys: pytest.CaptureFixture[str],
) -> None:
    service = container(memory_store(), log_level="info", metrics="databases")
    service.handle({"query": "CREATE TABLE t (a)", "database": "app"})
    service.handle({"query": "SELECT * FROM t", "database": "guessed"})
    service.close()
    directives = [line["_aws"]["CloudWatchMetrics"][0]["Dimensions"] for line in lines(capsys.readouterr().err)]
    assert directives == [[["Stack"], ["Stack", "Database"]], [["Stack"]]]


def test_lost_races_are_counted(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    store = memory_store()
    mine, other = (container(store, log_level="info", metrics="true") for _ in range(2))
    run(other, "CREATE TABLE t (a)")
    run(mine, "SELECT * FROM t")
    overtakes = iter([lambda: run(other, "INSERT INTO t VALUES (1)")])
    monkeypatch.setattr(Turns, "give_way", lambda *_: next(overtakes, lambda: None)())
    reply = mine.handle({"query": "INSERT INTO t VALUES (2)"})
    assert reply["body"]["stats"]["conflicts"] == 1
    assert counted(capsys.readouterr().err)["conflicts"] == 1
    mine.close()
    other.close()


def fail(key: str, act: object) -> None:
    raise KeyError(key)


@pytest.mark.parametrize(("step", "failures"), [(works, 0), (refuse, 1), (fail, 1)])
def test_failures_after_a_reply_are_counted(capsys: pytest.CaptureFixture[str], step: Step, failures: int) -> None:
    """The work is the release of the lock, which replaces its object."""
    clock, store = Clock(), FaultyStore(memory_store())
    lock = ObjectLock(store, clock.host(), max_age_seconds=90, retry_seconds=1.0)
    service = container(store, lock, clock.host(), metrics="true")
    service.after_reply.put_off(has_thread=False)
    run(service, "CREATE TABLE t (a)", last=True)
    store.plan("replace", step)
    assert "after_reply_failures" not in counted(capsys.readouterr().err)
    service.after_reply.finish()
    found = counted(capsys.readouterr().err)
    assert found.get("after_reply_failures", 0) == failures
    assert found["after_reply_ms"] >= 0
    service.close()


def test_a_stale_lock_that_a_waiting_writer_frees_is_seen(capsys: pytest.CaptureFixture[str]) -> None:
    store, long_ago = memory_store(), Host(now=lambda: 1_800_000_000.0)
    ObjectLock(store, long_ago, max_age_seconds=90, retry_seconds=1).acquire("main", 1_800_000_001.0, "INSERT")
    now = Host(now=lambda: 1_800_000_100.0)
    service = container(
        store, ObjectLock(store, now, max_age_seconds=90, retry_seconds=1), now, log_level="warning", metrics="true"
    )
    run(service, "CREATE TABLE t (a)")
    run(service, "INSERT INTO t VALUES (1)")
    service.close()
    text = capsys.readouterr().err
    assert [line["event"] for line in lines(text)] == ["stale_lock_freed"]
    assert counted(text)["stale_locks_freed"] == 1


def test_messages_of_a_queue_count_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Their lines of requests and the line of their batch complement each other."""
    service = container(memory_store(), log_level="info", metrics="true", queue_tries=3)
    run(service, "CREATE TABLE t (a)")
    capsys.readouterr()
    queries = [*(f"INSERT INTO t VALUES ({n})" for n in range(5)), "INSERT INTO nothing VALUES (1)"]
    records = [
        {"eventSource": "aws:sqs", "messageId": f"m{n}", "body": json.dumps({"query": query}), "attributes": {}}
        for n, query in enumerate(queries)
    ]
    assert service.handle({"Records": records}) == {"batchItemFailures": [{"itemIdentifier": "m5"}]}
    service.close()
    found = counted(capsys.readouterr().err)
    assert (found["requests"], found["batch_messages"], found["client_errors"], found["commits"]) == (6, 6, 1, 1)
    assert found["store_requests"] > 0


def test_locks_freed_by_the_scheduled_function_are_counted() -> None:
    stream = io.StringIO()
    log = Log("warning", stream, metrics=Metrics(settings()))
    log.info("free_locks", checked=2, freed=[{}, {}], failed=[])
    log.info("free_locks", checked=0, freed=[], failed=[])
    assert counted(stream.getvalue()) == {"stale_locks_freed": 2}
    assert len(stream.getvalue().splitlines()) == 1


def maintained(store: Any, until: float = float("inf")) -> dict[str, float]:
    stream = io.StringIO()
    log = Log("error", stream, metrics=Metrics(settings()))
    Maintenance(store, Host(), log, retention_days=30).run(until)
    return counted(stream.getvalue())


def test_a_run_of_maintenance_counts_only_if_every_database_had_its_turn() -> None:
    store = memory_store()
    assert maintained(store)["maintenance_runs"] == 1
    service = container(store)
    for number in range(3):
        run(service, "CREATE TABLE t (a)" if not number else "INSERT INTO t VALUES (1)")
    service.close()
    work_items.put(store, "main", 3)
    found = maintained(store)
    assert found["maintenance_runs"] == 1
    assert "maintenance_failures" not in found
    assert found["log_length"] == 0  # a merge has taken all
    assert found["maintenance_memory_percent"] > 0
    work_items.put(store, "main", 3)
    skipped = maintained(store, until=0.0)
    assert "maintenance_runs" not in skipped
    assert "maintenance_failures" not in skipped


def test_a_failed_pass_is_a_failure_of_maintenance() -> None:
    store = memory_store()
    service = container(store)
    for number in range(4):
        run(service, "CREATE TABLE t (a)" if not number else "INSERT INTO t VALUES (1)")
    service.close()
    middle = sorted(info.key for info in store.list_objects("main/0000/"))[1]
    store.delete(middle)
    found = maintained(store)
    assert found["maintenance_failures"] == 1
    assert "maintenance_runs" not in found


def test_memory_is_reported_where_the_system_does(monkeypatch: pytest.MonkeyPatch) -> None:
    peak = metrics.peak_memory_bytes()
    assert peak is None or 1 << 20 < peak < 1 << 40
    monkeypatch.setattr(metrics, "peak_memory_bytes", lambda: 768 << 20)
    found = Metrics(settings()).members("request", {"status": 200, "ms": 1}, 0.0)
    assert found["memory_percent"] == 75.0
    monkeypatch.setattr(metrics, "peak_memory_bytes", lambda: None)
    assert "memory_percent" not in Metrics(settings()).members("request", {"status": 200, "ms": 1}, 0.0)
