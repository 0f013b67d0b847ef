"""Attempts of a limited caller to go beyond its scope: each is refused with the same words whether the database that it
names exists or not, and neither changes nor reveals it.

docs/security.md has the table of these tests.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest

from lambda_handlers.actions.registry import ACTIONS
from lambda_handlers.actions.rights import NEEDS, Needs
from lambda_handlers.caller import OPERATORS_FIELDS, Caller
from lambda_handlers.http.routes.native import READING_ACTIONS
from lambda_handlers.service import Service
from lambda_handlers.storage.log.keys import cancel_prefix
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import Request
from tests.fakes.clock import Clock
from tests.fakes.databases.service import container, run
from tests.fakes.stores.faulty import PresigningStore
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed
from tests.lambda_handlers.attacks.callers import (
    APP,
    EVERYWHERE,
    GHOST,
    MINE,
    OTHER,
    PEER,
    READER,
    SECOND,
    SECRET,
    beyond,
    code,
    prepare,
    prepare_other,
    reveals,
    send,
)

UPLOAD, PUSH, FILE = "0" * 16, "0" * 14, "0000/0000000000000001-0000000000000001.ltx"
# Arguments with which each action would do something.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "branch": {"as": SECOND},
    "cancel": {"request_id": "of-theirs"},
    "describe": {"query": "SELECT * FROM theirs"},
    "drop_database": {},
    "file_create": {"key": "theirs/" + FILE, "upload": UPLOAD, "start": 0, "total": 0, "body": ""},
    "file_list": {"prefix": "theirs/"},
    "file_names": {},
    "file_read": {"key": "theirs/" + FILE, "length": 100},
    "pull_part": {"file": FILE, "length": 100},
    "pull_urls": {"files": [FILE]},
    "push_begin": {"upload": UPLOAD},
    "push_commit": {"upload": UPLOAD, "parts": [], "page_map": "", "first_page": "", "push": PUSH, "since": 0},
    "push_part": {"upload": UPLOAD, "part": f"00001-{'0' * 32}", "start": 0, "total": 0, "body": ""},
    "push_urls": {"upload": UPLOAD, "parts": [f"00001-{'0' * 32}"]},
    "redo": {"preview": True},
    "rename_database": {"to": SECOND},
    "restore": {"at": 1},
    "result": {"request_id": "of-theirs"},
    "set_database": {"foreign_keys": False},
    "undo": {"preview": True},
}


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> ObjectStore:
    return PresigningStore(Timed(memory_store(), clock))


@pytest.fixture
def service(store: ObjectStore, clock: Clock) -> Iterator[Service]:
    service = container(store, host=clock.host())
    prepare(service)
    prepare_other(service)
    yield service
    service.close()


def refused(service: Service, event: dict[str, Any], caller: Caller = APP) -> dict[str, Any]:
    """The error of a request that is forbidden."""
    body = send(service, event, caller)
    assert code(body) == "forbidden", (event, body)
    assert not reveals(body)
    return body["error"]  # type: ignore[no-any-return]  # it is JSON


def named(event: dict[str, Any], name: str) -> dict[str, Any]:
    """The same event about another database."""
    return json.loads(json.dumps(event).replace(OTHER, name))  # type: ignore[no-any-return]  # it is JSON


ON_ANOTHER: list[dict[str, Any]] = [
    {"database": OTHER, "query": "SELECT 1"},
    {"database": OTHER, "query": "SELECT * FROM theirs"},
    {"database": OTHER, "query": "nonsense"},
    {"database": OTHER, "query": "DELETE FROM theirs"},
    {"database": OTHER, "query": "DELETE FROM theirs", "dry_run": True},
    {"database": OTHER, "query": "DELETE FROM theirs", "read_only": True},
    {"database": OTHER, "query": "DELETE FROM theirs", "careful": True},
    {"database": OTHER, "query": "CREATE TABLE u (a)", "create": False},
    {"database": OTHER, "query": "SELECT 1", "at": 1},
    {"database": OTHER, "query": "SELECT 1", "at": "2026-11-01T10:00:00Z"},
    {"database": OTHER, "query": "SELECT 1", "max_staleness": 1000},
    {"database": OTHER, "query": "DELETE FROM theirs", "if_txid": 2},
    {"database": OTHER, "query": "INSERT INTO theirs VALUES (1)", "request_id": "of-theirs"},
    {"database": OTHER, "statements": [{"query": "SELECT 1"}], "on_error": "continue"},
    {"database": OTHER, "transaction": {"begin": True}},
    {"database": OTHER, "transaction": {"token": "AQB4"}, "query": "SELECT 1"},
    {"database": OTHER, "transaction": {"token": "AQB4", "end": "commit"}},
    {"database": OTHER, "transaction": {"begin": True, "end": "commit"}, "query": "DELETE FROM theirs"},
    {"database": MINE, "query": f"ATTACH '{OTHER}' AS o"},
    {"database": MINE, "query": f"ATTACH '{OTHER}' AS o; SELECT * FROM o.theirs"},
    {"database": MINE, "query": f"ATTACH '{OTHER}@1' AS o; SELECT * FROM o.theirs"},
    {"database": MINE, "query": f"ATTACH '{OTHER}@2026-11-01T10:00:00Z' AS o"},
    {"database": MINE, "query": "ATTACH ? AS o", "params": [OTHER]},
    {"database": MINE, "query": f"ATTACH '{OTHER}' AS o; INSERT INTO t SELECT 2, a FROM o.theirs"},
    {"database": MINE, "query": f"ATTACH '{OTHER}' AS o", "at": 1},
    {"database": MINE, "query": f"ATTACH '{OTHER}' AS o", "dry_run": True},
    {"database": MINE, "query": f"ATTACH '{OTHER}' AS o", "max_staleness": 1000},
    {"database": MINE, "query": f"ATTACH '{OTHER}' AS o", "transaction": {"begin": True}},
    {"database": MINE, "query": f"ATTACH '{OTHER}' AS o", "transaction": {"begin": True, "end": "commit"}},
    *(
        {"action": name, "database": OTHER, "arguments": ARGUMENTS.get(name, {})}
        for name, needs in NEEDS.items()
        if needs.uses_database
    ),
    {"action": "branch", "database": MINE, "arguments": {"as": OTHER}},
    {"action": "branch", "database": MINE, "arguments": {"as": OTHER, "at": 1}},
    {"action": "rename_database", "database": MINE, "arguments": {"to": OTHER}},
]


@pytest.mark.parametrize("event", ON_ANOTHER, ids=json.dumps)
def test_use_another_database(service: Service, store: ObjectStore, event: dict[str, Any]) -> None:
    before = beyond(store)
    error = refused(service, event)
    for name in (GHOST, "x0"):
        other = refused(service, named(event, name))
        assert json.dumps(other) == json.dumps(error).replace(OTHER, name)
    assert beyond(store) == before
    assert run(service, "SELECT * FROM t", database=MINE).rows == [(1, "x")]


@pytest.mark.parametrize("event", ON_ANOTHER, ids=json.dumps)
def test_open_another_database(service: Service, store: ObjectStore, clock: Clock, event: dict[str, Any]) -> None:
    """Nothing of it is read, so that no time that passes shows whether it exists."""
    fresh = container(store, host=clock.host())
    refused(fresh, event)
    assert set(fresh._databases) <= {MINE}
    fresh.close()


WRITES: list[dict[str, Any]] = [
    {"query": "INSERT INTO t VALUES (2, 'y')"},
    {"query": "INSERT INTO t VALUES (2, 'y')", "dry_run": True},
    {"query": "INSERT INTO t VALUES (2, 'y')", "dry_run": True, "at": 1},
    {"query": "SELECT 1; DROP TABLE t"},
    {"query": "CREATE TEMP TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t; END; INSERT INTO t VALUES (3, 3)"},
    {"query": "VACUUM"},
    {"query": "PRAGMA user_version = 9"},
    {"query": "ANALYZE"},
    {"query": "BEGIN; UPDATE t SET b = 'z'; COMMIT"},
    {"query": "UPDATE t SET b = 'z'", "max_staleness": 1000},
    {"statements": [{"query": "SELECT nope"}, {"query": "DELETE FROM t"}], "on_error": "continue"},
    {"query": "DELETE FROM t", "transaction": {"begin": True}},
    {"query": "DELETE FROM t", "transaction": {"begin": True, "end": "commit"}},
    *(
        {"action": name, "arguments": ARGUMENTS.get(name, {})}
        for name, needs in NEEDS.items()
        if needs.writes or needs.writes_to
    ),
]


@pytest.mark.parametrize("event", WRITES, ids=json.dumps)
def test_write_with_the_right_to_read(service: Service, store: ObjectStore, event: dict[str, Any]) -> None:
    send(service, {"query": "SELECT 1", "database": MINE}, READER)
    before = {info.key: store.get(info.key) for info in store.list_objects("")}
    refused(service, {"database": MINE, **event}, READER)
    after = {info.key: store.get(info.key) for info in store.list_objects("") if not info.key.startswith("_keys/")}
    assert after == before
    assert code(send(service, {"query": "SELECT * FROM t", "database": MINE}, READER)) == "ok"


def test_have_a_lock_taken_with_the_right_to_read(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader keeps no writer waiting."""

    def acquire(*_arguments: Any) -> None:
        raise AssertionError("the lock was taken")

    monkeypatch.setattr(service._resources.lock, "acquire", acquire)
    for event in WRITES:
        refused(service, {"database": MINE, **event}, READER)


