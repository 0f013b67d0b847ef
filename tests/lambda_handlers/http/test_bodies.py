"""Responses too large for Lambda or for memory: where they go, that they are whole, and what it takes."""

from __future__ import annotations

import base64
import gzip
import json
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_handlers.caller import OPERATOR
from lambda_handlers.database import replies
from lambda_handlers.http.bodies import (
    TOO_LARGE,
    SpooledBodies,
    StreamedRows,
    joined_rows,
    json_pieces,
    lines_of,
)
from lambda_handlers.http.messages import HttpRequest, HttpResponse
from lambda_handlers.service import Service
from lambda_handlers.storage.log.keys import replies_prefix
from lambda_handlers.store.protocol import PART_BYTES
from tests.fakes.databases.hrana import decoded, execute, step
from tests.fakes.databases.service import container, run
from tests.fakes.stores.faulty import PresigningStore, lose_request, refuse
from tests.fakes.stores.memory import memory_store

LIMIT = 100_000
SERIES = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT %d) SELECT i, hex(zeroblob(20)) FROM n"
MANY, FEW = SERIES % 5000, SERIES % 3
JSON = {"content-type": "application/json"}


@pytest.fixture
def store() -> PresigningStore:
    return PresigningStore(memory_store())


@pytest.fixture
def service(store: PresigningStore) -> Iterator[Service]:
    service = container(store, reply_limit_bytes=LIMIT, log_level="info")
    yield service
    service.close()


