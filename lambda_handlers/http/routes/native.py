"""The native routes: the event of docs/interface.md in the body of a POST, and its reply in that of the response.

The path has the database, and a body that names another one is refused: a policy or a log that knows paths only must be
right. `read` refuses to write, whatever the caller may.

    idempotency-key         the `request_id`, unless the body has it
    x-sldb-min-txid         the `min_txid`, likewise
    x-sldb-links            `true`: the client reads `rows_url`; rows too many for the response have one, as for a
                            direct invocation
    x-sldb-txid             of the response: the transaction that was read or made
    x-sldb-request-id       of the response: the `request_id`
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from lambda_handlers.events import why_not_json
from lambda_handlers.http.bodies import StreamedRows, body_response, joined_rows, json_pieces
from lambda_handlers.http.errors import HttpError
from lambda_handlers.http.messages import (
    IDEMPOTENCY_KEY,
    JSON,
    LINKS,
    MIN_TXID,
    REQUEST_ID,
    TXID,
    Body,
    Engine,
    HttpRequest,
    HttpResponse,
    encode_json,
)
from lambda_handlers.shared.dataclasses import replace
from lambda_handlers.wire import (
    MAX_TXID_DIGITS,
    Action,
    Reply,
    Request,
    SldbError,
    StoredRows,
    bad_request,
    is_action,
)

# The actions that change nothing for other callers: `read` takes no other.
READING_ACTIONS = frozenset(
    {"cancel", "databases", "describe", "history", "pull", "pull_part", "pull_urls", "result", "rows"}
)

_EXAMPLE = 'POST {"query": "SELECT 1"} as application/json'


def event(http: HttpRequest, database: str, engine: Engine) -> HttpResponse:
    """Answer an event with a database of its own; without one, it means `database`. Rows too many for the reply have
    URLs of their own, as for a direct invocation."""
    sent = decode_event(http)
    return _answer(sent if sent.get("database") is not None else {**sent, "database": database}, engine, links=True)


def query(http: HttpRequest, database: str, engine: Engine) -> HttpResponse:
    """Answer an event for this database."""
    return _answer(_for_database(http, database), engine, links=_reads_links(http))


def read(http: HttpRequest, database: str, engine: Engine) -> HttpResponse:
    """Answer an event for this database that writes nothing."""
    try:
        return _answer(_for_database(http, database), engine, reads_only=True, links=_reads_links(http))
    except SldbError as error:
        if error.code == "read_only" and not isinstance(error, HttpError):
            # The engine's hint is for those who invoke functions; here there are routes.
            error.hint = f"POST /{database}/query may write"
        raise


def _reads_links(http: HttpRequest) -> bool:
    return http.headers.get(LINKS) == "true"


def _for_database(http: HttpRequest, database: str) -> dict[str, Any]:
    sent = decode_event(http)
    named = sent.get("database")
    if named is not None and named != database:
        bad_request("database", named, f"{database}, as in the path, or none")
    return {**sent, "database": database}


def decode_event(http: HttpRequest) -> dict[str, Any]:
    """Return the event in the body, with the values of the headers in it. Raises `bad_request`."""
    try:
        sent = json.loads(http.body)
    except (ValueError, RecursionError) as error:
        raise SldbError("bad_request", f"the HTTP body is not JSON: {why_not_json(error)}", _EXAMPLE) from error
    if not isinstance(sent, dict):
        bad_request("event", sent, 'an object such as {"query": "SELECT 1"}')
    return sent if is_action(sent) else {**sent, **_from_headers(http.headers, sent)}


def _from_headers(headers: Mapping[str, str], sent: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the headers. Raises `bad_request` if the body contradicts one."""
    found: dict[str, Any] = {}
    if (key := idempotency_key(headers)) is not None:
        found["request_id"] = key
    if (txid := min_txid(headers)) is not None:
        found["min_txid"] = txid
    for name, value in found.items():
        if sent.get(name) not in (None, value):
            bad_request(name, sent[name], "the value of the header, or none")
    return found


def idempotency_key(headers: Mapping[str, str]) -> str | None:
    """Return the value of the header; the quotes around a structured field's text are no part of it."""
    value = headers.get(IDEMPOTENCY_KEY, "").strip()
    is_quoted = len(value) >= 2 and value[0] == value[-1] == '"'
    return (value[1:-1] if is_quoted else value) or None


def min_txid(headers: Mapping[str, str]) -> int | None:
    """Return the value of the header. Raises `bad_request`."""
    text = headers.get(MIN_TXID)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= MAX_TXID_DIGITS):
        bad_request(MIN_TXID, text, "a txid (a whole number)")
    return int(text)


def _answer(sent: Mapping[str, Any], engine: Engine, *, reads_only: bool = False, links: bool = False) -> HttpResponse:
    if is_action(sent):
        return _act(Action.decode(sent), engine, reads_only=reads_only)
    request = Request.decode(sent)
    reply = engine.reply(replace(request, read_only=True) if reads_only else request, links=links)
    headers = {TXID: str(reply.txid)}
    if request.request_id is not None and is_header_value(request.request_id):
        headers[REQUEST_ID] = request.request_id
    return body_response(_collected(request, reply, engine), JSON, headers)


def _collected(request: Request, reply: Reply, engine: Engine) -> Body:
    """Return the body of a reply. Raises SldbError with the outcome of the request."""
    try:
        return engine.collect(json_pieces(_encoded(reply, engine)))
    except SldbError as error:
        if reply.stats.get("commit_ms"):
            error.details["applied"] = "yes"
        elif request.request_id is not None and not request.read_only:
            error.details["applied"] = "unknown"  # it may be the reply of an earlier one
        raise


def _encoded(reply: Reply, engine: Engine) -> dict[str, Any]:
    """Return the reply in JSON, with all its rows in their places, but for those with a URL."""
    body = reply.encode()
    for place in (body, *body["results"]):
        if "rows_url" in place and not _is_url(place["rows_url"]):
            rows = engine.rows(StoredRows(place.pop("rows_url"), place.pop("rows_count")))
            place["rows"] = StreamedRows(joined_rows(rows))
    return body


def _is_url(text: str) -> bool:
    return "://" in text


def _act(action: Action, engine: Engine, *, reads_only: bool) -> HttpResponse:
    if reads_only and action.name not in READING_ACTIONS:
        raise HttpError(
            403,
            "read_only",
            f"this route may not write, and the action {action.name[:40]} does",
            f"here: {', '.join(sorted(READING_ACTIONS))}; others: POST /{action.database}/query",
        )
    body = engine.act(action)
    txid = body.get("txid")
    headers = {TXID: str(txid)} if isinstance(txid, int) else {}
    return body_response(engine.collect(iter((encode_json(body),))), JSON, headers)


def is_header_value(text: str) -> bool:
    """Return True if a text may stand in a header as it is."""
    return text.isascii() and text.isprintable()