def test_leave_a_mark_for_a_request_of_another_database(service: Service, store: ObjectStore) -> None:
    refused(service, {"action": "cancel", "database": OTHER, "arguments": {"request_id": "of-theirs"}})
    assert not list(store.list_objects(cancel_prefix()))


def test_write_with_a_right_that_was_taken_since_begin(service: Service) -> None:
    """A transaction that has written, and whose caller has lost the right to write since."""
    once = Caller(READER.name, READER.databases)
    begun = send(service, {"database": MINE, "transaction": {"begin": True}, "query": "DELETE FROM t"}, once)
    for more in ({"end": "commit"}, {}, {"end": "rollback"}):
        event = {"database": MINE, "transaction": {**begun["transaction"], **more}}
        refused(service, event if more else {**event, "query": "SELECT 1"}, READER)
    assert run(service, "SELECT * FROM t", database=MINE).rows == [(1, "x")]


def test_read_what_went_out_of_scope_since_begin(service: Service, store: ObjectStore, clock: Clock) -> None:
    """A transaction that has read another database, and whose caller has lost the right to it since: wherever it goes
    on, its statements run no more."""
    once = Caller(APP.name, None)
    query = f"ATTACH '{OTHER}' AS o; INSERT INTO t SELECT 2, a FROM o.theirs LIMIT 1"
    begun = send(service, {"database": MINE, "transaction": {"begin": True}, "query": query}, once)
    elsewhere = container(store, host=clock.host())
    for one in (service, elsewhere):
        for event in (
            {"transaction": begun["transaction"], "query": "SELECT * FROM t"},
            {"transaction": begun["transaction"], "query": "SELECT * FROM o.theirs"},
            {"transaction": {**begun["transaction"], "end": "commit"}},
        ):
            refused(one, {"database": MINE, **event}, APP)
    elsewhere.close()
    assert run(service, "SELECT * FROM t", database=MINE).rows == [(1, "x")]


