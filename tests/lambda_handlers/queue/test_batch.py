"""Batches of a queue: what is committed together, what fails alone, and what goes back."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pytest

from lambda_handlers.locks.s3 import ObjectLock
from lambda_handlers.queue.group import Group
from lambda_handlers.service import Service
from lambda_handlers.sql import session
from lambda_handlers.store.protocol import ObjectStore
from tests.fakes.clock import Clock
from tests.fakes.databases.past import act
from tests.fakes.databases.service import container, run
from tests.fakes.sqs import Held, Killed, Queue
from tests.fakes.stores.faulty import FaultyStore, lose_answer, meanwhile, refuse
from tests.fakes.stores.memory import memory_store

INSERT = {"query": "INSERT INTO t (a) VALUES (?)"}
BAD = {"query": "INSERT INTO missing VALUES (1)"}


def insert(number: int, **fields: Any) -> dict[str, Any]:
    return {**INSERT, "params": [number], **fields}


def records(*bodies: Any, group: str | None = None, receives: int = 1, prefix: str = "m") -> list[dict[str, Any]]:
    texts = [body if isinstance(body, str) else json.dumps(body) for body in bodies]
    held = [Held(f"{prefix}{n}", text, group, 1_800_000_000.0, receives) for n, text in enumerate(texts)]
    return [one.record() for one in held]


def failed(service: Service, sent: list[dict[str, Any]]) -> list[str]:
    return [one["itemIdentifier"] for one in service.handle({"Records": sent})["batchItemFailures"]]


def newest(service: Service, database: str = "main") -> int:
    return run(service, "SELECT 1", database=database).txid


def values(service: Service, database: str = "main") -> list[int]:
    return [int(row[0]) for row in run(service, "SELECT a FROM t ORDER BY rowid", database=database).rows]  # type: ignore[arg-type]


@pytest.fixture
def store() -> FaultyStore:
    return FaultyStore(memory_store())


@pytest.fixture
def service(store: FaultyStore) -> Any:
    made = container(store, queue_tries=3, log_level="info")
    run(made, "CREATE TABLE t (a INTEGER UNIQUE)")
    yield made
    made.close()


# How many commits


@pytest.mark.parametrize(("group", "size", "most"), [("main", 10, 12), (None, 100, 2)])
@pytest.mark.parametrize("dies", ["never", "before the commit", "after the commit"])
def test_a_hundred_inserts(store: FaultyStore, service: Service, group: str, size: int, most: int, dies: str) -> None:
    queue = Queue(tries=5)
    for number in range(100):
        queue.send(insert(number), group)
    before, handle = newest(service), service.handle
    if dies != "never":

        def die(key: str, create: Callable[[], Any]) -> None:
            if dies == "after the commit":
                create()
            raise Killed

        store.plan("create", *[lambda key, create: create()] * (100 // size // 2), die)
    while queue.waiting:
        if queue.deliver(handle, size) and queue.waiting and store.calls and dies != "never":
            handle = container(store).handle  # the next container
    assert values(service) == list(range(100))
    assert newest(service) - before <= most
    assert not queue.dead


def test_the_messages_of_each_database_are_one_commit(service: Service) -> None:
    run(service, "CREATE TABLE t (a)", database="other")
    mixed = [insert(n, database="other" if n % 2 else "main") for n in range(10)]
    assert failed(service, records(*mixed)) == []
    assert (newest(service), newest(service, "other")) == (2, 2)
    assert values(service, "other") == [1, 3, 5, 7, 9]


def test_one_lock_for_all(store: FaultyStore) -> None:
    clock = Clock()
    lock = ObjectLock(store, clock.host(), max_age_seconds=90, retry_seconds=1)
    service = container(store, lock, clock.host())
    run(service, "CREATE TABLE t (a)")
    before = len([one for one in store.calls if "lock" in one[1]])
    failed(service, records(insert(1)))
    once = len([one for one in store.calls if "lock" in one[1]]) - before
    failed(service, records(*map(insert, range(50)), prefix="n"))
    assert len([one for one in store.calls if "lock" in one[1]]) - before == 2 * once
    service.close()


def test_a_new_database_begins_with_its_first_write(service: Service) -> None:
    create = {"query": "CREATE TABLE t (a)", "database": "new"}
    assert failed(service, records(create, *(insert(n, database="new") for n in range(20)))) == []
    assert newest(service, "new") == 2


# Failures


def test_in_a_standard_queue_a_bad_message_fails_alone(service: Service) -> None:
    sent = records(insert(1), BAD, "no json", insert(1), {"action": "databases"}, {"query": "x"}, insert(2))
    assert failed(service, sent) == ["m1", "m2", "m3", "m4", "m5"]
    assert (values(service), newest(service)) == ([1, 2], 2)


def test_in_a_fifo_queue_it_takes_the_rest_of_its_group_with_it(service: Service) -> None:
    one = records(insert(1), BAD, insert(2), group="g", prefix="g")
    two = records(insert(3), insert(4), group="h", prefix="h")
    assert failed(service, [one[0], two[0], one[1], one[2], two[1]]) == ["g1", "g2"]
    assert (values(service), newest(service)) == ([1, 3, 4], 2)


@pytest.mark.parametrize("bad", [BAD, "no json", {"action": "databases"}, {"query": "VACUUM; SELECT 1"}])
def test_on_its_last_try_it_goes_to_the_dead_letters_by_itself(service: Service, bad: Any) -> None:
    queue = Queue(tries=3)
    for body in (insert(1), bad, insert(2), insert(3)):
        queue.send(body, "main")
    while queue.waiting:
        queue.deliver(service.handle, 10)
    assert [one.body for one in queue.dead] == [bad if isinstance(bad, str) else json.dumps(bad)]
    assert values(service) == [1, 2, 3]


def test_a_statement_fails_as_a_whole_message(service: Service) -> None:
    several = {"statements": [insert(1), insert(2), {"query": "INSERT INTO t VALUES (1)"}]}
    assert failed(service, records(insert(0), several, insert(3))) == ["m1"]
    assert values(service) == [0, 3]


@pytest.mark.parametrize(
    "script",
    [
        "INSERT INTO t VALUES (1); INSERT OR ROLLBACK INTO t VALUES (1)",
        "BEGIN; INSERT INTO t VALUES (1); COMMIT; INSERT INTO t VALUES (1)",
        "BEGIN; INSERT INTO t VALUES (1); COMMIT; BEGIN; INSERT INTO t VALUES (2)",
        "SAVEPOINT s; INSERT INTO t VALUES (1); RELEASE s; INSERT INTO t VALUES (1)",
        "CREATE TABLE c (a REFERENCES t (a) DEFERRABLE INITIALLY DEFERRED); INSERT INTO c VALUES (2)",
        "CREATE TEMP TRIGGER r BEFORE INSERT ON t BEGIN SELECT RAISE(ROLLBACK, 'no'); END; INSERT INTO t VALUES (1)",
        "VACUUM; SELECT 1",
    ],
)
def test_what_ends_a_transaction_of_sqlite_undoes_its_own_message_alone(service: Service, script: str) -> None:
    assert failed(service, records(insert(7), {"query": script}, insert(8))) == ["m1"]
    assert values(service) == [7, 8]
    assert run(service, "SELECT count(*) FROM sqlite_schema WHERE name IN ('c', 'p')").rows == [(0,)]
    assert run(service, "PRAGMA integrity_check").rows == [("ok",)]


def test_after_an_error_that_leaves_no_trust_in_the_draft_the_others_run_again(service: Service) -> None:
    endless = "WITH RECURSIVE n(i) AS (SELECT 9 UNION ALL SELECT i + 1 FROM n) INSERT INTO t SELECT i FROM n"
    slow = {"query": endless, "timeout": 0.05}
    assert failed(
        service, records(insert(1), slow, insert(2), {"query": "SELECT zeroblob(99999999999)"}, insert(3))
    ) == [
        "m1",
        "m3",
    ]
    assert values(service) == [1, 2, 3]


def test_a_bug_stops_its_own_message(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def steps_of(statements: Any, check: Any) -> Any:
        return 1 / 0 if "bug" in statements[0].query else real(statements, check)

    real = session.steps_of
    monkeypatch.setattr(session, "steps_of", steps_of)
    assert failed(service, records(insert(1), {"query": "SELECT 'bug'"}, insert(3))) == ["m1"]
    assert values(service) == [1, 3]


def test_a_lost_race_runs_all_of_them_again(store: FaultyStore, service: Service) -> None:
    other = container(store)
    store.plan("create", meanwhile(lambda: run(other, "INSERT INTO t VALUES (2)")))
    assert failed(service, records(insert(1), insert(2), insert(3))) == ["m1"]  # now it fails
    assert sorted(values(service)) == [1, 2, 3]
    other.close()


def test_a_commit_without_an_answer_is_found(store: FaultyStore, service: Service) -> None:
    sent = records(insert(1), insert(2))
    store.plan("create", lose_answer)
    assert failed(service, sent) == []
    assert failed(service, sent) == []
    assert values(service) == [1, 2]


# What shares no transaction


ALONE: list[dict[str, Any]] = [
    {"query": "VACUUM"},
    {"query": "ATTACH 'main' AS o; INSERT INTO t SELECT 5 FROM o.t LIMIT 1"},
    insert(5, if_txid=2),
    insert(5, min_txid=2),
    insert(5, careful=True),
    {"query": "SELECT * FROM t", "at": 1},
    insert(5, dry_run=True),
    {"query": "SELECT 1", "read_only": True},
    {**insert(5), "transaction": {"begin": True, "end": "commit"}},
]


@pytest.mark.parametrize("body", ALONE, ids=lambda body: json.dumps(body)[:40])
def test_what_runs_alone_runs_in_its_place(service: Service, body: dict[str, Any]) -> None:
    assert failed(service, records(insert(1), insert(2), body, insert(3), insert(4))) == []
    assert [one for one in values(service) if one != 5] == [1, 2, 3, 4]
    txids = [act(service, "result", request_id=f"m{n}")["txid"] for n in (0, 1, 3, 4)]
    assert txids[0] == txids[1] == 2
    assert txids[2] == txids[3] > 2


def test_a_vacuum_is_a_transaction_of_its_own(service: Service) -> None:
    assert failed(service, records(insert(1), {"query": "/**/ vacuum;"}, insert(2))) == []
    newest_ones = act(service, "history", limit=3)["transactions"]
    assert [one["kind"] for one in newest_ones] == ["INSERT", "VACUUM", "INSERT"]


TOGETHER: list[dict[str, Any]] = [
    {"query": "PRAGMA foreign_keys = OFF; INSERT INTO t VALUES (5)"},
    {"query": "BEGIN; INSERT INTO t VALUES (5); COMMIT"},
    insert(5, on_error="continue"),
    insert(5, timeout=5),
    insert(5, expect=[None]),
    insert(5, pin={"seed": "00" * 16, "time": "2026-11-01T00:00:00Z"}),
    insert(5, max_staleness=60),
    {"query": "CREATE TEMP TABLE x (a); INSERT INTO t VALUES (5)"},
    {"query": "SELECT 'vacuum'"},
]


@pytest.mark.parametrize("body", TOGETHER, ids=lambda body: json.dumps(body)[:40])
def test_what_shares_a_transaction(service: Service, body: dict[str, Any]) -> None:
    before = newest(service)
    assert failed(service, records(insert(1), body, insert(3))) == []
    assert newest(service) == before + 1


def test_nothing_of_a_connection_reaches_the_next_message(service: Service) -> None:
    run(service, "CREATE TABLE p (a PRIMARY KEY); CREATE TABLE c (a REFERENCES p)")
    sent = records(
        {
            "query": "PRAGMA foreign_keys = OFF; INSERT INTO c VALUES (1); CREATE TEMP TABLE x (a); "
            "INSERT INTO t VALUES (9)"
        },
        {"query": "INSERT INTO c VALUES (2)"},
        {"query": "SELECT * FROM x"},
        {"query": "SELECT changes(), last_insert_rowid()", "request_id": "r"},
    )
    assert failed(service, sent) == ["m1", "m2"]
    assert act(service, "result", request_id="r")["reply"]["rows"] == [[0, 0]]


def test_the_foreign_keys_of_a_message_are_checked_at_its_end(service: Service) -> None:
    run(service, "CREATE TABLE p (a PRIMARY KEY); CREATE TABLE c (a REFERENCES p DEFERRABLE INITIALLY DEFERRED)")
    sent = records({"query": "INSERT INTO c VALUES (1)"}, {"query": "INSERT INTO p VALUES (1)"}, insert(1))
    assert failed(service, sent) == ["m0"]


def test_foreign_groups_keep_their_order_across_databases(service: Service) -> None:
    run(service, "CREATE TABLE t (a UNIQUE)", database="other")
    sent = records(
        insert(1),
        insert(1, database="other"),
        insert(1, database="other"),
        insert(2),
        group="g",
    )
    assert failed(service, sent) == ["m2", "m3"]
    assert (values(service), values(service, "other")) == ([1], [1])


# Once


def test_the_same_id_twice_runs_once(service: Service) -> None:
    one = insert(1, request_id="same")
    assert failed(service, records(one, insert(2), one)) == []
    assert failed(service, records(one, prefix="n")) == []
    assert values(service) == [1, 2]
    assert newest(service) == 2


def test_result_finds_each_of_them(service: Service) -> None:
    sent = records(insert(1), {"query": "SELECT count(*) FROM t"}, BAD)
    assert failed(service, sent) == ["m2"]
    found = [act(service, "result", request_id=f"m{n}") for n in range(3)]
    assert [(one["state"], one["txid"]) for one in found] == [("applied", 2), ("applied", 2), ("not_applied", None)]
    assert found[1]["reply"]["rows"] == [[1]]


@pytest.mark.parametrize("body", [insert(1), insert(1, request_id="r")])
def test_an_id_is_remembered_for_as_long_as_the_queue_keeps_messages(body: dict[str, Any]) -> None:
    clock = Clock()
    store = memory_store()
    service = container(store, host=clock.host(), queue_retention_days=14.0)
    run(service, "CREATE TABLE t (a)")
    sent = records(body)
    for days, applied in ((0, 1), (0.1, 1), (13, 1), (15, 2)):
        clock.time = 1_800_000_000.0 + days * 86_400
        run(service, "CREATE TABLE IF NOT EXISTS t (a)", request_id=f"moves the log {days}")
        assert failed(service, sent) == []
        assert run(service, "SELECT count(*) FROM t").rows == [(applied,)]
        found = act(service, "result", request_id=body.get("request_id", "m0"))
        assert (found["state"], found["reply"] is None) == ("applied", 0.05 < days < 14)
    service.close()


def test_a_message_that_runs_alone_is_remembered_as_long() -> None:
    clock = Clock()
    service = container(memory_store(), host=clock.host())
    sent = records({"query": "CREATE TABLE t (a)"}, insert(1, careful=True))
    assert failed(service, sent) == []
    clock.time += 86_400
    run(service, "CREATE TABLE u (a)", request_id="moves the log")
    assert failed(service, sent) == []
    assert newest(service) == 3
    service.close()


def test_a_branch_does_not_take_the_messages_of_its_source_for_its_own(service: Service) -> None:
    assert failed(service, records(insert(1, request_id="r"))) == []
    act(service, "branch", **{"as": "copy"})
    assert failed(service, records(insert(2, request_id="r", database="copy"))) == []
    assert values(service, "copy") == [1, 2]


# Time, notes, and the log


class Context:
    aws_request_id = "aws-1"

    def __init__(self, clock: Clock, seconds: float) -> None:
        self._clock, self._end = clock, clock.time + seconds

    def get_remaining_time_in_millis(self) -> int:
        return round((self._end - self._clock.time) * 1000)


def test_what_would_come_too_late_goes_back_untried(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a)")
    real, ran = Group._run_in, []

    def slowly(self: Any, session: Any, made: Any, progress: Any) -> int:
        ran.append(made)
        clock.time += 1.0
        return real(self, session, made, progress)

    monkeypatch.setattr(Group, "_run_in", slowly)
    reply = service.handle({"Records": records(*map(insert, range(100)), group="g")}, Context(clock, 20.0))
    back = [one["itemIdentifier"] for one in reply["batchItemFailures"]]
    done = values(service)
    assert done == list(range(len(done)))
    assert back == [f"m{n}" for n in range(len(done), 100)]
    assert len(done) >= 12
    assert clock.time < 1_800_000_000.0 + 19.0
    service.close()


@pytest.mark.parametrize("group", [None, "of its database"])
def test_a_held_lock_costs_other_databases_no_delivery(store: FaultyStore, group: str | None) -> None:
    clock = Clock()
    lock, other = (ObjectLock(store, clock.host(), max_age_seconds=900, retry_seconds=1) for _ in range(2))
    service = container(store, lock, clock.host())
    for name in "abc":
        run(service, "CREATE TABLE t (a)", database=name)
    other.acquire("a", clock.time + 60, "maintenance")
    sent = [records(insert(n, database=name), group=group and name, prefix=name)[0] for n in (1,) for name in "abc"]
    reply = service.handle({"Records": sent}, Context(clock, 60.0))
    assert reply["batchItemFailures"] == [{"itemIdentifier": "a0"}]
    assert (values(service, "b"), values(service, "c")) == ([1], [1])
    service.close()


class RealContext:
    """A function with so much time from now on, by the clock of the machine."""

    aws_request_id = "aws-1"

    def __init__(self, seconds: float) -> None:
        self._end = time.time() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return round((self._end - time.time()) * 1000)


ENDLESS = {"query": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"}


def test_a_slow_message_of_a_standard_queue_keeps_no_other_from_its_turn(service: Service) -> None:
    run(service, "CREATE TABLE t (a)", database="other")
    sent = records(ENDLESS, insert(1), insert(2), insert(3, database="other"))
    reply = service.handle({"Records": sent}, RealContext(1.0))
    assert reply["batchItemFailures"] == [{"itemIdentifier": "m0"}]
    assert (values(service), values(service, "other")) == ([1, 2], [3])


def test_a_slow_message_of_a_fifo_queue_holds_up_its_group_alone(service: Service) -> None:
    run(service, "CREATE TABLE t (a)", database="other")
    one = records(insert(1), ENDLESS, insert(2), group="main", prefix="m")
    two = records(insert(3, database="other"), group="other", prefix="o")
    reply = service.handle({"Records": one + two}, RealContext(1.0))
    assert [each["itemIdentifier"] for each in reply["batchItemFailures"]] == ["m1", "m2"]
    assert (values(service), values(service, "other")) == ([1], [3])


def test_a_slow_message_is_not_overtaken_by_its_group_in_another_database(service: Service) -> None:
    run(service, "CREATE TABLE t (a)", database="other")
    sent = records(insert(1), ENDLESS, insert(2, database="other"), group="g")
    reply = service.handle({"Records": sent}, RealContext(1.0))
    assert [each["itemIdentifier"] for each in reply["batchItemFailures"]] == ["m1", "m2"]
    assert (values(service), values(service, "other")) == ([1], [])


def test_the_note_of_a_group_has_those_of_its_messages(service: Service) -> None:
    sent = records(insert(1, message="one", command="c"), insert(2, message="two", command="c"), {"query": "SELECT 1"})
    assert failed(service, sent) == []
    newest_one = act(service, "history", limit=1)["transactions"][0]
    assert (newest_one["message"], newest_one["command"], newest_one["kind"]) == ("one; two", "c", "INSERT")


def test_the_log_has_a_line_for_each_message_and_one_for_the_batch(
    service: Service, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    failed(service, records(insert(4711), BAD, {"query": "VACUUM"}, insert(2)))
    text = capsys.readouterr().err
    lines = [json.loads(line) for line in text.splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert [line["status"] for line in requests] == [200, 400, 200, 200]
    assert [line.get("code") for line in requests] == [None, "sql_error", None, None]
    assert {"request_id", "database", "txid", "ms", "execute_ms"} <= set(requests[0])
    (batch,) = [line for line in lines if line["event"] == "batch"]
    assert {
        name: batch[name]
        for name in (
            "messages",
            "groups",
            "commits",
            "group_commits",
            "failed",
            "untried",
        )
    } == {
        "messages": 4,
        "groups": 3,
        "commits": 3,
        "group_commits": 2,
        "failed": 1,
        "untried": 0,
    }
    assert batch["age_seconds"] >= 0
    assert {"lock_wait_ms", "conflicts", "store_requests", "store_writes", "bytes_in", "bytes_out", "ms"} <= set(batch)
    assert "4711" not in text


def test_a_batch_that_fails_for_want_of_the_store_goes_back_whole(store: FaultyStore, service: Service) -> None:
    store.plan("create", refuse)
    assert failed(service, records(insert(1), BAD, insert(2))) == ["m0", "m1", "m2"]
    assert values(service) == []
