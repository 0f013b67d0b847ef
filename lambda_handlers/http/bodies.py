"""Bodies of responses of any size.

A body is made as pieces of bytes. Behind Lambda a response is text inside JSON with a limit: those that do not
fit go into an object of the store while they are made, and the response is its address (303): at no time is more in
memory than a response may have. `sldb serve` has no limit, and takes such a body from a local file.

Rows beyond a reply are stored before, as lines of JSON, and `StreamedRows` stands for them in a value.
"""

from __future__ import annotations

import json
import tempfile
from collections import deque
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from lambda_handlers.database.delivery import Delivery
from lambda_handlers.database.replies import too_large
from lambda_handlers.http.messages import JSON, NDJSON, Body, HttpResponse, Location, Pieces, encode_json
from lambda_handlers.http.spool import Spool
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.wire import SldbError, StoredRows

if TYPE_CHECKING:
    from lambda_handlers.database.replies import Replies

SEE_OTHER = 303
TOO_LARGE = "the response does not fit into one HTTP reply: GET it from Location without the token, or use LIMIT"
MARGIN_SECONDS = 1.0  # of the function's time left after a body is stored
MAX_HELD_BYTES = 1 << 20  # of a body in memory, where it has no limit
_MAX_GROWTH = 3  # from a byte of UTF-8 to one of text in JSON: é is \\u00e9
_URLLIB = "Python-urllib/"
_ENDINGS = {JSON: "json", NDJSON: "ndjson"}


class StreamedRows:
    """The rows of a result, in place of a list of them, as the JSON text of each."""

    def __init__(self, texts: Pieces) -> None:
        """`texts`: one or more rows each, with commas between them."""
        self.texts = texts


def json_pieces(value: Any) -> Pieces:
    """Yield the JSON text of a value with StreamedRows in its objects, or in the objects of its lists."""
    if isinstance(value, StreamedRows):
        yield b"["
        for i, text in enumerate(value.texts):
            yield b"," + text if i else text
        yield b"]"
    elif not _has_streamed(value):
        yield encode_json(value)
    elif isinstance(value, dict):
        for i, (name, member) in enumerate(value.items()):
            yield (b"," if i else b"{") + encode_json(name) + b":"
            yield from json_pieces(member)
        yield b"}"
    else:
        for i, item in enumerate(value):
            yield b"," if i else b"["
            yield from json_pieces(item)
        yield b"]"


def _has_streamed(value: Any) -> bool:
    if isinstance(value, dict):
        return any(isinstance(member, StreamedRows) or _has_streamed(member) for member in value.values())
    return isinstance(value, list) and any(isinstance(item, dict) and _has_streamed(item) for item in value)


def lines_of(pieces: Pieces) -> Pieces:
    """Yield the lines in pieces with any ends, without their own ends."""
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines


def joined_rows(pieces: Pieces) -> Pieces:
    """Yield the rows in lines of JSON as `StreamedRows` has them; the pieces may end anywhere."""
    rest = b""
    for piece in pieces:
        whole, end, rest = (rest + piece).rpartition(b"\n")
        if end:
            yield whole.replace(b"\n", b",")


def body_response(body: Body, kind: str, headers: dict[str, str], *, error_field: str = "message") -> HttpResponse:
    """Return the response of status 200 with a body, or of 303 with its address. Other clients show its text, in
    `error_field`."""
    fixed = {"content-type": kind, "cache-control": "no-store", **headers}
    if isinstance(body, bytes):
        return HttpResponse(200, fixed, body)
    if isinstance(body, Location):
        fixed = {**fixed, "content-type": JSON, "location": body.url}
        return HttpResponse(SEE_OTHER, fixed, encode_json({error_field: TOO_LARGE}))
    return HttpResponse(200, fixed, b"", file=body)


def can_follow(headers: Mapping[str, str]) -> bool:
    """Return True if the client of a request can follow a 303 to the store. Python's urllib sends the token along (its
    HTTPRedirectHandler drops the headers of the content only); the store refuses it beside the signature in the URL.
    Turso's driver for Python uses it, with its User-Agent."""
    return "authorization" not in headers or not headers.get("user-agent", "").startswith(_URLLIB)


@dataclass(frozen=True, slots=True)
class StoredBodies:
    """Bodies behind Lambda."""

    replies: Replies
    limit_bytes: int | None  # of a response as text in JSON
    remaining: Callable[[], float | None]  # seconds of the function
    follows: bool = True  # the client can follow a 303

    def delivery(self, *, links: bool, held: int) -> Delivery:
        return Delivery(as_text=True, is_whole=not links, held=held)

    def rows(self, stored: StoredRows) -> Pieces:
        return self.replies.rows(stored)

    def collect(self, pieces: Pieces, kind: str) -> Body:
        kept: deque[bytes] = deque()
        size = 0
        for piece in pieces:
            kept.append(piece)
            size += len(piece)
            if self.limit_bytes is not None and size > self.limit_bytes:
                break
        else:
            body = b"".join(kept)
            if self.limit_bytes is None or _fits(body, self.limit_bytes):
                return body
        if not self.follows:
            raise too_large(
                "their response is larger than one of HTTP, and this client would send its token to the store"
            )
        return Location(self.replies.send_response(self._in_time(kept, pieces), _ENDINGS[kind]))

    def _in_time(self, kept: deque[bytes], pieces: Pieces) -> Pieces:
        """Yield all pieces, and forget those in memory meanwhile. Raises `query_timeout`."""
        while kept:
            yield kept.popleft()
        for piece in pieces:
            left = self.remaining()
            if left is not None and left < MARGIN_SECONDS:
                raise SldbError(
                    "query_timeout",
                    "the response could not be stored in time",
                    "read it with LIMIT, in parts",
                )
            yield piece

    def close(self) -> None:
        """Do nothing: the store keeps its objects for a day."""


class SpooledBodies:
    """Bodies of `sldb serve`."""

    def __init__(self) -> None:
        self._spool = Spool()

    def delivery(self, *, links: bool, held: int) -> Delivery:  # noqa: ARG002 - there is no store with URLs
        return Delivery(is_whole=True, spool=self._spool, held=held)

    def rows(self, stored: StoredRows) -> Pieces:
        return self._spool.rows(stored)

    def collect(self, pieces: Pieces, kind: str) -> Body:  # noqa: ARG002
        file = tempfile.SpooledTemporaryFile(MAX_HELD_BYTES)  # noqa: SIM115 - the server closes it
        try:
            for piece in pieces:
                file.write(piece)
            is_small = file.tell() <= MAX_HELD_BYTES
            file.seek(0)
            if not is_small:
                return file
            body = file.read()
        except BaseException:
            file.close()
            raise
        file.close()
        return body

    def close(self) -> None:
        self._spool.close()


Bodies: TypeAlias = "StoredBodies | SpooledBodies"


def _fits(body: bytes, limit_bytes: int) -> bool:
    """Return True if a body fits as text in JSON, as the runtimes of older Pythons write it: in ASCII."""
    return len(body) * _MAX_GROWTH <= limit_bytes or len(json.dumps(body.decode())) <= limit_bytes