def test_go_on_with_the_transaction_of_another_caller(service: Service) -> None:
    begun = send(service, {"database": MINE, "transaction": {"begin": True}, "query": "DELETE FROM t"}, APP)
    for caller in (PEER, READER, EVERYWHERE):
        for more in ({"end": "commit"}, {"end": "rollback"}, {}):
            event = {"database": MINE, "transaction": {**begun["transaction"], **more}, "query": "SELECT 1"}
            assert code(send(service, event, caller)) == "bad_request"
        described = {"query": "SELECT 1", "transaction": begun["transaction"]["token"]}
        event = {"action": "describe", "database": MINE, "arguments": described}
        assert code(send(service, event, caller)) == "bad_request"
    done = send(service, {"database": MINE, "transaction": {**begun["transaction"], "end": "commit"}}, APP)
    assert done["transaction"] == {"ended": "commit"}


def test_have_the_reply_of_another_caller(service: Service) -> None:
    """By its request id: in the action, and by a write that claims to be the same."""
    write = {"database": MINE, "query": "INSERT INTO t VALUES (2, 'of app') RETURNING b", "request_id": "r"}
    assert code(send(service, write, APP)) == "ok"
    for caller in (PEER, READER, EVERYWHERE):
        told = send(service, {"action": "result", "database": MINE, "arguments": {"request_id": "r"}}, caller)
        assert (told["state"], told["reply"]) == ("not_applied", None)
        for name in ("app", "nobody"):
            asked = {"request_id": "r", "caller": name}
            refused(service, {"action": "result", "database": MINE, "arguments": asked}, caller)
    same = {"database": MINE, "query": "INSERT INTO t VALUES (3, 'of peer') RETURNING b", "request_id": "r"}
    assert send(service, same, PEER)["rows"] == [["of peer"]]
    assert send(service, same, EVERYWHERE)["error"]["code"] == "constraint"
    assert send(service, write, APP)["rows"] == [["of app"]]  # once
    assert run(service, "SELECT count(*) FROM t", database=MINE).rows == [(3,)]


