"""HTTP requests and responses without a network, and the engine that answers them. Pure.

`lambda_handlers.events` makes them of API Gateway's events, `sldb serve` of a socket's; the routes in
`lambda_handlers.http.routes` know neither.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from lambda_handlers.shared.dataclasses import dataclass

if TYPE_CHECKING:
    from lambda_handlers.caller import Caller
    from lambda_handlers.wire import Action, Reply, Request, StoredRows

JSON = "application/json"
NDJSON = "application/x-ndjson"
TXID, REQUEST_ID = "x-sldb-txid", "x-sldb-request-id"  # headers of responses
MIN_TXID, IDEMPOTENCY_KEY = "x-sldb-min-txid", "idempotency-key"  # of requests
LINKS = "x-sldb-links"  # of requests, for the native routes
EXPOSED_HEADERS = f"location, retry-after, {REQUEST_ID}, {TXID}"  # which web pages may read
MAX_BODY_BYTES = 6 << 20  # of an event of Lambda's


@dataclass(frozen=True, slots=True)
class HttpRequest:
    method: str
    path: str  # decoded, without the query string and a stage
    headers: Mapping[str, str]  # by their names in lower case
    body: bytes
    caller: Caller
    front: str = ""  # of API Gateway, that has identified the caller; "": none of sldb's


@dataclass(frozen=True, slots=True)
class HttpResponse:
    status: int
    headers: Mapping[str, str]  # by their names in lower case
    body: bytes
    code: str = ""  # of the error, for the log; "": none
    file: IO[bytes] | None = None  # has the body in place of `body`; the sender closes it


class Location(NamedTuple):
    url: str  # of a whole body, for a GET without credentials, for minutes


Pieces: TypeAlias = "Iterator[bytes]"
Body: TypeAlias = "bytes | Location | IO[bytes]"


@dataclass(frozen=True, slots=True)
class Limits:
    body_bytes: int = MAX_BODY_BYTES  # of a request


class Engine(Protocol):
    """The service as routes may use it, for one caller and within the time of one HTTP request."""

    def reply(self, request: Request, *, links: bool = False, held: int = 0) -> Reply:
        """Return the reply to a request. Raises SldbError. Rows too many for it are stored: for `rows`, or
        with `links` as a direct invocation has them. `held`: replies of the same response still in memory."""

    def rows(self, stored: StoredRows) -> Pieces:
        """Yield the lines of stored rows, in pieces with any ends. Raises SldbError."""

    def collect(self, pieces: Pieces, kind: str = JSON) -> Body:
        """Return the body of a response of these pieces. Raises SldbError, and their own errors. `kind`:
        its content type."""

    def act(self, action: Action) -> dict[str, Any]:
        """Return the reply to an action. Raises SldbError."""


def encode_json(value: object, on_half_a_pair: str = "strict") -> bytes:
    """Return JSON in UTF-8. Raises UnicodeEncodeError for half of a surrogate pair, unless that is to be replaced."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode(errors=on_half_a_pair)


def json_response(status: int, value: object, headers: Mapping[str, str] | None = None) -> HttpResponse:
    """Return a response with a small JSON body that no cache keeps, such as an error. It may show any path or field of
    the request, also one that UTF-8 does not have: there is a question mark in its place."""
    fixed = {"content-type": JSON, "cache-control": "no-store"}
    return HttpResponse(status, {**fixed, **(headers or {})}, encode_json(value, "replace"))
