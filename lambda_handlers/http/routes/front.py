"""The routes of the HTTP API: method and path → the answer of the native route, or of Hrana's.

    POST /{database}/query, /{database}/read        the event of docs/interface.md, and its reply
    POST /{database}/v3/pipeline, …/v3/cursor, …/v2/pipeline;  GET /{database}/v3, …/v2     SQL over HTTP
    the same without /{database}                    the database of a caller who has one, else `main`
    POST /                                          an event as a direct invocation has it, with its own database
    GET /health                                     no database, no caller

docs/http.md describes them with their statuses and headers. What a caller may do is decided by the engine, which is
bound to the caller; this module decides which database a path means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from lambda_handlers.caller import Caller
from lambda_handlers.http.errors import HttpError, error_response
from lambda_handlers.http.messages import JSON, Engine, HttpRequest, HttpResponse, Limits, json_response
from lambda_handlers.http.routes import native, streams
from lambda_handlers.wire import DATABASE_NAME, DEFAULT_DATABASE, SldbError

Handler: TypeAlias = Callable[[HttpRequest, str, Engine], HttpResponse]  # the text: the database

HEALTH = "/health"


def respond(http: HttpRequest, engine: Engine, limits: Limits) -> HttpResponse:
    """Return the response. Raises nothing that a request can cause: an error is a response too."""
    try:
        return _respond(http, engine, limits)
    except SldbError as error:
        return streams.refusal(error) if _split(http.path)[1] in _STREAMS else error_response(error)


def _respond(http: HttpRequest, engine: Engine, limits: Limits) -> HttpResponse:
    if http.path == HEALTH:
        _check_method(http, ("GET", "HEAD"))
        return json_response(200, {"status": "ok"})
    database, place = _split(http.path)
    handlers = _ROUTES.get(place)
    if handlers is None:
        raise HttpError(404, "not_found", f"there is no route {http.path}", "POST /main/query runs SQL")
    _check_method(http, tuple(handlers))
    if http.method == "POST":
        _check_body(http, limits)
    return handlers[http.method](http, root_database(http.caller) if database is None else database, engine)


def root_database(caller: Caller) -> str:
    """Return the database of a path that names none: `main`, or the only one of the caller. Raises `forbidden` for a
    caller of several others: a path that lost its beginning must not reach another database than was meant."""
    if caller.databases is None or DEFAULT_DATABASE in caller.databases:
        return DEFAULT_DATABASE
    if len(caller.databases) == 1:
        return next(iter(caller.databases))
    raise SldbError(
        "forbidden",
        f"the path names no database, and {caller.name} has no right to {DEFAULT_DATABASE}",
        "write the database into the path: /DATABASE/query",
        applied="no",
    )


def _split(path: str) -> tuple[str | None, str]:
    """Return the database in a path, None if there is none, and the name of the route: a key of `_ROUTES`, or any text
    that is none."""
    if not path.startswith("/"):
        return None, "/"
    rest = path[1:].removesuffix("/") if len(path) > 1 else ""
    if rest in _ROUTES:
        return None, rest
    database, _, name = rest.partition("/")
    return (database, name) if name and DATABASE_NAME.fullmatch(database) else (None, path)


def _check_method(http: HttpRequest, allowed: tuple[str, ...]) -> None:
    if http.method not in allowed:
        allow = ", ".join(allowed)
        raise HttpError(
            405, "bad_request", f"{http.path} takes {allow}, and no {http.method}", headers={"allow": allow}
        )


def _check_body(http: HttpRequest, limits: Limits) -> None:
    if len(http.body) > limits.body_bytes:
        raise SldbError(
            "too_large",
            f"the body has {len(http.body):,} bytes, and {limits.body_bytes:,} are allowed",
            "split it into several requests",
            applied="no",
        )
    kind = http.headers.get("content-type", "")
    # libSQL's clients in Rust, and those on top of them, name no type, which SQL over HTTP allows (section 1.1). A web
    # page cannot send Authorization without leave; without it, the type is what keeps pages out.
    is_unnamed = not kind and "authorization" in http.headers
    if not is_unnamed and kind.partition(";")[0].strip().lower() != JSON:
        raise HttpError(415, "bad_request", f"content-type: got {kind!r}, want {JSON}", "the body is JSON, in UTF-8")
    if http.headers.get("content-encoding", "identity").lower() != "identity":
        raise HttpError(415, "bad_request", "content-encoding: want none", "send the body as it is")


_STREAMS = ("v3/pipeline", "v3/cursor", "v2/pipeline")
_ROUTES: Mapping[str, Mapping[str, Handler]] = {
    "": {"POST": native.event},
    "query": {"POST": native.query},
    "read": {"POST": native.read},
    "v3/pipeline": {"POST": streams.pipeline},
    "v3/cursor": {"POST": streams.cursor},
    "v2/pipeline": {"POST": streams.pipeline_of_version_2},
    "v3": {"GET": streams.probe},
    "v2": {"GET": streams.probe},
}