def test_take_the_id_of_a_request_that_has_none(service: Service) -> None:
    """Lambda's own id of an invocation stands for a write without one; sent by another caller it finds nothing."""
    write = {"database": MINE, "query": "INSERT INTO t VALUES (2, 'of app') RETURNING b"}
    assert send(service, write, APP)["rows"] == [["of app"]]
    asked = {"action": "result", "database": MINE, "arguments": {"request_id": "lambda-1"}}
    assert send(service, asked, APP)["state"] == "applied"
    assert send(service, asked, PEER)["state"] == "not_applied"
    assert send(service, asked)["state"] == "not_applied"
    assert send(service, {**asked, "arguments": {"request_id": "lambda-1", "caller": "app"}})["state"] == "applied"


def test_write_the_text_that_stands_for_the_id_of_another_caller(service: Service) -> None:
    own_id = APP.own_id("r")
    event = {"database": MINE, "query": "DELETE FROM t", "request_id": own_id}
    for caller in (PEER, EVERYWHERE, Caller()):
        assert code(send(service, event, caller)) == "bad_request"
        asked = {"action": "result", "database": MINE, "arguments": {"request_id": own_id}}
        assert code(send(service, asked, caller)) == "bad_request"


def test_cancel_the_request_of_another_caller(service: Service, store: ObjectStore) -> None:
    """The mark of one has another key, so that it neither stops the request of another nor takes the room of its
    marks; only an operator may name the caller."""

    def marks(by: Caller, **arguments: Any) -> set[str]:
        before = {info.key for info in store.list_objects(cancel_prefix())}
        event = {"action": "cancel", "database": MINE, "arguments": {"request_id": "r", **arguments}}
        assert code(send(service, event, by)) == "ok"
        return {info.key for info in store.list_objects(cancel_prefix())} - before

    theirs = [marks(caller) for caller in (APP, PEER, EVERYWHERE, Caller())]
    assert len(set().union(*theirs)) == 4
    assert marks(Caller(), caller="app") == set()  # it is beside that of the app
    for caller in (APP, PEER, READER, EVERYWHERE):
        event = {"action": "cancel", "database": MINE, "arguments": {"request_id": "r", "caller": "somebody"}}
        refused(service, event, caller)


def test_stop_the_request_of_another_caller(store: ObjectStore, service: Service, clock: Clock) -> None:
    """Marks by a caller, before a statement that does not end by itself: only its own ends as cancelled."""
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n"

    class Ticking(Clock):
        def now(self) -> float:
            self.sleep(0.01)
            return self.time

    def outcome(marked: Caller, runs: Caller, **arguments: Any) -> str:
        ticking = Ticking(clock.time)
        one = container(store, host=ticking.host())
        mark = {"action": "cancel", "database": MINE, "arguments": {"request_id": "r", "attempt": "a", **arguments}}
        send(service, mark, marked)
        event = {"database": MINE, "query": endless, "request_id": "r", "attempt": "a", "timeout": 10}
        ended = code(send(one, event, runs))
        one.close()
        clock.time = ticking.time + 3600
        return ended

    assert outcome(PEER, APP) == "query_timeout"
    assert outcome(EVERYWHERE, APP) == "query_timeout"
    assert outcome(APP, APP) == "cancelled"
    assert outcome(Caller(), APP, caller="app") == "cancelled"
    assert outcome(Caller(), Caller()) == "cancelled"


def test_choose_chance_and_time_without_being_an_operator(service: Service) -> None:
    pin = {"seed": "00" * 16, "time": "2026-11-01T10:00:00Z"}
    for caller in (APP, READER, EVERYWHERE):
        refused(service, {"database": MINE, "query": "SELECT random()", "pin": pin}, caller)
    assert code(send(service, {"database": MINE, "query": "SELECT random()", "pin": pin})) == "ok"


