"""Objects of any size, created conditionally: S3's multipart upload, with `If-None-Match: *` on its completion.

obstore cannot say that (its multipart uploads overwrite), and an unconditional write of an LTX key is what the bucket
policy refuses. So the four calls are spoken here: create, upload or copy the parts, complete, abort. A part is bytes
that are sent, or a range of another object that S3 copies by itself.

Nothing exists at the key before the completion, and its answer is ambiguous in the way that object_store.py describes:
AlreadyExists may be about our own object, Unavailable leaves it open. An upload that fails before is aborted, as far as
that can be done; the bucket's lifecycle rule removes what is left of others.

S3 wants at least 5 MiB of every part but the last, at most 10,000 parts, at most 5 GiB of one copied range.
"""

from __future__ import annotations

import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote, urlsplit

from lambda_handlers.host import InThread
from lambda_handlers.object_store import AlreadyExists, CopyOf, NotFound, Refused, Unavailable
from lambda_handlers.settings import Credentials
from lambda_handlers.sigv4 import canonical_query, sign

if TYPE_CHECKING:
    from http.client import HTTPConnection

PART_BYTES = 8 << 20
PARTS_IN_FLIGHT = 4
COPIED_PART_BYTES = 1 << 30
TRIES = 4
FIRST_BACKOFF_SECONDS = 0.2
CALL_SECONDS = 120.0  # a copied part of 1 GiB takes S3 some seconds

Part: TypeAlias = "bytes | CopyOf"
_RETRIED = frozenset({"InternalError", "SlowDown", "ServiceUnavailable", "RequestTimeout", "OperationAborted"})
_REFUSALS = (401, 403)


class _Answer(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(f"{code or status}: {message}")
        self.status = status
        self.code = code


class S3Multipart:
    """Of one bucket and prefix. Safe for threads."""

    def __init__(
        self,
        region: str,
        credentials: Credentials,
        bucket: str,
        prefix: str,
        endpoint_url: str | None = None,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        url = urlsplit(endpoint_url or _default_endpoint(region))
        self._tls = url.scheme != "http"
        self._host = url.netloc.rpartition("@")[2]
        self._root = f"{url.path.rstrip('/')}/{bucket}/" + (f"{prefix.strip('/')}/" if prefix else "")
        self._region = region
        self._credentials = credentials
        self._now = now
        self._sleep = sleep
        self._local = threading.local()  # a connection for each thread

    def create(self, key: str, parts: Iterable[Part]) -> None:
        """Raises AlreadyExists, NotFound (of what should be copied), Refused or Unavailable."""
        upload_id = self._begin(key)
        try:
            etags = self._send_parts(key, upload_id, parts)
        except BaseException:
            self._abort(key, upload_id)
            raise
        self._complete(key, upload_id, etags)

    def _begin(self, key: str) -> str:
        text = self._call(key, "POST", key, [("uploads", "")])
        return _element(text, "UploadId", key)

    def _send_parts(self, key: str, upload_id: str, parts: Iterable[Part]) -> list[str]:
        sending: deque[InThread] = deque()
        etags: list[str] = []
        for number, part in enumerate(_in_ranges(parts), start=1):
            sending.append(InThread(partial(self._send_part, key, upload_id, number, part)))
            if len(sending) >= PARTS_IN_FLIGHT:
                etags.append(sending.popleft().result())
        etags.extend(one.result() for one in sending)
        return etags

    def _send_part(self, key: str, upload_id: str, number: int, part: Part) -> str:
        query = [("partNumber", str(number)), ("uploadId", upload_id)]
        if isinstance(part, bytes):
            headers: dict[str, str] = {}
            self._call(key, "PUT", key, query, part, received=headers)
            return headers["etag"]
        source = {
            "x-amz-copy-source": quote(self._root + part.key, safe="/~"),
            "x-amz-copy-source-range": f"bytes={part.start}-{part.start + part.length - 1}",
        }
        return _element(self._call(part.key, "PUT", key, query, headers=source), "ETag", key)

    def _complete(self, key: str, upload_id: str, etags: list[str]) -> None:
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag.replace('&quot;', chr(34))}</ETag></Part>"
            for number, etag in enumerate(etags, start=1)
        )
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        try:
            self._call(key, "POST", key, [("uploadId", upload_id)], body, {"if-none-match": "*"})
        except NotFound as error:
            # The upload is gone: completed by a try whose answer got lost, or aborted by somebody.
            raise Unavailable(key, f"the upload is gone, completed or aborted ({error})") from error

    def _abort(self, key: str, upload_id: str) -> None:
        try:
            self._call(key, "DELETE", key, [("uploadId", upload_id)])
        except (NotFound, Refused, Unavailable):
            return  # the lifecycle rule of the bucket removes it

    def _call(
        self,
        about: str,
        method: str,
        key: str,
        query: list[tuple[str, str]],
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        received: dict[str, str] | None = None,
    ) -> str:
        """The text of a good answer; tries again what may pass."""
        for tries_left in reversed(range(TRIES)):
            try:
                return self._ask(method, self._root + key, query, body, headers or {}, received)
            except _Answer as answer:
                passes = answer.status >= 500 or answer.status == 429 or answer.code in _RETRIED
                if not (passes and tries_left):
                    raise _translated(about, answer) from answer
            except OSError as error:
                self._drop_connection()
                if not tries_left:
                    raise Unavailable(about, f"{self._host}: {error}") from error
            self._sleep(FIRST_BACKOFF_SECONDS * 2 ** (TRIES - 1 - tries_left))
        raise AssertionError("the last try returns or raises")

    def _ask(
        self,
        method: str,
        path: str,
        query: list[tuple[str, str]],
        body: bytes,
        more: dict[str, str],
        received: dict[str, str] | None,
    ) -> str:
        from http.client import HTTPException

        headers = {"host": self._host, **more}
        canonical = canonical_query(query)
        sign(
            headers,
            body,
            service="s3",
            region=self._region,
            credentials=self._credentials,
            now=self._now(),
            method=method,
            path=path,
            query=canonical,
        )
        connection = self._connection()
        try:
            connection.request(method, f"{quote(path, safe='/~')}?{canonical}", body, headers)
            response = connection.getresponse()
            text = response.read().decode(errors="replace")
        except HTTPException as error:
            raise OSError(f"no answer: {error or type(error).__name__}") from error
        if received is not None:
            received.update({name.lower(): value for name, value in response.getheaders()})
        # A completion that takes long answers 200 before it knows how it ends.
        if response.status >= 300 or "<Error>" in text:
            code, message = (_found(text, name) for name in ("Code", "Message"))
            raise _Answer(response.status if response.status >= 300 else 500, code, message)
        return text

    def _connection(self) -> HTTPConnection:
        connection: HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is None:
            from http.client import HTTPConnection, HTTPSConnection

            kind = HTTPSConnection if self._tls else HTTPConnection
            connection = self._local.connection = kind(self._host, timeout=CALL_SECONDS)
        return connection

    def _drop_connection(self) -> None:
        connection: HTTPConnection | None = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
            self._local.connection = None


