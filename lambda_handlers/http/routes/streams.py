"""The routes of SQL over HTTP: its endpoints (`lambda_handlers.http.hrana`) with the headers of a request."""

from __future__ import annotations

from typing import Any

from lambda_handlers.http.errors import error_response
from lambda_handlers.http.messages import (
    JSON,
    Body,
    Engine,
    HttpRequest,
    HttpResponse,
    Pieces,
    encode_json,
    json_response,
)
from lambda_handlers.http.routes.native import idempotency_key, min_txid
from lambda_handlers.shared.dataclasses import dataclass, replace
from lambda_handlers.wire import Action, Reply, Request, SldbError, StoredRows


def pipeline(http: HttpRequest, database: str, engine: Engine) -> HttpResponse:
    return _pipeline(http, database, engine, 3)


def pipeline_of_version_2(http: HttpRequest, database: str, engine: Engine) -> HttpResponse:
    return _pipeline(http, database, engine, 2)


def cursor(http: HttpRequest, database: str, engine: Engine) -> HttpResponse:
    from lambda_handlers.http.hrana import endpoints  # other routes do without it

    return endpoints.cursor(
        http.body, database, 3, _Bounded(engine, min_txid(http.headers)), idempotency_key(http.headers)
    )


def probe(_http: HttpRequest, _database: str, _engine: Engine) -> HttpResponse:
    """Answer a client that asks if there is this version of the protocol."""
    return json_response(200, {})


def refusal(error: SldbError) -> HttpResponse:
    """Return the response for an error before a request reaches its endpoint."""
    from lambda_handlers.http.hrana.errors import text_of  # other routes do without it
    from lambda_handlers.http.hrana.failure import failure_body

    native = error_response(error)
    return replace(native, body=encode_json(failure_body(text_of(error)), "replace"))  # it may show any method


def _pipeline(http: HttpRequest, database: str, engine: Engine, version: int) -> HttpResponse:
    from lambda_handlers.http.hrana import endpoints  # other routes do without it

    bounded = _Bounded(engine, min_txid(http.headers))
    return endpoints.pipeline(http.body, database, version, bounded, idempotency_key(http.headers))


@dataclass(frozen=True, slots=True)
class _Bounded:
    """The engine, for requests that never see an older state than `min_txid`. An open transaction has its own."""

    engine: Engine
    min_txid: int | None

    def reply(self, request: Request, *, links: bool = False, held: int = 0) -> Reply:
        reads_newest = request.transaction is None or request.transaction.begins
        if self.min_txid is not None and reads_newest:
            request = replace(request, min_txid=self.min_txid)
        return self.engine.reply(request, links=links, held=held)

    def act(self, action: Action) -> dict[str, Any]:
        return self.engine.act(action)

    def rows(self, stored: StoredRows) -> Pieces:
        return self.engine.rows(stored)

    def collect(self, pieces: Pieces, kind: str = JSON) -> Body:
        return self.engine.collect(pieces, kind)