def test_send_a_field_that_was_not_classified() -> None:
    """A new field of a request is for all callers or for operators: whoever adds it decides, here and in `caller`."""
    for_all = """
        statements database at max_staleness read_only if_txid request_id attempt dry_run careful create timeout stack
        on_error transaction message command expect min_txid last
    """
    assert {one.name for one in fields(Request)} - set(OPERATORS_FIELDS) == set(for_all.split())


def test_send_an_action_that_has_no_entry(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    assert set(NEEDS) == set(ACTIONS), "every action needs an entry in lambda_handlers/actions/rights.py"
    monkeypatch.delitem(NEEDS, "history")
    for caller in (APP, EVERYWHERE):
        refused(service, {"action": "history", "database": MINE}, caller)
    assert code(send(service, {"action": "history", "database": MINE})) == "ok"


def test_write_by_the_route_that_reads() -> None:
    """It takes the actions that need no right to write, and no other."""
    assert {name for name, needs in NEEDS.items() if not (needs.writes or needs.writes_to)} == READING_ACTIONS


def test_find_other_databases_in_the_list(service: Service) -> None:
    run(service, "CREATE TABLE t (a)", database="zz")
    for everything in (False, True):
        event = {"action": "databases", "arguments": {"all": everything}}
        listed = {caller.name: send(service, event, caller)["databases"] for caller in (APP, READER, EVERYWHERE)}
        assert [one["name"] for one in listed["app"]] == [MINE, SECOND]
        assert [one["name"] for one in listed["reader"]] == [MINE]
        assert [one["name"] for one in listed["everywhere"]] == [MINE, SECOND, OTHER, "zz"]


def test_find_the_source_of_a_copy_in_a_lock(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a writer is doing is shown to those who wait for it: it names no other database."""
    lock = service._resources.lock
    shown: list[str] = []
    real = lock.acquire

    def acquire(database: str, until: float, doing: str, sleep: Any) -> Any:
        shown.append(doing)
        return real(database, until, doing, sleep)

    monkeypatch.setattr(lock, "acquire", acquire)
    for event in (
        {"action": "branch", "database": OTHER, "arguments": {"as": "copy"}},
        {"action": "drop_database", "database": "copy"},
        {"action": "branch", "database": OTHER, "arguments": {"as": "copy"}},
        {"action": "rename_database", "database": "copy", "arguments": {"to": GHOST}},
    ):
        assert code(send(service, event)) == "ok"
    assert len(shown) >= 3
    assert not any(name in doing for doing in shown for name in (OTHER, GHOST, "copy"))


def test_sign_the_history_with_another_name(service: Service) -> None:
    """The note's caller is the one that the front has identified."""
    send(service, {"database": MINE, "query": "INSERT INTO t VALUES (2, 2)", "message": "by operator"}, APP)
    send(service, {"action": "restore", "database": MINE, "arguments": {"at": 1}}, PEER)
    lines = send(service, {"action": "history", "database": MINE}, READER)["transactions"]
    assert [line["caller"] for line in lines] == ["peer", "app", None]
    for event in (
        {"database": MINE, "query": "SELECT 1", "caller": "other"},
        {"action": "restore", "database": MINE, "arguments": {"at": 1, "caller": "other"}},
    ):
        assert code(send(service, event, APP)) == "bad_request"


def test_what_a_limited_caller_may_do(service: Service) -> None:
    """All of it, in its scope."""
    for event in (
        {"query": f"ATTACH '{SECOND}' AS s; SELECT * FROM s.t", "database": MINE},
        {"query": "ATTACH 'mine@1' AS s; SELECT * FROM s.t", "database": MINE},
        {"action": "drop_database", "database": SECOND},
        {"action": "branch", "database": MINE, "arguments": {"as": SECOND}},
        {"action": "drop_database", "database": MINE},
        {"action": "rename_database", "database": SECOND, "arguments": {"to": MINE}},
        {"action": "pull", "database": MINE},
        {"action": "push_begin", "database": MINE, "arguments": {"upload": UPLOAD}},
    ):
        assert code(send(service, event, APP)) == "ok", event
    assert send(service, {"query": "SELECT * FROM t", "database": MINE}, READER)["rows"] == [[1, "x"]]
    assert NEEDS["history"] == Needs()
    assert SECRET in json.dumps(send(service, {"query": "SELECT * FROM theirs", "database": OTHER}, EVERYWHERE))