def in_parts(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in pieces of PART_BYTES; the last one may be smaller."""
    waiting, size = [], 0
    for chunk in chunks:
        waiting.append(chunk)
        size += len(chunk)
        if size >= PART_BYTES:
            joined = b"".join(waiting)
            whole = size - size % PART_BYTES
            yield from (joined[start : start + PART_BYTES] for start in range(0, whole, PART_BYTES))
            waiting, size = [joined[whole:]], size - whole
    if size:
        yield b"".join(waiting)


def _in_ranges(parts: Iterable[Part]) -> Iterator[Part]:
    for part in parts:
        if isinstance(part, bytes):
            yield part
            continue
        end = part.start + part.length
        for start in range(part.start, end, COPIED_PART_BYTES):
            yield CopyOf(part.key, start, min(COPIED_PART_BYTES, end - start))


def _translated(key: str, answer: _Answer) -> Exception:
    if answer.status in (409, 412):
        return AlreadyExists(key)
    if answer.status == 404:
        return Refused(key, str(answer)) if answer.code == "NoSuchBucket" else NotFound(key)
    if answer.status in _REFUSALS:
        return Refused(key, str(answer))
    return Unavailable(key, str(answer))


def _found(text: str, name: str) -> str:
    match = re.search(f"<{name}>([^<]*)</{name}>", text)
    return match[1] if match else ""


def _element(text: str, name: str, key: str) -> str:
    found = _found(text, name)
    if not found:
        raise Unavailable(key, f"an answer without {name}")
    return found


def _default_endpoint(region: str) -> str:
    return f"https://s3.{region}.amazonaws.com{'.cn' if region.startswith('cn-') else ''}"
