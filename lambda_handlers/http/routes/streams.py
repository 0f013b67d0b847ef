"""The routes of SQL over HTTP: its endpoints (`lambda_handlers.http.hrana`) with the headers of a request."""

from __future__ import annotations

from lambda_handlers.http.messages import Engine, HttpRequest, HttpResponse, json_response
from lambda_handlers.http.routes.native import idempotency_key


def pipeline(http: HttpRequest, database: str, engine: Engine) -> HttpResponse:
    return _pipeline(http, database, engine, 3)


def pipeline_of_version_2(http: HttpRequest, database: str, engine: Engine) -> HttpResponse:
    return _pipeline(http, database, engine, 2)


def cursor(http: HttpRequest, database: str, engine: Engine) -> HttpResponse:
    from lambda_handlers.http.hrana import endpoints  # other routes do without it

    return endpoints.cursor(http.body, database, 3, engine, idempotency_key(http.headers))


def probe(_http: HttpRequest, _database: str, _engine: Engine) -> HttpResponse:
    """Answer a client that asks if there is this version of the protocol."""
    return json_response(200, {})


def _pipeline(http: HttpRequest, database: str, engine: Engine, version: int) -> HttpResponse:
    from lambda_handlers.http.hrana import endpoints  # other routes do without it

    return endpoints.pipeline(http.body, database, version, engine, idempotency_key(http.headers))
