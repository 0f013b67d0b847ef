"""A request to an API as it arrived, and the response to it."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from sldb.emulator.calls.call import Call

Headers = tuple[tuple[str, str], ...]
REQUEST_HEADERS = "sldb.headers"  # in a WSGI environment: the headers as they were sent, repeated ones too


@dataclass(frozen=True, slots=True)
class Request:
    call: Call  # for signatures
    method: str
    path: str  # decoded, below the address of the API: with the stage, if the address has one
    query: str  # as sent
    headers: Headers  # as sent
    body: bytes
    domain_name: str
    source_ip: str
    protocol: str  # such as HTTP/1.1
    received_at: float  # unix seconds
    request_id: str
    stage: str | None = None  # of the mapping of a custom domain, whose path has none

    def header(self, name: str) -> str | None:
        """Return a header, repeated ones with commas between them; None if it is absent."""
        found = [value for each, value in self.headers if each.lower() == name]
        return ",".join(found) if found else None


@dataclass(frozen=True, slots=True)
class Response:
    status: int
    headers: Headers = ()
    body: bytes = b""


def message(status: int, text: str, headers: Headers = ()) -> Response:
    """Return a response of API Gateway itself."""
    body = json.dumps({"message": text}, separators=(",", ":")).encode()
    return Response(status, (("Content-Type", "application/json"), *headers), body)


class Refused(Exception):
    """A request that the gateway answers by itself."""

    def __init__(self, response: Response, reason: str = "") -> None:
        super().__init__(f"{response.status} {reason or response.body.decode()}")
        self.response = response
        self.reason = reason  # for the access log


def refused(status: int, text: str, reason: str = "") -> Refused:
    return Refused(message(status, text), reason)


def new_request_id() -> str:
    return str(uuid.uuid4())


def joined(headers: Headers) -> dict[str, str]:
    """Return the headers by lower-case name, repeated ones with commas between them."""
    found: dict[str, str] = {}
    for name, value in headers:
        key = name.lower()
        found[key] = f"{found[key]},{value}" if key in found else value
    return found


def sent_headers(environ: Any, call: Call) -> Headers:
    """Return the headers of a request as they were sent; without the server's record of them, as WSGI has them."""
    found: Iterable[tuple[str, str]] | None = environ.get(REQUEST_HEADERS)
    pairs = tuple(call.headers.items()) if found is None else tuple(found)
    return tuple((name, value) for name, value in pairs if value or found is not None)


_TEXT_TYPES = re.compile(r"text/.*|application/(json|javascript|xml|graphql|.*\+json|.*\+xml)", re.IGNORECASE)


def is_text(headers: Headers) -> bool:
    """Return whether a body goes to a function as text, and not as base64.

    AWS documents no list for HTTP APIs. Users report that JSON, XML, JavaScript and text/* are text and that all else,
    forms included, is base64; unverified.
    """
    given = joined(headers)
    kind = given.get("content-type", "").partition(";")[0].strip()
    return "content-encoding" not in given and _TEXT_TYPES.fullmatch(kind) is not None
