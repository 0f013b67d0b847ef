"""The targets of fuzzing over HTTP: API Gateway's events, the bodies of SQL over HTTP, and batons."""

from __future__ import annotations

import base64
import json
import zlib
from functools import lru_cache
from random import Random
from typing import Any

from lambda_handlers.events import is_queue
from lambda_handlers.http.hrana import requests as hrana_requests
from lambda_handlers.http.hrana.failure import ProtocolFailure
from lambda_handlers.http.hrana.stream import Stream, open_stream
from tests.fakes.databases.service import container
from tests.fakes.stores.memory import memory_store
from tests.fuzz.mutate import damaged, damaged_json, damaged_text


@lru_cache(maxsize=1)
def _service() -> Any:
    return container(memory_store())


_HEADERS = {"content-type": "application/json", "idempotency-key": "k", "x-sldb-min-txid": "0", "authorization": "x"}
_HTTP_EVENTS: list[Any] = [
    {
        "version": "2.0",
        "rawPath": f"/main/{name}",
        "headers": _HEADERS,
        "requestContext": {"http": {"method": "POST"}, "stage": "$default"},
        "body": json.dumps(body),
        "isBase64Encoded": False,
    }
    for name, body in (
        ("query", {"query": "SELECT 1", "params": [1]}),
        ("read", {"action": "databases", "arguments": {"all": True}}),
        ("v3/pipeline", {"baton": None, "requests": [{"type": "execute", "stmt": {"sql": "SELECT 1"}}]}),
        ("v3/cursor", {"baton": None, "batch": {"steps": [{"stmt": {"sql": "SELECT 1"}}]}}),
    )
]


def http_events(chance: Random) -> None:
    """Check that any event of API Gateway has a response with JSON in it, and none is an internal error."""
    event = damaged_json(chance, chance.choice(_HTTP_EVENTS))
    if chance.random() < 0.5 and isinstance(event, dict) and isinstance(event.get("body"), str):
        event["body"] = json.dumps(damaged_json(chance, json.loads(chance.choice(_HTTP_EVENTS)["body"])))
    reply = _service().handle(event)
    body = reply.get("body")
    lines = body.splitlines() if isinstance(body, str) else [json.dumps(body)]
    said = [json.loads(line) for line in lines]
    assert reply["statusCode"] != 500 or is_queue(event), said


_ARGUMENTS = [
    {"type": "null"},
    {"type": "integer", "value": "-5"},
    {"type": "float", "value": 1.5},
    {"type": "text", "value": "é"},
    {"type": "blob", "base64": "3q2+7w"},
]
_STATEMENT: Any = {"sql": "SELECT ?", "args": _ARGUMENTS, "want_rows": False}
_AUTOCOMMIT: Any = {"type": "is_autocommit"}
_CONDITION: Any = {"type": "and", "conds": [{"type": "ok", "step": 0}, {"type": "not", "cond": _AUTOCOMMIT}]}
_BATCH: Any = {"steps": [{"stmt": _STATEMENT}, {"stmt": {"sql": "SELECT 2"}, "condition": _CONDITION}]}
_PIPELINE: Any = {
    "baton": "b",
    "requests": [
        {"type": "execute", "stmt": _STATEMENT},
        {"type": "execute", "stmt": {"sql_id": 1, "named_args": [{"name": ":a", "value": _ARGUMENTS[1]}]}},
        {"type": "batch", "batch": _BATCH},
        {"type": "sequence", "sql": "SELECT 1; SELECT 2"},
        {"type": "describe", "sql": "SELECT 1"},
        {"type": "store_sql", "sql_id": 1, "sql": "SELECT :a"},
        {"type": "close_sql", "sql_id": 1},
        {"type": "get_autocommit"},
        {"type": "close"},
    ],
}


def pipelines(chance: Random) -> None:
    """Check that the body of a pipeline or a cursor is decoded as a whole, or breaks the protocol (400)."""
    decode, seed = chance.choice(
        ((hrana_requests.decode_pipeline, _PIPELINE), (hrana_requests.decode_cursor, {"batch": _BATCH}))
    )
    body = json.dumps(damaged_json(chance, seed)).encode()
    if chance.random() < 0.3:
        body = damaged(chance, body, [body])
    try:
        decode(body, chance.choice((2, 3)))
    except ProtocolFailure as failure:
        assert failure.status == 400
        assert len(failure.message) < 1000


def batons(chance: Random) -> None:
    """Check that a damaged baton is no stream, or one that is sent out as it came in."""
    settings = {"pragma foreign_keys": "PRAGMA foreign_keys = ON", "attach o": "ATTACH 'other' AS o"}
    whole = Stream("main", "t", ["a", "b"], settings, {1: "SELECT 1", -2: "é"}).encode()
    fields = json.loads(zlib.decompress(base64.urlsafe_b64decode(whole + "=" * (-len(whole) % 4))))
    packed = zlib.compress(json.dumps(damaged_json(chance, fields)).encode())
    baton = base64.urlsafe_b64encode(packed).rstrip(b"=").decode()
    if chance.random() < 0.3:
        baton = damaged_text(chance, whole, [whole])
    try:
        stream = open_stream(baton, "main")
    except ProtocolFailure as failure:
        assert failure.status in (400, 404)
        return
    assert open_stream(stream.encode(), "main") == stream
