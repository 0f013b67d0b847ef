"""The endpoints of SQL over HTTP ("Hrana over HTTP"), versions 2 and 3: pipeline and cursor. Pure but for the engine.

Each takes the body of an HTTP request and returns the whole response, collected by the engine from pieces
(`lambda_handlers.http.bodies`): of one too large for the front, a 303 with the address of the same body. Nothing is
kept between two of them: what a stream holds is in its baton (`stream`). An error of SQL is a result in a response of
status 200. A body that breaks the protocol fails before any of it runs; a baton that cannot be continued, and a failure
of the database, fail the HTTP request, and what has run before stays applied.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

from lambda_handlers.http.bodies import body_response, json_pieces
from lambda_handlers.http.hrana import requests
from lambda_handlers.http.hrana.failure import ProtocolFailure, failure_body
from lambda_handlers.http.hrana.outcomes import Failed, Ran, RequestFailed
from lambda_handlers.http.hrana.results import changed_rows, columns_of, rowid_of
from lambda_handlers.http.hrana.stream import Stream, open_stream
from lambda_handlers.http.hrana.stream_requests import StreamRequests
from lambda_handlers.http.messages import (
    JSON,
    NDJSON,
    TXID,
    Body,
    Engine,
    HttpResponse,
    Pieces,
    encode_json,
    json_response,
)
from lambda_handlers.wire import Action, Reply, Request, SldbError, StoredRows

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
        whole = _collected(_pipeline_pieces(running, received, stream), JSON, engine)
    except ProtocolFailure as failure:
        return _failed(failure, watched)
    return body_response(whole, JSON, watched.headers, error_field="error")


def cursor(
    body: bytes, database: str, version: int, engine: Engine, idempotency_key: str | None = None
) -> HttpResponse:
    """Return the response to a cursor request: lines of JSON."""
    watched = _Watched(engine)
    try:
        key = _checked_key(idempotency_key)
        received = requests.decode_cursor(body, version)
        stream = open_stream(received.baton, database)
        whole = _collected(_cursor_pieces(StreamRequests(stream, watched, key), received, stream), NDJSON, engine)
    except ProtocolFailure as failure:
        return _failed(failure, watched)
    return body_response(whole, NDJSON, watched.headers, error_field="error")


class _Watched:
    """The engine, with the newest transaction that its replies have shown."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._txid: int | None = None

    def reply(self, request: Request, *, links: bool = False, held: int = 0) -> Reply:
        reply = self._engine.reply(request, links=links, held=held)
        self._txid = max(reply.txid, self._txid or 0)
        return reply

    def act(self, action: Action) -> dict[str, Any]:
        return self._engine.act(action)

    def rows(self, stored: StoredRows) -> Pieces:
        return self._engine.rows(stored)

    def collect(self, pieces: Pieces, kind: str = JSON) -> Body:
        return self._engine.collect(pieces, kind)

    @property
    def headers(self) -> dict[str, str]:
        return {} if self._txid is None else {TXID: str(self._txid)}


def _checked_key(key: str | None) -> str | None:
    if key is not None and not (0 < len(key) <= MAX_KEY_CHARACTERS and key.isprintable()):
        raise ProtocolFailure(400, f"Idempotency-Key: want 1 to {MAX_KEY_CHARACTERS} printable characters")
    return key


def _failed(failure: ProtocolFailure, watched: _Watched) -> HttpResponse:
    return json_response(failure.status, failure_body(failure.message), watched.headers)


def _collected(pieces: Pieces, kind: str, engine: Engine) -> Body:
    """Return the body of a response. Raises ProtocolFailure."""
    try:
        return engine.collect(pieces, kind)
    except SldbError as error:
        message = f"{error.message}: what has run stays applied, and {error.hint}"
        raise ProtocolFailure(error.status, message) from error


def _pipeline_pieces(running: StreamRequests, received: requests.Pipeline, stream: Stream) -> Pieces:
    """Yield the response to a pipeline, while its requests run one after the other: no more than one result needs to be
    in memory. Raises ProtocolFailure and SldbError."""
    yield b'{"base_url":null,"results":['
    for i, request in enumerate(received.requests):
        if i:
            yield b","
        yield from json_pieces(_result(running, request, i))
    baton = stream.encode() if stream.has_state else None
    yield b'],"baton":' + encode_json(baton) + b"}"


def _cursor_pieces(running: StreamRequests, received: requests.Cursor, stream: Stream) -> Pieces:
    """Yield the lines of a cursor once its batch is over. Raises ProtocolFailure and SldbError."""
    entries = _entries(running, received.batch)
    first = next(entries)
    yield encode_json({"baton": stream.encode(), "base_url": None}) + b"\n"
    for entry in chain((first,), entries):
        yield entry + b"\n"


def _result(running: StreamRequests, request: requests.StreamRequest, index: int) -> dict[str, Any]:
    try:
        return {"type": "ok", "response": running.response(request, index)}
    except RequestFailed as failed:
        return {"type": "error", "error": failed.error}


def _entries(running: StreamRequests, batch: requests.Batch) -> Iterator[bytes]:
    """Yield the entries of a cursor as JSON. All steps have run before the first one."""
    try:
        steps, outcomes = running.outcomes(batch, 0)
    except RequestFailed as failed:
        yield encode_json({"type": "error", "error": failed.error})
        return
    for position, (step, outcome) in enumerate(zip(steps, outcomes, strict=True)):
        if isinstance(outcome, Failed):
            yield encode_json({"type": "step_error", "step": position, "error": outcome.error})
        elif outcome is not None:
            rows = running.rows_of(outcome.result) if batch.steps[position].stmt.want_rows else iter(())
            yield from _step_entries(position, outcome, step.sql, rows)
    yield encode_json({"type": "replication_index", "replication_index": None})


def _step_entries(position: int, ran: Ran, sql: str, rows: Iterator[bytes]) -> Iterator[bytes]:
    yield encode_json({"type": "step_begin", "step": position, "cols": columns_of(ran.result.columns)})
    for row in rows:
        yield b'{"type":"row","row":' + row + b"}"
    changed = changed_rows(ran.result, sql)
    rowid = rowid_of(ran.result, changed)
    yield encode_json({"type": "step_end", "affected_row_count": changed, "last_insert_rowid": rowid})
