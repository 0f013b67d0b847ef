"""The object store over S3, by way of obstore; over memory too, for tests.

obstore sends reads, puts and deletes again after 5xx answers and dropped connections, a few times within seconds.
Conditional writes have a client of their own, without retries of obstore: s3_retries.py sends them again, because the
meaning of the last answer depends on the tries before. s3_responses.py interprets the answers.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

import obstore
from obstore import exceptions

from lambda_handlers.settings import Credentials
from lambda_handlers.store.obstore_client import RETRY_SECONDS, client_factory
from lambda_handlers.store.protocol import CHUNK_BYTES, CopyOf, NotFound, ObjectInfo, Unavailable, media_type
from lambda_handlers.store.s3_responses import Failure, RequestKind, code_in, is_transient, to_store_error
from lambda_handlers.store.s3_retries import S3Error, send_with_retries

if TYPE_CHECKING:
    from lambda_handlers.settings import Settings
    from lambda_handlers.store.s3_requests import S3Requests

RETRIES = 3
FIRST_PAUSE_SECONDS = 0.1  # between conditional writes; doubled from try to try

T = TypeVar("T")


class ObstoreStore:
    """S3, or memory for tests. Large objects go to S3 in parts, and to memory whole.

    `client` makes a client of obstore for a number of retries. Clients are made on demand, and keep their connections
    until `close`."""

    def __init__(
        self,
        client: Callable[[int], Any],
        requests: Callable[[], S3Requests] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._make_client = client
        self._make_requests = requests
        self._sleep = sleep
        self._clients: dict[int, Any] = {}  # by the number of retries
        self._made_requests: S3Requests | None = None

    def prepare(self) -> None:
        """Make the client for reads now: it takes 10 ms of a processor, and Lambda's init phase has a whole one."""
        with suppress(Exception):  # the first request meets it, and reports it
            self._client(RETRIES)

    @property
    def _store(self) -> Any:
        return self._client(RETRIES)

    def _client(self, retries: int) -> Any:
        if retries not in self._clients:
            self._clients.setdefault(retries, self._make_client(retries))
        return self._clients[retries]

    @property
    def _is_memory(self) -> bool:
        return self._make_requests is None

    def _requests(self) -> S3Requests:
        assert self._make_requests is not None
        self._made_requests = self._made_requests or self._make_requests()
        return self._made_requests

    def close(self) -> None:
        # A client of obstore's closes its connections when nothing refers to it any more.
        self._clients.clear()
        if self._made_requests is not None:
            self._made_requests.close()

    def get(self, key: str) -> bytes:
        return _call(key, lambda: bytes(obstore.get(self._store, key).bytes()))

    def get_with_tag(self, key: str) -> tuple[bytes, str]:
        def read() -> tuple[bytes, str]:
            got = obstore.get(self._store, key)
            return bytes(got.bytes()), got.meta["e_tag"] or ""

        return _call(key, read)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        if length == 0:  # an error for obstore
            self.size(key)
            return b""
        try:
            return _call(key, lambda: bytes(obstore.get_range(self._store, key, start=start, length=length)))
        except Unavailable as error:
            # S3 refuses a range that begins behind the end (416), and memory has no status.
            if error.status not in (0, 416) or self.size(key) > start:
                raise
            return b""

    def size(self, key: str) -> int:
        return self.info(key).size

    def info(self, key: str) -> ObjectInfo:
        return _info(_call(key, lambda: obstore.head(self._store, key)))

    def chunks(self, key: str) -> Iterator[bytes]:
        stream = iter(_call(key, lambda: obstore.get(self._store, key)).stream(min_chunk_size=CHUNK_BYTES))
        while (chunk := _call(key, lambda: next(stream, None))) is not None:
            yield bytes(chunk)

    def list_objects(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        pages = iter(obstore.list(self._store, prefix=prefix or None, offset=after))
        while (page := _call(prefix, lambda: next(pages, None), RequestKind.LIST)) is not None:
            for meta in page:
                # obstore cuts a slash off the end of `after`.
                if after is None or meta["path"] > after:
                    yield _info(meta)

    def list_directories(self, prefix: str) -> list[str]:
        found = _call(prefix, lambda: obstore.list_with_delimiter(self._store, prefix=prefix or None), RequestKind.LIST)
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in found["common_prefixes"])

    def create(self, key: str, body: bytes) -> str:
        done = self._writing(
            RequestKind.CREATE,
            key,
            lambda store: obstore.put(
                store, key, body, mode="create", use_multipart=False, attributes=_attributes(key)
            ),
        )
        return done["e_tag"] or ""

    def create_from(self, key: str, chunks: Iterable[bytes]) -> None:
        if self._is_memory:
            self.create(key, b"".join(chunks))
            return
        from lambda_handlers.store import s3_multipart

        parts = s3_multipart.in_parts(chunks)
        first, second = next(parts, b""), next(parts, None)
        if second is None:
            self.create(key, first)
        else:
            s3_multipart.create(self._requests(), key, chain((first, second), parts))

    def assemble(self, key: str, parts: Sequence[bytes | CopyOf]) -> str:
        if not self._is_memory:
            from lambda_handlers.store import s3_multipart

            return s3_multipart.create(self._requests(), key, parts)
        return self.create(
            key,
            b"".join(
                part if isinstance(part, bytes) else self.get_range(part.key, part.start, part.length) for part in parts
            ),
        )

    def put(self, key: str, body: bytes) -> str:
        done = _call(key, lambda: obstore.put(self._store, key, body, use_multipart=False), RequestKind.PUT)
        return done["e_tag"] or ""

    def presign(self, method: str, keys: Sequence[str], seconds: float) -> list[str] | None:
        if self._is_memory:
            return None
        lifetime = timedelta(seconds=seconds)
        return _call(keys[0], lambda: list(obstore.sign(self._store, method, list(keys), lifetime)))  # type: ignore[call-overload]  # a method it knows

    def replace(self, key: str, body: bytes, etag: str) -> str:
        done = self._writing(
            RequestKind.REPLACE,
            key,
            lambda store: obstore.put(store, key, body, mode={"e_tag": etag}, use_multipart=False),
        )
        return done["e_tag"] or ""

    def delete(self, key: str) -> None:
        # Memory alone reports a missing object.
        kind = RequestKind.READ if self._is_memory else RequestKind.DELETE
        with suppress(NotFound):
            _call(key, lambda: obstore.delete(self._store, key), kind)

    def delete_version(self, key: str, etag: str) -> bool:
        if self._is_memory:
            with suppress(NotFound):
                if self.get_with_tag(key)[1] == etag:
                    self.delete(key)
                    return True
            return False
        try:
            self._requests().send("DELETE", key, (), headers={"if-match": etag})
        except S3Error as error:
            if error.failure.status in (404, 409, 412) and error.failure.code != "NoSuchBucket":
                return False
            raise to_store_error(RequestKind.DELETE, key, error.verdict) from error
        return True

    def delete_many(self, keys: Sequence[str]) -> None:
        if self._is_memory:
            for key in keys:
                self.delete(key)
        elif keys:
            _call(keys[0], lambda: obstore.delete(self._store, list(keys)), RequestKind.DELETE)

    def _writing(self, kind: RequestKind, key: str, write: Callable[[Any], T]) -> T:
        """Send a conditional write, again while that may help."""
        client, give_up_at = self._client(0), time.monotonic() + RETRY_SECONDS

        def attempt() -> T | Failure:
            try:
                return write(client)
            except _FAILURES as error:
                return _failure_of(error)

        def may_retry(failure: Failure) -> bool:
            # A conflict with a write at the same moment: S3 requests another try.
            is_worth_it = is_transient(failure) or failure.code == "ConditionalRequestConflict"
            return is_worth_it and time.monotonic() < give_up_at

        try:
            return send_with_retries(attempt, 1 + RETRIES, FIRST_PAUSE_SECONDS, self._sleep, may_retry)
        except S3Error as error:
            raise to_store_error(kind, key, error.verdict) from error


