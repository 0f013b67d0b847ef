"""Rows too many for a reply in a store without URLs: the client has all of them, of one state, or an error."""

from __future__ import annotations

import base64
import json
import tracemalloc
from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, TypeVar

import pytest

from lambda_handlers.actions.transfer import rows as action
from lambda_handlers.caller import Caller
from lambda_handlers.service import Service
from lambda_handlers.storage.log.keys import replies_prefix, rows_key
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.protocol import Refused
from lambda_handlers.wire import ROWS_ADDRESS, Action, Reply, Request, SldbError
from sldb.client import Client
from sldb.targets.remote import RemoteTarget
from sldb.transfer.database.snapshot import QueryScan, Snapshot
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store

LIMIT = 100_000
SERIES = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT %d) SELECT i, hex(zeroblob(20)) FROM n"
MANY = SERIES % 5000

T = TypeVar("T")


class Function(RemoteTarget):
    """A function of this process, as the client has it."""

    name = "function"

    def __init__(self, service: Service) -> None:
        super().__init__(lambda _: None)
        self.service = service
        self.events: list[dict[str, Any]] = []
        self.before: Callable[[dict[str, Any]], object] = lambda _event: None

    def _decoded(self, database: str, event: dict[str, Any], read: Callable[[Any], T]) -> T:
        self.events.append(event)
        self.before(event)
        reply = json.loads(json.dumps(self.service.handle(json.loads(json.dumps(event)))))
        if reply["statusCode"] != 200:
            raise SldbError.decode(reply["body"])
        return read(reply["body"])

    def _download(self, url: str) -> Iterator[bytes]:
        raise AssertionError(url)

    def close(self) -> None:
        """Nothing is open."""

    def parts(self) -> list[dict[str, Any]]:
        return [event["arguments"] for event in self.events if event.get("action") == "rows"]


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path)


@pytest.fixture
def function(store: DirectoryStore) -> Iterator[Function]:
    with closing(container(store, reply_limit_bytes=LIMIT)) as service:
        yield Function(service)


def ask(function: Function, query: str, params: Any = None, **fields: Any) -> Reply:
    return function.send(Request.decode({"query": query, "params": params, **fields}))


def kept(store: DirectoryStore) -> list[str]:
    return [info.key for info in store.list_objects(replies_prefix())]


def test_the_client_sees_no_difference(
    function: Function, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(action, "SLICE_BYTES", 2000)
    assert ask(function, MANY).rows == run(container(memory_store()), MANY).rows
    assert len(kept(store)) == 1
    assert [part["start"] for part in function.parts()] == list(range(0, 2000 * len(function.parts()), 2000))
    assert len(function.parts()) > 3
    assert run(function.service, "SELECT 1").results[0].stored is None


def test_at_the_limit_and_beyond_it(function: Function, store: DirectoryStore) -> None:
    """One byte more, and the rows leave the reply."""

    def is_stored(size: int) -> bool:
        reply = function.service.handle({"query": f"SELECT printf('%.*c', {size}, 'a')"})
        assert len(json.dumps(reply)) < LIMIT
        return "rows_url" in reply["body"]

    least = bisect_left(range(LIMIT), True, key=is_stored)
    for path in kept(store):
        store.delete(path)
    for size in (least - 1, least, least + 1, 3 * LIMIT):
        assert ask(function, f"SELECT printf('%.*c', {size}, 'a')").rows == [("a" * size,)]
    assert len(kept(store)) == 3
    assert 0.7 * LIMIT < least < 0.76 * LIMIT


@pytest.mark.parametrize("value", ["a\0b\0", "\0", "é\U0001f600\n\r\u2028", "", b"\0\xff" * 50, b"", None, 1e308, -7])
def test_every_value_comes_back(function: Function, value: Any) -> None:
    body = {"$blob": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
    series = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 4000) SELECT i, ? FROM n"
    assert ask(function, series, [body]).rows == [(i + 1, value) for i in range(4000)]
    assert function.parts()


def test_one_large_blob(function: Function) -> None:
    [(blob,)] = ask(function, "SELECT randomblob(300000)").rows
    assert isinstance(blob, bytes)
    assert len(blob) == 300_000


def test_all_parts_are_of_one_state(function: Function, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(action, "SLICE_BYTES", 1000)
    ask(function, f"CREATE TABLE t AS {MANY}")
    with closing(container(function.service._store, reply_limit_bytes=LIMIT)) as writer:
        function.before = lambda event: run(writer, "DELETE FROM t WHERE i % 2") if "action" in event else None
        reply = ask(function, "SELECT i FROM t ORDER BY i")
    assert reply.rows == [(i + 1,) for i in range(5000)]
    function.before = lambda _: None
    assert ask(function, "SELECT count(*) FROM t").rows == [(2500,)]


def test_a_write_gives_its_first_rows_again(function: Function, store: DirectoryStore) -> None:
    ask(function, "CREATE TABLE t (a, b)")
    query = f"INSERT INTO t {MANY} RETURNING a, random()"
    first = ask(function, query, request_id="r")
    assert ask(function, query, request_id="r").rows == first.rows
    found, reply = function.result("main", "r")
    assert (found["state"], reply and reply.rows) == ("applied", first.rows)
    assert len(kept(store)) == 1
    assert ask(function, "SELECT count(*) FROM t").rows == [(5000,)]


def test_rows_that_are_gone_are_an_error(function: Function, store: DirectoryStore) -> None:
    function.before = lambda event: [store.delete(key) for key in kept(store)] if "action" in event else None
    with pytest.raises(SldbError, match="not any more") as caught:
        ask(function, MANY)
    assert caught.value.code == "store_error"


def test_an_aborted_reader_leaves_nothing_but_the_file(
    function: Function, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(action, "SLICE_BYTES", 1000)

    def stop(event: dict[str, Any]) -> None:
        if event.get("arguments", {}).get("start"):
            raise KeyboardInterrupt

    function.before = stop
    with pytest.raises(KeyboardInterrupt):
        ask(function, MANY)
    function.before = lambda _: None
    assert len(kept(store)) == 1
    assert ask(function, "SELECT 1").rows == [(1,)]


@pytest.mark.parametrize("damage", [lambda body: body[:-1], lambda body: body[:99] + b"x" + body[100:], lambda _: b""])
def test_damaged_rows_are_never_half_a_reply(
    function: Function, store: DirectoryStore, damage: Callable[[bytes], bytes]
) -> None:
    def spoil(event: dict[str, Any]) -> None:
        for key in kept(store) if event.get("action") == "rows" else ():
            store.put(key, damage(store.get(key)))

    function.before = spoil
    with pytest.raises(SldbError) as caught:
        ask(function, MANY)
    assert caught.value.code == "store_error"


def test_only_who_has_the_id_and_the_right_reads_them(function: Function) -> None:
    run(function.service, "CREATE TABLE t (a)", database="other")
    ask(function, "CREATE TABLE t (a)")
    address = function.service.handle({"query": MANY})["body"]["rows_url"]
    rows_id = address.removeprefix(ROWS_ADDRESS)

    def read(database: str, caller: Caller, rows_id: str = rows_id) -> Any:
        return function.service.act(Action("rows", database, {"id": rows_id}), caller=caller)["size"]

    both = Caller("both", frozenset({"main", "other"}), may_write=False)
    assert read("main", both) == read("main", Caller()) > 1000
    for database, caller, code, asked in (
        ("main", Caller("other", frozenset({"other"})), "forbidden", rows_id),
        ("other", both, "not_found", rows_id),
        ("main", both, "not_found", "0" * 16),
    ):
        with pytest.raises(SldbError) as caught:
            read(database, caller, asked)
        assert caught.value.code == code


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"id": 7},
        {"id": "../../../main/0000"},
        {"id": "A" * 16},
        {"id": "0" * 16, "start": -1},
        {"id": "0" * 16, "length": 0},
        {"id": "0" * 16, "length": (4 << 20) + 1},
        {"id": "0" * 16, "start": True},
        {"id": "0" * 16, "key": "x"},
    ],
    ids=str,
)
def test_other_arguments_are_refused(function: Function, given: dict[str, Any]) -> None:
    with pytest.raises(SldbError) as caught:
        function.act(Action("rows", "main", given))
    assert caught.value.code == "bad_request"


