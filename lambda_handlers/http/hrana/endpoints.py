"""The endpoints of SQL over HTTP ("Hrana over HTTP"), versions 2 and 3: pipeline and cursor. Pure but for the engine.

Each takes the body of an HTTP request and returns the whole response. Nothing is kept between two of them: what a
stream holds is in its baton (`stream`). An error of SQL is a result in a response of status 200. A body that breaks the
protocol fails before any of it runs; a baton that cannot be continued, and a failure of the database, fail the HTTP
request, and what has run before stays applied.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lambda_handlers.http.hrana import requests
from lambda_handlers.http.hrana.failure import ProtocolFailure
from lambda_handlers.http.hrana.outcomes import Failed, Ran, RequestFailed
from lambda_handlers.http.hrana.results import changed_rows, columns_of, rowid_of
from lambda_handlers.http.hrana.stream import open_stream
from lambda_handlers.http.hrana.stream_requests import StreamRequests
from lambda_handlers.http.hrana.values import encode_row
from lambda_handlers.http.messages import Engine, HttpResponse, encode_json, json_response
from lambda_handlers.wire import Action, Reply, Request

NDJSON = "application/x-ndjson"
TXID_HEADER = "x-sldb-txid"
MAX_KEY_CHARACTERS = 160  # of an Idempotency-Key: request ids have 200


def pipeline(
    body: bytes, database: str, version: int, engine: Engine, idempotency_key: str | None = None
) -> HttpResponse:
    """Return the response to a pipeline. `version`: 2 or 3."""
    watched = _Watched(engine)
    try:
        key = _checked_key(idempotency_key)
        received = requests.decode_pipeline(body, version)
        stream = open_stream(received.baton, database)
        running = StreamRequests(stream, watched, key)
        results = [_result(running, request, i) for i, request in enumerate(received.requests)]
    except ProtocolFailure as failure:
        return _failed(failure, watched)
    baton = stream.encode() if stream.has_state else None
    return json_response(200, {"baton": baton, "base_url": None, "results": results}, watched.headers)


def cursor(
    body: bytes, database: str, version: int, engine: Engine, idempotency_key: str | None = None
) -> HttpResponse:
    """Return the response to a cursor request: lines of JSON."""
    watched = _Watched(engine)
    try:
        key = _checked_key(idempotency_key)
        received = requests.decode_cursor(body, version)
        stream = open_stream(received.baton, database)
        entries = list(_entries(StreamRequests(stream, watched, key), received.batch))
    except ProtocolFailure as failure:
        return _failed(failure, watched)
    head = {"baton": stream.encode(), "base_url": None}
    lines = b"".join(encode_json(line) + b"\n" for line in (head, *entries))
    return HttpResponse(200, {"content-type": NDJSON, "cache-control": "no-store", **watched.headers}, lines)


class _Watched:
    """The engine, with the newest transaction that its replies have shown."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._txid: int | None = None

    def reply(self, request: Request) -> Reply:
        reply = self._engine.reply(request)
        self._txid = max(reply.txid, self._txid or 0)
        return reply

    def act(self, action: Action) -> dict[str, Any]:
        return self._engine.act(action)

    @property
    def headers(self) -> dict[str, str]:
        return {} if self._txid is None else {TXID_HEADER: str(self._txid)}


def _checked_key(key: str | None) -> str | None:
    if key is not None and not (0 < len(key) <= MAX_KEY_CHARACTERS and key.isprintable()):
        raise ProtocolFailure(400, f"Idempotency-Key: want 1 to {MAX_KEY_CHARACTERS} printable characters")
    return key


def _failed(failure: ProtocolFailure, watched: _Watched) -> HttpResponse:
    return json_response(failure.status, {"error": failure.message}, watched.headers)


def _result(running: StreamRequests, request: requests.StreamRequest, index: int) -> dict[str, Any]:
    try:
        return {"type": "ok", "response": running.response(request, index)}
    except RequestFailed as failed:
        return {"type": "error", "error": failed.error}


def _entries(running: StreamRequests, batch: requests.Batch) -> Iterator[dict[str, Any]]:
    try:
        steps, outcomes = running.outcomes(batch, 0)
    except RequestFailed as failed:
        yield {"type": "error", "error": failed.error}
        return
    for position, (step, outcome) in enumerate(zip(steps, outcomes, strict=True)):
        if isinstance(outcome, Failed):
            yield {"type": "step_error", "step": position, "error": outcome.error}
        elif outcome is not None:
            wants_rows = batch.steps[position].stmt.want_rows
            yield from _step_entries(position, outcome, step.sql, wants_rows=wants_rows)
    yield {"type": "replication_index", "replication_index": None}


def _step_entries(position: int, ran: Ran, sql: str, *, wants_rows: bool) -> Iterator[dict[str, Any]]:
    yield {"type": "step_begin", "step": position, "cols": columns_of(ran.result.columns)}
    for row in ran.result.rows if wants_rows else ():
        yield {"type": "row", "row": encode_row(row)}
    changed = changed_rows(ran.result, sql)
    rowid = rowid_of(ran.result, changed)
    yield {"type": "step_end", "affected_row_count": changed, "last_insert_rowid": rowid}
