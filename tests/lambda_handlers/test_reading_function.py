"""A function that only reads (SLDB_READ_ONLY): whatever is asked of it, it writes to no database, and takes no lock.

Its store records every call that arrives there: no object is made but below `_replies/` and `_streams/`, and none is
deleted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from typing import Any, TypeAlias

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lambda_handlers.actions.registry import ACTIONS
from lambda_handlers.actions.rights import NEEDS
from lambda_handlers.caller import OPERATOR, Caller
from lambda_handlers.http.messages import HttpRequest
from lambda_handlers.locks.none import NoLock
from lambda_handlers.service import Service
from lambda_handlers.settings import BadSetting, Settings
from lambda_handlers.storage.log.keys import transaction, transactions_key
from lambda_handlers.storage.pages import opening
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import Action, Request, SldbError, is_action
from tests.fakes.databases.interactive import Interactive
from tests.fakes.databases.service import container, run
from tests.fakes.stores.faulty import FaultyStore, PresigningStore
from tests.fakes.stores.memory import memory_store

WRITING_VERBS = {"create", "create_from", "assemble", "put", "replace", "delete"}
MAY_CREATE = ("_replies/", "_streams/")
UPLOAD = "0" * 16
FILE = "0000/0000000000000001-0000000000000001.ltx"
# Arguments with which each action would do something.
ARGUMENTS: dict[str, dict[str, Any]] = {
    "branch": {"as": "copy"},
    "cancel": {"request_id": "r"},
    "create_database": {},
    "databases": {},
    "describe": {"query": "INSERT INTO t VALUES (?, ?)"},
    "drop_database": {},
    "file_create": {"key": f"main/{FILE}", "upload": UPLOAD, "start": 0, "total": 0, "body": ""},
    "file_list": {"prefix": "main/"},
    "file_names": {},
    "file_read": {"key": f"main/{FILE}", "length": 100},
    "history": {},
    "pull": {},
    "pull_part": {"file": FILE, "length": 100},
    "pull_urls": {"files": [FILE]},
    "push_begin": {"upload": UPLOAD},
    "push_commit": {"upload": UPLOAD, "parts": [], "page_map": "", "first_page": "", "push": "0" * 14, "since": 0},
    "push_part": {"upload": UPLOAD, "part": f"00001-{'0' * 32}", "start": 0, "total": 0, "body": ""},
    "push_urls": {"upload": UPLOAD, "parts": [f"00001-{'0' * 32}"]},
    "redo": {},
    "rename_database": {"to": "copy"},
    "restore": {"at": 1},
    "result": {"request_id": "r"},
    "rows": {"id": "0" * 16},
    "set_database": {"foreign_keys": False},
    "undo": {},
}
READS = {"databases", "describe", "history", "pull", "pull_part", "pull_urls", "result", "rows"}
COUNT = "WITH RECURSIVE c (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c LIMIT 20000) SELECT x FROM c"

TEXT = "".join(sha256(bytes([n % 256, n >> 8])).hexdigest() for n in range(2000))  # too much for a token

WRITING: list[dict[str, Any]] = [
    {"query": "INSERT INTO t VALUES (9, 'y')"},
    {"query": "INSERT INTO t VALUES (9, 'y')", "dry_run": True},
    {"query": "INSERT INTO t VALUES (9, 'y')", "dry_run": True, "at": 1},
    {"query": "INSERT INTO t VALUES (9, 'y')", "request_id": "new"},
    {"query": "DELETE FROM t", "careful": True},
    {"query": "DELETE FROM t", "if_txid": 1},
    {"query": "DELETE FROM t", "at": 1},
    {"query": "DELETE FROM t", "read_only": True},
    {"query": "DELETE FROM t", "max_staleness": 1000},
    {"query": "DELETE FROM t", "message": "why", "command": "delete"},
    {"query": "DELETE FROM t", "pin": {"seed": "00" * 16, "time": "2026-11-26T11:04:12Z"}},
    {"query": "UPDATE t SET b = 'z' RETURNING a"},
    {"query": "SELECT 1; DROP TABLE t"},
    {"query": "CREATE TABLE u (a)"},
    {"query": "CREATE TABLE u (a)", "database": "new"},
    {"query": "CREATE TABLE u (a)", "database": "new", "create": True},
    {"query": "CREATE TEMP TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t; END; INSERT INTO t VALUES (9, 3)"},
    {"query": "CREATE TEMP TABLE x AS SELECT * FROM t"},
    {"query": "VACUUM"},
    {"query": "REINDEX"},
    {"query": "PRAGMA user_version = 9"},
    {"query": "ANALYZE"},
    {"query": "BEGIN; UPDATE t SET b = 'z'; COMMIT"},
    {"query": "SAVEPOINT s; UPDATE t SET b = 'z'; RELEASE s"},
    {"query": "ATTACH 'other' AS o; INSERT INTO t SELECT 9, a FROM o.u"},
    {"statements": [{"query": "SELECT nope"}, {"query": "DELETE FROM t"}], "on_error": "continue"},
    {"query": "DELETE FROM t", "transaction": {"begin": True}},
    {"query": "DELETE FROM t", "transaction": {"begin": True, "end": "commit"}},
    {"query": "DELETE FROM t; COMMIT", "transaction": {"begin": True}},
    *({"action": name, "arguments": ARGUMENTS.get(name, {})} for name in sorted(set(ACTIONS) - READS)),
]
READING: list[dict[str, Any]] = [
    {"query": "SELECT * FROM t"},
    {"query": "SELECT * FROM t", "at": 1},
    {"query": "SELECT * FROM t", "at": 1, "dry_run": True},
    {"query": "SELECT * FROM t", "dry_run": True},
    {"query": "SELECT * FROM t", "min_txid": 2},
    {"query": "SELECT * FROM t", "request_id": "never sent"},
    {"query": "INSERT INTO t VALUES (2, 'y')", "request_id": "r"},  # applied before: its reply is on record
    {"query": "INSERT INTO t VALUES (2, 'y')", "request_id": "large"},  # likewise, as an object
    {"query": "SELECT * FROM t", "max_staleness": 1000},
    {"query": "SELECT * FROM t", "pin": {"seed": "00" * 16, "time": "2026-11-26T11:04:12Z"}},
    {"query": "EXPLAIN QUERY PLAN DELETE FROM t"},
    {"query": "EXPLAIN INSERT INTO t VALUES (9, 9)"},
    {"query": "ATTACH 'other' AS o; SELECT * FROM o.u"},
    {"query": "ATTACH 'other@1' AS o; SELECT * FROM o.u, t"},
    {"query": "ATTACH 'other' AS o; DELETE FROM o.u"},  # read_only of the attached database
    {"query": "BEGIN; SELECT * FROM t; COMMIT"},
    {"query": "PRAGMA user_version; PRAGMA foreign_keys = on; PRAGMA integrity_check"},
    {"query": "SELECT * FROM t", "database": "ghost"},
    {"query": "nonsense"},
    {"query": COUNT},
    *({"action": name, "arguments": ARGUMENTS[name]} for name in sorted(READS)),
]


class Untouchable(NoLock):
    """A lock that no writer may ask for."""

    def acquire(self, *_arguments: Any) -> Any:
        raise AssertionError("the lock was taken")


class World:
    def __init__(self) -> None:
        self.store = PresigningStore(memory_store())
        self.writer = container(self.store, reply_limit_bytes=100_000)
        run(self.writer, "CREATE TABLE t (a INTEGER PRIMARY KEY, b); INSERT INTO t VALUES (1, 'x')")
        run(self.writer, "INSERT INTO t VALUES (2, 'y')", request_id="r")
        run(self.writer, f"INSERT INTO t VALUES (3, 'z'); {COUNT}", request_id="large")
        run(self.writer, "CREATE TABLE u (a)", database="other")
        self.reader = container(self.store, Untouchable(self.writer._host), read_only=True, reply_limit_bytes=100_000)
        self.tokens: dict[str, str] = {}
        self.begin()

    def begin(self) -> None:
        """Take what is there now as what the reader finds."""
        self.before = self.objects()
        self.store.calls.clear()

    def objects(self) -> dict[str, bytes]:
        """The objects that a function that only reads may not change."""
        at = self.store.store
        return {info.key: at.get(info.key) for info in at.list_objects("") if not info.key.startswith(MAY_CREATE)}

    def check(self) -> None:
        """Raise AssertionError if the reader has written, or tried to."""
        for verb, key in self.store.calls:
            assert verb not in WRITING_VERBS or (verb.startswith("create") and key.startswith(MAY_CREATE)), (verb, key)
        assert self.objects() == self.before

    def close(self) -> None:
        self.reader.close()
        self.writer.close()


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.close()


@pytest.fixture(scope="module")
def lasting() -> Iterator[World]:
    made = World()
    yield made
    made.close()


@pytest.fixture
def unchanged(lasting: World) -> World:
    """One world for all requests that must leave it as it is: making it takes longer than a refusal."""
    lasting.begin()
    return lasting


def send(service: Service, event: dict[str, Any], caller: Caller = OPERATOR) -> dict[str, Any]:
    """Return the body of the reply, or of the error."""
    try:
        if is_action(event):
            return service.act(Action.decode(event), caller=caller)
        return service.reply(Request.decode(event), caller=caller, invocation_id="lambda-1").encode()
    except SldbError as error:
        return error.encode()


def without_chance(body: dict[str, Any]) -> dict[str, Any]:
    """Return a reply without what differs from one sending to the next: times of work, names of objects."""
    text = json.dumps({name: value for name, value in body.items() if name not in ("stats", "urls")}, sort_keys=True)
    found: dict[str, Any] = json.loads(text, object_hook=_without_urls)
    return found


def _without_urls(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in ("rows_url", "stats", "since")}


def test_every_action_is_known_to_read_or_to_write() -> None:
    """An action that is added must get its place here, and its arguments."""
    assert set(ACTIONS) == set(ARGUMENTS) == set(NEEDS)
    assert {name for name, needs in NEEDS.items() if not needs.puts_anything} == READS


@pytest.mark.parametrize("event", WRITING, ids=json.dumps)
def test_what_writes_is_refused_and_not_attempted(unchanged: World, event: dict[str, Any]) -> None:
    error = send(unchanged.reader, event)["error"]
    assert (error["code"], error.get("applied")) == ("read_only", "no"), error
    assert unchanged.reader.handle(event)["statusCode"] == 403
    assert "this function only reads" in error["message"]
    assert "query function" in error["hint"]
    unchanged.check()
    if is_action(event):  # refused before the store is asked anything
        assert unchanged.store.calls == []
    assert run(unchanged.reader, "SELECT count(*) FROM t").rows == [(3,)]


@pytest.mark.parametrize("event", WRITING, ids=json.dumps)
def test_a_limited_caller_is_refused_too(unchanged: World, event: dict[str, Any]) -> None:
    for caller in (Caller("app", frozenset({"main"})), Caller("viewer", frozenset({"main"}), may_write=False)):
        assert send(unchanged.reader, event, caller)["error"]["code"] in ("read_only", "forbidden")
    unchanged.check()


@pytest.mark.parametrize("event", READING, ids=json.dumps)
def test_what_reads_has_the_reply_of_the_query_function(world: World, event: dict[str, Any]) -> None:
    read = send(world.reader, event)
    world.check()
    assert without_chance(read) == without_chance(send(world.writer, event))


EVENTS = st.sampled_from([*WRITING, *READING])
OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "at": st.sampled_from([0, 1, 2, 3]),
        "dry_run": st.booleans(),
        "careful": st.booleans(),
        "read_only": st.booleans(),
        "create": st.booleans(),
        "max_staleness": st.sampled_from([0, 1000]),
        "on_error": st.sampled_from(["stop", "continue"]),
        "request_id": st.sampled_from(["r", "large", "x"]),
        "if_txid": st.sampled_from([0, 3]),
        "database": st.sampled_from(["main", "other", "ghost"]),
    },
)
TOKENS = st.sampled_from([None, "reader", "writer"])  # continue no transaction, that of a reader or of a writer
ENDS = st.sampled_from([None, "commit", "rollback"])


Asked: TypeAlias = tuple[dict[str, Any], dict[str, Any], "str | None", "str | None"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(EVENTS, OPTIONS, TOKENS, ENDS), min_size=1, max_size=5))
def test_no_sequence_of_requests_writes(world: World, asked: list[Asked]) -> None:
    """One world for all examples: none of them may change it."""
    if not world.tokens:
        world.tokens["reader"] = Interactive(world.writer, query="SELECT * FROM t").token
        world.tokens["writer"] = Interactive(world.writer, query="INSERT INTO t VALUES (7, 7)").token
        world.begin()  # with the key of the tokens
    tokens = dict(world.tokens)
    for event, options, owner, end in asked:
        sent = event if is_action(event) else {**event, **options}
        if owner and not is_action(event):
            kept = {name: sent[name] for name in ("query", "statements", "params", "on_error") if name in sent}
            sent = {**kept, "transaction": {"token": tokens[owner], **({"end": end} if end else {})}}
        body = send(world.reader, sent)
        if owner and "token" in (body.get("transaction") or {}):
            tokens[owner] = body["transaction"]["token"]
    world.check()
    world.begin()


# Transactions


def test_a_transaction_that_reads(world: World) -> None:
    Interactive(world.writer).rollback()  # makes the key
    client = Interactive(world.reader)
    assert client.rows("SELECT count(*) FROM t") == [(3,)]
    run(world.writer, "INSERT INTO t VALUES (4, 'w')")
    assert client.rows("SELECT count(*) FROM t") == [(3,)]
    assert client.commit().transaction == {"ended": "commit"}


def test_a_transaction_may_begin_here_and_write_at_the_query_function(world: World) -> None:
    Interactive(world.writer).rollback()
    client = Interactive(world.reader, query="SELECT count(*) FROM t")
    with pytest.raises(SldbError) as caught:
        client.run("DELETE FROM t")
    assert (caught.value.code, caught.value.transaction) == ("read_only", None)
    client.run("INSERT INTO t VALUES (5, 'v')", service=world.writer)
    assert client.rows("SELECT count(*) FROM t", service=world.reader) == [(4,)]  # it reads what it has written
    with pytest.raises(SldbError) as caught:
        client.commit()
    assert (caught.value.code, caught.value.details["applied"]) == ("read_only", "no")
    client.commit(world.writer)
    assert run(world.reader, "SELECT count(*) FROM t").rows == [(4,)]


def test_a_statement_beside_a_commit_writes_nothing(world: World) -> None:
    client = Interactive(world.writer, query="SELECT 1")
    world.begin()
    with pytest.raises(SldbError) as caught:
        client.commit(world.reader, query="DELETE FROM t")
    assert (caught.value.code, caught.value.details["applied"]) == ("read_only", "no")
    world.check()


def test_without_a_key_there_are_no_transactions_and_none_is_made(world: World) -> None:
    for event in (
        {"transaction": {"begin": True}, "query": "SELECT 1"},
        {"transaction": {"token": "AQB4" + "A" * 80}, "query": "SELECT 1"},
    ):
        error = send(world.reader, event)["error"]
        assert (error["code"], error["applied"], error["key"]) == ("read_only", "no", transactions_key())
        assert "begin a transaction on the query function" in error["hint"]
        world.check()
    Interactive(world.writer).rollback()
    Interactive(world.reader).rollback()


def test_a_large_transaction_becomes_an_object(world: World) -> None:
    Interactive(world.writer).rollback()
    world.begin()
    client = Interactive(world.reader)
    client.run("SELECT length(?)", [TEXT])
    assert [key.partition("/")[0] for verb, key in world.store.calls if verb == "create"] == ["_streams"]
    assert client.rows("SELECT 1") == [(1,)]
    world.check()


def test_in_a_directory_no_old_object_is_removed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.store, "presign", lambda *_arguments: None)  # a directory makes no addresses
    Interactive(world.writer).rollback()
    world.begin()
    client = Interactive(world.reader)
    client.run("SELECT length(?)", [TEXT])
    world.check()
    assert not [verb for verb, key in world.store.calls if verb == "list_objects" and key == "_streams/"]


# Reading that would make objects for other readers


def test_a_page_map_that_it_has_to_make_is_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WHOLE_CHAIN_BYTES", "UNMAPPED_WHOLE_BYTES"):
        monkeypatch.setattr(opening, name, 1 << 16)
    store = FaultyStore(memory_store())
    writer = container(store)
    run(
        writer,
        "CREATE TABLE t (x); WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4000) "
        "INSERT INTO t SELECT hex(randomblob(600)) FROM n",
    )
    for key in (*transaction(1).page_map_keys("main"), "main/head.json"):
        store.delete(key)
    store.calls.clear()
    warned: list[str] = []
    reader = container(store, read_only=True)
    reader._resources.log.warning = lambda what, **_fields: warned.append(what)  # type: ignore[method-assign]
    assert run(reader, "SELECT count(*) FROM t").rows == [(4000,)]
    assert not [call for call in store.calls if call[0] in WRITING_VERBS]
    assert warned == []
    assert run(container(store), "SELECT count(*) FROM t").rows == [(4000,)]
    assert ("create", transaction(1).page_map_key("main")) in store.calls  # another function does put it
    for service in (writer, reader):
        service.close()


# Other ways in


@pytest.mark.parametrize("path", ["/main/query", "/main/read", "/"])
def test_over_http(world: World, path: str) -> None:
    body = json.dumps({"query": "DELETE FROM t"}).encode()
    response = world.reader.http.respond(
        HttpRequest("POST", path, {"content-type": "application/json"}, body, OPERATOR)
    )
    assert (response.status, json.loads(response.body)["error"]["code"]) == (403, "read_only")
    world.check()


@pytest.mark.parametrize("sql", ["DELETE FROM t", "BEGIN IMMEDIATE; DELETE FROM t; COMMIT", "VACUUM"])
def test_over_hrana(world: World, sql: str) -> None:
    requests = [{"type": "sequence", "sql": sql}, {"type": "close"}]
    body = json.dumps({"requests": requests}).encode()
    headers = {"content-type": "application/json"}
    response = world.reader.http.respond(HttpRequest("POST", "/main/v3/pipeline", headers, body, OPERATOR))
    assert json.loads(response.body)["results"][0]["type"] == "error"
    world.check()


def test_a_queue_gets_its_messages_back(world: World) -> None:
    record = {"eventSource": "aws:sqs", "messageId": "m", "body": json.dumps({"query": "DELETE FROM t"})}
    assert world.reader.handle({"Records": [record]}) == {"batchItemFailures": [{"itemIdentifier": "m"}]}
    world.check()


# The setting


@pytest.mark.parametrize("text", ["1", "yes", "TRUE", "on", " true", "0"])
def test_a_mistyped_setting_is_no_permission_to_write(text: str) -> None:
    with pytest.raises(BadSetting, match="SLDB_READ_ONLY"):
        Settings.from_environment({"SLDB_STORE": "s3://b/p", "SLDB_READ_ONLY": text})


@pytest.mark.parametrize(("text", "means"), [("true", True), ("false", False), ("", False)])
def test_the_setting(text: str, means: bool) -> None:
    found = Settings.from_environment({"SLDB_STORE": "s3://b/p", "SLDB_READ_ONLY": text})
    assert (found.read_only, found.lock) == (means, "none" if means else "security-group")


def test_a_function_that_only_reads_needs_no_credentials_for_a_lock(world: World, store: ObjectStore) -> None:
    Service(Settings.from_environment({"SLDB_STORE": "file:///unused", "SLDB_READ_ONLY": "true"}), store=store).close()


@pytest.mark.parametrize("event", [{"query": "DELETE FROM t"}, {"action": "drop_database"}, {"action": "cancel"}])
def test_while_databases_move_a_refusal_names_the_move(world: World, event: dict[str, Any]) -> None:
    if "action" in event:
        event = {**event, "arguments": ARGUMENTS[event["action"]]}
    with closing(container(world.store, read_only=True, moving_to="efs")) as moving:
        error = moving.handle(event)["body"]["error"]
    assert (error["code"], error["reason"], error["applied"]) == ("read_only", "moving", "no")
    assert "being moved to efs" in error["message"]
    assert "sldb migrate-storage efs" in error["hint"]
    world.check()