def event(path: str, body: Any, **headers: str) -> dict[str, Any]:
    sent = {**JSON, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return {
        "rawPath": path,
        "requestContext": {"http": {"method": "POST"}},
        "headers": sent,
        "body": json.dumps(body),
    }


def at_location(store: PresigningStore, response: dict[str, Any]) -> bytes:
    return b"".join(store.download(response["headers"]["location"]))


def whole(store: PresigningStore, response: dict[str, Any]) -> Any:
    """The JSON of a response, as a client that follows a 303 has it."""
    assert response["statusCode"] in (200, 303), response
    is_here = response["statusCode"] == 200
    return json.loads(response["body"] if is_here else at_location(store, response))


def kept(store: PresigningStore) -> list[str]:
    return [info.key for info in store.list_objects(replies_prefix())]


# Pieces

values = st.one_of(st.none(), st.integers(-9, 9), st.text(max_size=5), st.lists(st.integers(0, 9), max_size=2))
rows = st.lists(st.lists(values, max_size=3), max_size=5)


def cut(text: bytes, places: Iterable[int]) -> list[bytes]:
    ends = sorted({place % (len(text) + 1) for place in places} | {0, len(text)})
    return [text[start:end] for start, end in pairwise(ends)]


@given(rows, st.lists(st.integers(0, 500)), rows)
def test_a_value_with_streamed_rows_is_that_of_a_list(streamed: Any, places: list[int], plain: Any) -> None:
    def lines() -> Iterator[bytes]:
        return iter(cut(b"".join(json.dumps(row).encode() + b"\n" for row in streamed), places))

    def value(shown: Callable[[], Any]) -> Any:
        inner = {"rows": shown(), "n": 1}
        return {"rows": shown(), "plain": plain, "results": [{"a": "é"}, inner, {"deep": {"rows": shown()}}], "é": {}}

    for texts in (lambda: joined_rows(lines()), lambda: lines_of(lines())):
        got = b"".join(json_pieces(value(lambda texts=texts: StreamedRows(texts()))))
        assert json.loads(got) == value(lambda: streamed)


# Native routes


@pytest.mark.parametrize("path", ["/main/read", "/main/query"])
def test_a_large_reply_is_whole_at_its_location(service: Service, store: PresigningStore, path: str) -> None:
    query = {"query": f"{MANY}; {FEW}; {MANY}; PRAGMA user_version"}
    response = service.handle(event(path, query))
    assert response["statusCode"] == 303
    assert response["headers"]["x-sldb-txid"] == "0"
    assert response["headers"]["cache-control"] == "no-store"
    assert "expires=900" in response["headers"]["location"]
    assert json.loads(response["body"]) == {"message": TOO_LARGE}
    got, wanted = whole(store, response), service.http.respond(request(path, query))
    expected = read(wanted)
    assert {name: got[name] for name in expected if name != "stats"} == {
        name: expected[name] for name in expected if name != "stats"
    }
    assert "LIMIT" in TOO_LARGE


def request(path: str, body: Any) -> HttpRequest:
    return HttpRequest("POST", path, JSON, json.dumps(body).encode(), OPERATOR)


def read(response: HttpResponse) -> Any:
    if response.file is None:
        return json.loads(response.body)
    with response.file as file:
        return json.loads(file.read())


def test_an_event_has_urls_of_rows_as_a_direct_invocation_has_them(service: Service) -> None:
    response = service.handle(event("/", {"query": MANY}))
    assert (response["statusCode"], json.loads(response["body"])["rows_count"]) == (200, 5000)


def test_small_replies_stay_small(service: Service, store: PresigningStore) -> None:
    assert service.handle(event("/main/read", {"query": FEW}))["statusCode"] == 200
    assert kept(store) == []


@settings(max_examples=settings().max_examples // 3)  # each makes six large responses
@given(st.text(st.sampled_from('a"\\\n\x01é漢😀/'), min_size=1, max_size=40), st.integers(1, 600))
def test_no_response_is_larger_than_lambda_takes(text: str, times: int) -> None:
    store = PresigningStore(memory_store())
    service = container(store, reply_limit_bytes=LIMIT // 4)
    query = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT ?1 FROM n LIMIT ?2"
    sent = execute(query, text, times)
    cursor = {"batch": {"steps": [{"stmt": sent["stmt"]}, {"stmt": sent["stmt"]}]}}
    try:
        native = service.handle(event("/main/read", {"query": query, "params": [text, times]}))
        pipeline = service.handle(event("/main/v3/pipeline", {"requests": [sent, sent, sent]}))
        lines = service.handle(event("/main/v3/cursor", cursor))
    finally:
        service.close()
    for response in (native, pipeline, lines):
        assert len(json.dumps(response)) < LIMIT // 4 + 1000  # the headers
    assert whole(store, native)["rows"] == [[text]] * times
    for result in whole(store, pipeline)["results"]:
        assert [row[0]["value"] for row in result["response"]["result"]["rows"]] == [text] * times
    body = lines["body"].encode() if lines["statusCode"] == 200 else at_location(store, lines)
    entries = [json.loads(line) for line in body.splitlines()]
    assert [entry["row"][0]["value"] for entry in entries if entry.get("type") == "row"] == [text] * times * 2
    assert entries[-1]["type"] == "replication_index"


WRITE = f"INSERT INTO t {MANY} RETURNING *"


@pytest.mark.parametrize("query", [WRITE, "INSERT INTO t VALUES (1, 2);" * 2000])
def test_a_large_reply_to_a_write_is_not_lost_and_not_applied_twice(
    service: Service, store: PresigningStore, query: str
) -> None:
    run(service, "CREATE TABLE t (a, b)")
    sent = event("/main/query", {"query": query}, idempotency_key="once")
    first = service.handle(sent)
    count = run(service, "SELECT count(*) FROM t").rows
    again = service.handle(sent)
    assert [first["statusCode"], again["statusCode"]] == [303, 303]
    assert first["headers"]["x-sldb-txid"] == again["headers"]["x-sldb-txid"] == "2"
    assert first["headers"]["location"] != again["headers"]["location"]
    one, two = whole(store, first), whole(store, again)
    assert one.pop("stats") != two.pop("stats")
    assert one == two
    assert one["txid"] == 2
    assert run(service, "SELECT count(*) FROM t").rows == count


def responses_fail(key: str, act: Callable[[], Any]) -> Any:
    return refuse(key, act) if key.endswith((".json", ".ndjson")) else act()


def test_a_reply_that_cannot_be_stored_tells_that_the_write_is_applied(
    service: Service, store: PresigningStore
) -> None:
    run(service, "CREATE TABLE t (a, b)")
    sent = event("/main/query", {"query": WRITE}, idempotency_key="once")
    store.plan("create_from", *[responses_fail] * 2)  # the rows, and the response
    failed = service.handle(sent)
    error = json.loads(failed["body"])["error"]
    assert (failed["statusCode"], error["code"], error["applied"]) == (503, "store_error", "yes")
    assert len(whole(store, service.handle(sent))["rows"]) == 5000
    assert run(service, "SELECT count(*) FROM t").rows == [(5000,)]


def test_stored_rows_that_cannot_be_read_are_an_error(service: Service, store: PresigningStore) -> None:
    store.plan("chunks", lose_request)
    failed = service.handle(event("/main/read", {"query": MANY}))
    assert (failed["statusCode"], json.loads(failed["body"])["error"]["code"]) == (503, "store_error")


@pytest.mark.parametrize("damage", [lambda body: body[:-9], lambda body: body[:99] + b"x" + body[100:]])
def test_damaged_rows_are_never_half_a_response(
    service: Service, store: PresigningStore, damage: Callable[[bytes], bytes]
) -> None:
    store.plan("chunks", lambda key, act: iter([damage(b"".join(act()))]))
    failed = service.handle(event("/main/read", {"query": MANY}))
    assert (failed["statusCode"], json.loads(failed["body"])["error"]["code"]) == (503, "store_error")
    assert not [key for key in kept(store) if key.endswith("json")]


def test_fewer_rows_than_were_stored_are_never_a_response(service: Service, store: PresigningStore) -> None:
    def without_the_last(_key: str, act: Callable[[], Any]) -> Any:
        lines = gzip.decompress(b"".join(act())).splitlines(keepends=True)
        return iter([gzip.compress(b"".join(lines[:-1]))])

    store.plan("chunks", without_the_last)
    failed = service.handle(event("/main/v3/pipeline", {"requests": [execute(MANY)]}))
    assert (failed["statusCode"], "4999" in failed["body"]) == (503, True)


def test_a_function_that_only_reads_has_large_responses(store: PresigningStore) -> None:
    reader = container(store, reply_limit_bytes=LIMIT, read_only=True)
    assert len(whole(store, reader.handle(event("/main/read", {"query": MANY})))["rows"]) == 5000
    reader.close()


class WithoutUrls(PresigningStore):
    def presign(self, *_: Any) -> None:
        return None


def test_without_urls_the_error_names_limit_and_nothing_is_applied() -> None:
    store = WithoutUrls(memory_store())
    service = container(store, reply_limit_bytes=LIMIT)
    run(service, "CREATE TABLE t (a, b)")
    for query in (WRITE, "INSERT INTO t VALUES (1, 2);" * 2000):
        failed = service.handle(event("/main/query", {"query": query}))
        error = json.loads(failed["body"])["error"]
        assert (failed["statusCode"], error["code"], error["applied"]) == (413, "too_large", "no")
    one = execute(SERIES % 400)
    failed = service.handle(event("/main/v3/pipeline", {"requests": [one, one, one, one]}))
    assert (failed["statusCode"], "LIMIT" in failed["body"]) == (413, True)
    [result] = json.loads(service.handle(event("/main/v3/pipeline", {"requests": [execute(MANY)]}))["body"])["results"]
    assert (result["error"]["code"], "LIMIT" in result["error"]["message"]) == ("SQLITE_TOOBIG", True)
    assert run(service, "SELECT count(*) FROM t").rows == [(0,)]
    service.close()


URLLIB = {"user_agent": "Python-urllib/3.12", "authorization": "Bearer secret"}


@pytest.mark.parametrize(
    ("path", "body"),
    [("/main/query", {"query": WRITE}), ("/main/v3/pipeline", {"requests": [execute(WRITE)]})],
)
def test_a_client_that_would_send_its_token_to_the_store_is_told_of_limit(
    service: Service, path: str, body: Any
) -> None:
    run(service, "CREATE TABLE t (a, b)")
    failed = service.handle(event(path, body, **URLLIB))
    assert (failed["statusCode"], "LIMIT" in failed["body"], "applied" in failed["body"]) == (413, True, True)
    assert run(service, "SELECT count(*) FROM t").rows == [(5000,)]
    for headers in ({**URLLIB, "user_agent": "Go-http-client/2.0"}, {"user_agent": "Python-urllib/3.12"}):
        assert service.handle(event(path, body, **headers))["statusCode"] == 303


class Hurried:
    aws_request_id = "hurried"

    def __init__(self, store: PresigningStore) -> None:
        self._store = store

    def get_remaining_time_in_millis(self) -> int:
        has_run = ("chunks" in dict(self._store.calls)) if self._store.calls else False
        return 500 if has_run else 10_000


def test_a_response_that_takes_too_long_to_store(service: Service, store: PresigningStore) -> None:
    failed = service.handle(event("/main/read", {"query": MANY}), Hurried(store))
    assert (failed["statusCode"], json.loads(failed["body"])["error"]["code"]) == (408, "query_timeout")


def test_the_log_has_neither_the_address_nor_the_rows(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    response = service.handle(event("/main/read", {"query": MANY}))
    captured = capsys.readouterr()
    shown = captured.out + captured.err
    assert '"status":303' in shown.replace(" ", "")
    assert "_replies" not in shown
    assert response["headers"]["location"] not in shown


def test_an_action_with_a_large_reply(service: Service, store: PresigningStore) -> None:
    run(service, "CREATE TABLE t (a)")
    run(service, "INSERT INTO t VALUES (?) RETURNING a", ['"' * 36_000], request_id="big")
    response = service.handle(event("/main/query", {"action": "result", "arguments": {"request_id": "big"}}))
    assert response["statusCode"] == 303
    assert whole(store, response)["reply"]["rows"] == [['"' * 36_000]]


# SQL over HTTP


def test_a_pipeline_of_all_types_of_values(service: Service, store: PresigningStore) -> None:
    values = [None, -(1 << 63), 1.5, 'é\n"', b"\0\xff", b""]
    query = f"SELECT ?, ?, ?, ?, ?, ?, 9e999 FROM ({SERIES % 3000})"
    sent = [execute(query, *values), execute("SELECT 1"), execute("SELECT nothing")]
    response = service.handle(event("/main/v3/pipeline", {"requests": sent}))
    assert response["statusCode"] == 303
    assert "LIMIT" in json.loads(response["body"])["error"]
    many, one, failed = whole(store, response)["results"]
    got = many["response"]["result"]
    assert [tuple(map(decoded, row)) for row in got["rows"]] == [(*values, None)] * 3000
    assert (got["rows_read"], len(got["cols"])) == (3000, 7)
    assert one["response"]["result"]["rows"] == [[{"type": "integer", "value": "1"}]]
    assert failed["type"] == "error"


def test_a_transaction_goes_on_after_a_large_response(store: PresigningStore) -> None:
    service = container(store, reply_limit_bytes=300_000)  # of which a token has a part
    requests = [execute("CREATE TABLE t (a, b)"), execute("BEGIN"), execute(WRITE)]
    first = whole(store, service.handle(event("/main/v3/pipeline", {"requests": requests})))
    assert len(first["results"][2]["response"]["result"]["rows"]) == 5000
    after = {"baton": first["baton"], "requests": [execute("SELECT count(*) FROM t"), execute("COMMIT")]}
    count, commit = whole(store, service.handle(event("/main/v3/pipeline", after)))["results"]
    assert count["response"]["result"]["rows"] == [[{"type": "integer", "value": "5000"}]]
    assert commit["type"] == "ok"
    assert run(service, "SELECT count(*) FROM t").rows == [(5000,)]
    service.close()


def test_a_repeated_pipeline_applies_nothing_twice(service: Service, store: PresigningStore) -> None:
    run(service, "CREATE TABLE t (a, b)")
    sent = event("/main/v3/pipeline", {"requests": [execute(WRITE), execute(WRITE)]}, idempotency_key="once")
    bodies = [whole(store, service.handle(sent)) for _ in range(2)]
    rows = [[result["response"]["result"]["rows"] for result in body["results"]] for body in bodies]
    assert rows[0] == rows[1]
    assert run(service, "SELECT count(*) FROM t").rows == [(10_000,)]


def test_a_pipeline_that_cannot_be_stored_says_what_holds(service: Service, store: PresigningStore) -> None:
    run(service, "CREATE TABLE t (a, b)")
    store.plan("create_from", *[responses_fail] * 2)
    failed = service.handle(event("/main/v3/pipeline", {"requests": [execute(WRITE)]}, idempotency_key="once"))
    assert failed["statusCode"] == 503
    assert "stays applied" in json.loads(failed["body"])["error"]


def test_rows_that_are_not_wanted_take_no_room(service: Service) -> None:
    sent = {"requests": [execute(MANY, want_rows=False)]}
    response = service.handle(event("/main/v3/pipeline", sent))
    assert response["statusCode"] == 200
    assert json.loads(response["body"])["results"][0]["response"]["result"]["rows"] == []


def test_a_bug_in_a_large_response_is_one_response(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(replies.Replies, "send_response", fail)
    assert service.handle(event("/main/v3/cursor", {"batch": {"steps": [step(MANY)]}}))["statusCode"] == 500


# Memory


class Drain(PresigningStore):
    """Keeps rows, as a client's disk would, and of a response its size alone."""

    taken = 0

    def create_from(self, key: str, chunks: Iterable[bytes]) -> None:
        if key.endswith("gz"):
            super().create_from(key, chunks)
            return
        for chunk in chunks:
            self.taken += len(chunk)


ROWS_OF_10_KB = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT %d) SELECT i, hex(zeroblob(5000)) FROM n"
)
NATIVE = ("/main/read", lambda sql: {"query": sql})
PIPELINE = ("/main/v3/pipeline", lambda sql: {"requests": [execute(sql)]})
PARTS = ("/main/v3/pipeline", lambda sql: {"requests": [execute(sql.replace("LIMIT ", "LIMIT 1 + 0.05 * "))] * 20})
CURSOR = ("/main/v3/cursor", lambda sql: {"batch": {"steps": [step(sql)]}})


@pytest.mark.parametrize(("path", "body"), [NATIVE, PIPELINE, PARTS, CURSOR], ids=["read", "one", "many", "cursor"])
def test_memory_does_not_grow_with_the_response(path: str, body: Callable[[str], Any]) -> None:
    peaks = []
    for count in (400, 1600):  # 4 and 16 MB
        store = Drain(memory_store())
        service = container(store, reply_limit_bytes=1_000_000)
        sent = event(path, body(ROWS_OF_10_KB % count))
        peaks.append(peak_of(lambda service=service, sent=sent: service.handle(sent)))
        assert store.taken > count * 10_000
        service.close()
    assert peaks[1] < peaks[0] + 2_000_000
    assert peaks[1] < 12_000_000 < PART_BYTES * 2


@pytest.mark.parametrize(("path", "body"), [NATIVE, PIPELINE, PARTS, CURSOR], ids=["read", "one", "many", "cursor"])
def test_memory_does_not_grow_without_a_limit_either(path: str, body: Callable[[str], Any]) -> None:
    service = container(memory_store())
    taken, peaks = [], []
    for count in (400, 1600):

        def send(count: int = count) -> None:
            response = service.http.respond(request(path, body(ROWS_OF_10_KB % count)))
            assert response.file is not None
            with response.file as file:
                taken.append(file.seek(0, 2))

        peaks.append(peak_of(send))
    service.close()
    assert taken[1] > 16_000_000
    assert peaks[1] < peaks[0] + 2_000_000
    assert peaks[1] < 12_000_000


def peak_of(act: Callable[[], object]) -> int:
    """The bytes that Python's objects took at most meanwhile."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_what_goes_into_the_log_of_requests_is_in_no_spool(service: Service) -> None:
    """A spool lasts as long as its response."""
    run(service, "CREATE TABLE t (a, b)")
    body = json.dumps({"query": f"INSERT INTO t {SERIES % 20_000} RETURNING *"}).encode()
    sent = HttpRequest("POST", "/main/query", {**JSON, "idempotency-key": "once"}, body, OPERATOR)
    assert read(service.http.respond(sent))["rows"] == read(service.http.respond(sent))["rows"]
    assert run(service, "SELECT count(*) FROM t").rows == [(20_000,)]


def test_a_spooled_body_of_a_failure_is_closed() -> None:
    bodies = SpooledBodies()

    def fail() -> Iterator[bytes]:
        yield b"a" * 2_000_000
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        bodies.collect(fail(), "application/json")
    bodies.close()


def test_base64_of_large_blobs(service: Service, store: PresigningStore) -> None:
    query = "SELECT randomblob(100001)"
    got = whole(store, service.handle(event("/main/v3/pipeline", {"requests": [execute(query)]})))
    [[value]] = got["results"][0]["response"]["result"]["rows"]
    assert not value["base64"].endswith("=")
    assert len(base64.b64decode(value["base64"] + "==")) == 100_001
