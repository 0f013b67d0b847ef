"""Objects of any size, created conditionally: S3's multipart upload, with `If-None-Match: *` on its completion.

obstore has no such condition (its multipart uploads overwrite), and the bucket policy refuses an unconditional write of
an LTX key. So the four calls are made here: create, upload or copy the parts, complete, abort. A part is bytes to be
sent, or a range of another object, copied by S3 itself.

Nothing exists at the key before the completion, and the answer to it is ambiguous (see protocol.py): AlreadyExists may
be about our own object, Unavailable leaves it open. A failure before it has made nothing for certain, and is marked so
(`is_unmade`). A failed upload is aborted after the last of its parts under way, so that it is not completed later
either. If that fails too, the bucket's lifecycle rule removes the leftovers.

S3 requires at least 5 MiB for every part but the last, at most 10,000 parts, at most 5 GiB of one copied range.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TypeAlias
from xml.sax.saxutils import escape

from lambda_handlers.host import InThread
from lambda_handlers.store.protocol import PART_BYTES, CopyOf, NotFound, StoreError, media_type
from lambda_handlers.store.s3_requests import S3Requests, element
from lambda_handlers.store.s3_responses import RequestKind, to_store_error
from lambda_handlers.store.s3_retries import S3Error

PARTS_IN_FLIGHT = 4  # of those that are sent: each takes PART_BYTES of memory
COPIES_IN_FLIGHT = 16  # they take S3's time only
COPIED_PART_BYTES = 256 << 20
ABORT_TRIES = 2

Part: TypeAlias = "bytes | CopyOf"


def create(requests: S3Requests, key: str, parts: Iterable[Part]) -> str:
    """Create an object of these parts, and return its ETag. Raises AlreadyExists, NotFound (of a source to copy),
    Refused, Unavailable, and any error of `parts`; and makes nothing then."""
    upload = _Upload(requests, key)
    try:
        etags = upload.send(parts)
        return upload.complete(etags)
    except BaseException:
        upload.abort()
        raise


class _Upload:
    def __init__(self, requests: S3Requests, key: str) -> None:
        self._requests = requests
        self._key = key
        self._sending: deque[InThread] = deque()
        self._is_wanted = True
        try:
            kind = media_type(key)
            headers = {} if kind is None else {"content-type": kind}
            answer = requests.send("POST", key, [("uploads", "")], headers=headers, expects="UploadId")
        except S3Error as error:
            raise _unmade(key, error) from error
        self._id = element(answer, "UploadId")

    def send(self, parts: Iterable[Part]) -> list[str]:
        """Send the parts, and return their ETags."""
        etags: list[str] = []
        for number, part in enumerate(_pieces(parts), start=1):
            while len(self._sending) >= (PARTS_IN_FLIGHT if isinstance(part, bytes) else COPIES_IN_FLIGHT):
                etags.append(self._sending.popleft().result())
            self._sending.append(self._start(number, part))
        while self._sending:
            etags.append(self._sending.popleft().result())
        return etags

    def complete(self, etags: list[str]) -> str:
        """Complete the upload, and return the ETag of the object."""
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{escape(etag)}</ETag></Part>"
            for number, etag in enumerate(etags, start=1)
        )
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        try:
            answer = self._requests.send(
                "POST", self._key, [("uploadId", self._id)], body, {"if-none-match": "*"}, expects="ETag"
            )
        except S3Error as error:
            # 404: the upload is gone, completed by a try whose answer got lost, or aborted by another process.
            raise to_store_error(RequestKind.COMPLETE, self._key, error.verdict) from error
        return element(answer, "ETag")

    def abort(self) -> None:
        """Abort the upload, after the parts under way: one that arrived after the abort would be kept, and paid for."""
        self._is_wanted = False
        while self._sending:
            with suppress(StoreError):
                self._sending.popleft().result()
        with suppress(S3Error):
            self._requests.send("DELETE", self._key, [("uploadId", self._id)], tries=ABORT_TRIES)

    def _start(self, number: int, part: Part) -> InThread:
        return InThread(lambda: self._send_part(number, part))

    def _send_part(self, number: int, part: Part) -> str:
        query = [("partNumber", str(number)), ("uploadId", self._id)]
        if isinstance(part, bytes):
            try:
                sent = self._requests.send("PUT", self._key, query, part, is_wanted=self._goes_on)
            except S3Error as error:
                raise _unmade(self._key, error) from error
            return sent.headers.get("etag", "")
        source = {
            "x-amz-copy-source": self._requests.copy_source(part.key),
            "x-amz-copy-source-range": f"bytes={part.start}-{part.start + part.length - 1}",
        }
        try:
            copied = self._requests.send(
                "PUT", self._key, query, headers=source, expects="ETag", is_wanted=self._goes_on
            )
        except S3Error as error:
            if error.failure.status == 404 and error.failure.code not in ("NoSuchUpload", "NoSuchBucket"):
                raise NotFound(part.key) from error
            raise _unmade(self._key, error) from error
        return element(copied, "ETag")

    def _goes_on(self) -> bool:
        return self._is_wanted


def in_parts(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Return the same bytes in pieces of PART_BYTES; the last one may be smaller."""
    waiting = bytearray()
    for chunk in chunks:
        waiting += chunk
        while len(waiting) >= PART_BYTES:
            yield bytes(memoryview(waiting)[:PART_BYTES])
            del waiting[:PART_BYTES]
    if waiting:
        yield bytes(waiting)


def _pieces(parts: Iterable[Part]) -> Iterator[Part]:
    """Return parts as S3 accepts them: not empty (unless all are), no range longer than COPIED_PART_BYTES."""
    is_empty = True
    for part in parts:
        pieces = _ranges(part) if isinstance(part, CopyOf) else iter((part,) if part else ())
        for piece in pieces:
            is_empty = False
            yield piece
    if is_empty:
        yield b""


def _ranges(whole: CopyOf) -> Iterator[CopyOf]:
    """Split a range into parts of about equal length: a short one at the end could not be in the middle of an
    object."""
    number = -(-whole.length // COPIED_PART_BYTES)
    bounds = [whole.start + whole.length * index // number for index in range(number)] if number else []
    for start, end in zip(bounds, [*bounds[1:], whole.start + whole.length], strict=False):
        yield CopyOf(whole.key, start, end - start)


def _unmade(key: str, error: S3Error) -> StoreError:
    """Return the error of a call that makes no object. Its effects do not concern the caller."""
    failure = to_store_error(RequestKind.STEP, key, error.failure)
    failure.is_unmade = True
    return failure