def test_behind_the_end_there_is_nothing(function: Function) -> None:
    rows_id = function.service.handle({"query": MANY})["body"]["rows_url"].removeprefix(ROWS_ADDRESS)
    part = function.act(Action("rows", "main", {"id": rows_id, "start": 10_000_000}))
    assert (part["body"], part["size"] > 1000) == ("", True)


def test_an_export_reads_as_from_a_bucket(function: Function) -> None:
    ask(function, f"CREATE TABLE t AS {MANY}")
    snapshot = Snapshot(Client(function, "main"))
    pages = list(snapshot.scan(QueryScan("SELECT * FROM t ORDER BY i"), first_rows=2000))
    assert [row[0] for page in pages for row in page] == list(range(1, 5001))
    assert function.parts()


def test_what_cannot_be_stored_is_too_large(store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the reading function: its mount takes no writes."""

    def refuse(key: str, _chunks: object) -> None:
        raise Refused(key, "Read-only file system")

    monkeypatch.setattr(store, "create_from", refuse)
    with closing(container(store, reply_limit_bytes=LIMIT, read_only=True)) as reader:
        with pytest.raises(SldbError, match="Read-only file system") as caught:
            ask(Function(reader), MANY)
        assert (caught.value.code, "LIMIT" in str(caught.value.hint)) == ("too_large", True)


def test_over_http_a_client_says_that_it_reads_them(function: Function) -> None:
    """Others get an error: a 303 would need an address."""

    def post(path: str, **headers: str) -> Any:
        context = {"http": {"method": "POST"}}
        sent = {"content-type": "application/json", **{name.replace("_", "-"): text for name, text in headers.items()}}
        event = {"rawPath": path, "requestContext": context, "headers": sent, "body": json.dumps({"query": MANY})}
        reply = function.service.handle(event)
        return reply["statusCode"], json.loads(reply["body"])

    for path, headers in (
        ("/main/query", {"x_sldb_links": "true"}),
        ("/main/read", {"x_sldb_links": "true"}),
        ("/", {}),
    ):
        status, body = post(path, **headers)
        assert (status, body["rows_count"], body["rows_url"].startswith(ROWS_ADDRESS)) == (200, 5000, True)
    status, body = post("/main/query")
    assert (status, body["error"]["code"]) == (413, "too_large")


def test_a_part_takes_the_memory_of_a_part(function: Function, store: DirectoryStore) -> None:
    store.create_from(rows_key("0" * 16, "main"), (b"x" * (1 << 20) for _ in range(40)))
    tracemalloc.start()
    try:
        for start in range(0, 40 << 20, 4 << 20):
            part = function.service.act(Action("rows", "main", {"id": "0" * 16, "start": start}))
            assert (len(part["body"]), part["size"]) == (-(-(4 << 20) // 3) * 4, 40 << 20)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 24 << 20
