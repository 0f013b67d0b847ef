"""The WSGI application of `sldb serve`: the routes of `lambda_handlers.http`, behind the checks of `access`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from http import HTTPStatus
from os import SEEK_END
from typing import IO, Any, Protocol, TypeAlias

from lambda_handlers.caller import OPERATOR
from lambda_handlers.http.errors import HttpError, error_response
from lambda_handlers.http.messages import (
    EXPOSED_HEADERS,
    IDEMPOTENCY_KEY,
    MIN_TXID,
    HttpRequest,
    HttpResponse,
    Limits,
)
from sldb.http.access import Access, Refusal

StartResponse: TypeAlias = Callable[[str, list[tuple[str, str]]], object]

MAX_BODY_BYTES = 64 << 20
_PUBLIC = "/health"
_ALLOWED_METHODS = "GET, POST"
_ALLOWED_HEADERS = f"authorization, content-type, {IDEMPOTENCY_KEY}, {MIN_TXID}"
_PREFLIGHT_SECONDS = 600
_PIECE_BYTES = 256 << 10


class Service(Protocol):
    def respond(self, http: HttpRequest, limits: Limits | None = None) -> HttpResponse:
        """Return the response to a request; raises nothing."""


class Application:
    def __init__(self, service: Service, access: Access) -> None:
        self._service = service
        self._access = access

    def __call__(self, environ: Mapping[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        response = self._respond(environ)
        headers = {**response.headers, "content-length": str(_length(response)), "x-content-type-options": "nosniff"}
        origin = environ.get("HTTP_ORIGIN")
        if self._access.origins:
            headers["vary"] = "origin"
        if origin in self._access.origins:
            headers.update({"access-control-allow-origin": origin, "access-control-expose-headers": EXPOSED_HEADERS})
        start_response(f"{response.status} {_phrase(response.status)}", list(headers.items()))
        if response.file is not None:
            return FileBody(response.file)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [response.body]

    def _respond(self, environ: Mapping[str, Any]) -> HttpResponse:
        headers = _headers(environ)
        method, path = environ["REQUEST_METHOD"], environ.get("PATH_INFO", "")
        is_preflight = method == "OPTIONS" and headers.get("origin") in self._access.origins
        refusal = self._access.refusal(headers, is_public=is_preflight or path == _PUBLIC)
        if refusal is not None:
            return _refused(refusal)
        if is_preflight:
            return _preflight()
        http = HttpRequest(method, path, headers, environ["wsgi.input"].read(), OPERATOR)
        return self._service.respond(http, Limits(MAX_BODY_BYTES))


class FileBody:
    """A body from a file, piece by piece. The server closes it, also if the client has gone."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __iter__(self) -> Iterator[bytes]:
        return iter(lambda: self._file.read(_PIECE_BYTES), b"")

    def close(self) -> None:
        self._file.close()


def _length(response: HttpResponse) -> int:
    if response.file is None:
        return len(response.body)
    length = response.file.seek(0, SEEK_END)
    response.file.seek(0)
    return length


def _headers(environ: Mapping[str, Any]) -> dict[str, str]:
    named = {name[5:].replace("_", "-").lower(): value for name, value in environ.items() if name.startswith("HTTP_")}
    return {**named, "content-type": environ.get("CONTENT_TYPE", "")}


def _refused(refusal: Refusal) -> HttpResponse:
    headers = {"www-authenticate": "Bearer"} if refusal.status == HTTPStatus.UNAUTHORIZED else {}
    return error_response(HttpError(refusal.status, "forbidden", refusal.message, refusal.hint, headers))


def _preflight() -> HttpResponse:
    headers = {
        "access-control-allow-methods": _ALLOWED_METHODS,
        "access-control-allow-headers": _ALLOWED_HEADERS,
        "access-control-max-age": str(_PREFLIGHT_SECONDS),
    }
    return HttpResponse(HTTPStatus.NO_CONTENT, headers, b"")


def _phrase(status: int) -> str:
    return HTTPStatus(status).phrase if status in HTTPStatus.__members__.values() else "Cancelled"