_FAILURES = (exceptions.BaseError, OSError)
# The status of an error of memory, or of obstore without a status.
_STATUSES: tuple[tuple[tuple[type[BaseException], ...], int], ...] = (
    ((exceptions.NotFoundError, FileNotFoundError), 404),
    ((exceptions.AlreadyExistsError, exceptions.PreconditionError), 412),
    ((exceptions.PermissionDeniedError, PermissionError), 403),
    ((exceptions.UnauthenticatedError,), 401),
)
# Texts of obstore for a missing or unusable answer, and a few words for each.
_REASONS = (
    ("operation timed out", "no answer in time"),
    ("error sending request", "no answer (error sending request)"),
    ("error decoding response", "an incomplete answer"),
)
# Signs of an unsent request in obstore's debug text: no connection (refused, no route, no such name, no handshake, a
# proxy that refuses), or an invalid address.
_UNSENT = re.compile(r"kind: (?:Connect|Builder)\b|legacy::Error\( Connect,")


def _info(meta: Any) -> ObjectInfo:
    return ObjectInfo(meta["path"], meta["size"], meta["last_modified"].timestamp(), meta["e_tag"] or "")


def _attributes(key: str) -> dict[str, str] | None:
    kind = media_type(key)
    return None if kind is None else {"Content-Type": kind}


def _call(key: str, read: Callable[[], T], kind: RequestKind = RequestKind.READ) -> T:
    """Call obstore, and raise its errors as errors of the store."""
    try:
        return read()
    except _FAILURES as error:
        raise to_store_error(kind, key, _failure_of(error)) from error


def _failure_of(error: BaseException) -> Failure:
    text = " ".join(str(error).split())[:2000] or type(error).__name__
    said, _, _ = text.partition(" Debug source:")
    match = re.search(r"status code: (\d{3})", said)
    status = int(match[1]) if match else next((status for kinds, status in _STATUSES if isinstance(error, kinds)), 0)
    code = code_in(said)
    if not code and (match := re.search(r"\(code: (\w{1,64})\)", said)):
        code = match[1]  # of one of several keys
    if code and not status:
        status = 500  # a failure that came with a 200
    if not status and "BareRedirect" in text:  # obstore does not report the status
        return Failure(301, "PermanentRedirect", detail=text)
    if not status and _UNSENT.search(text):
        return Failure(0, reason="no connection", detail=text, was_sent=False)
    reason = next((reason for words, reason in _REASONS if words in text), "an invalid answer")
    return Failure(status, code, reason, text)


def open_s3(
    settings: Settings,
    bucket: str,
    prefix: str,
    make: Callable[[Callable[[int], Any], Callable[[], S3Requests]], ObstoreStore] = ObstoreStore,
) -> ObstoreStore:
    def requests() -> S3Requests:
        from lambda_handlers.store.s3_requests import S3Requests

        credentials = settings.credentials or Credentials("", "")
        return S3Requests(settings.region, credentials, bucket, prefix, settings.s3_bucket(bucket))

    opened = make(client_factory(settings, bucket, prefix), requests)
    if settings.on_lambda:
        opened.prepare()
    return opened
