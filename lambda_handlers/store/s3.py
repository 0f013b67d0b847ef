"""The object store's verbs over S3, by way of obstore; over memory too, for tests.

obstore sends reads, puts and deletes again after 5xx answers and dropped connections, a few times within seconds. Not
so conditional writes, which have a client of their own: only who knows what the tries before were told can say what the
last answer means. They are sent again here, and a refusal after a try that may have been carried out is none.
What the answers mean is in s3_answers.py.
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
from lambda_handlers.store.obstore_client import RETRY_SECONDS, maker
from lambda_handlers.store.protocol import CHUNK_BYTES, CopyOf, NotFound, ObjectInfo, Unavailable
from lambda_handlers.store.s3_responses import Failure, Kind, code_in, error_of, is_transient
from lambda_handlers.store.s3_retries import S3Error, send_with_retries

if TYPE_CHECKING:
    from lambda_handlers.settings import Settings
    from lambda_handlers.store.s3_requests import S3Requests

RETRIES = 3
FIRST_PAUSE_SECONDS = 0.1  # between conditional writes; doubled from try to try

T = TypeVar("T")


class ObstoreStore:
    """S3, or memory for tests: what memory takes whole goes to S3 in parts.

    `client` makes a client of obstore's that sends again so many times. Clients are made when they are needed, and have
    their connections until `close`."""

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
        return _asking(key, lambda: bytes(obstore.get(self._store, key).bytes()))

    def get_with_tag(self, key: str) -> tuple[bytes, str]:
        def read() -> tuple[bytes, str]:
            got = obstore.get(self._store, key)
            return bytes(got.bytes()), got.meta["e_tag"] or ""

        return _asking(key, read)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        if length == 0:  # obstore takes that for a mistake
            self.size(key)
            return b""
        try:
            return _asking(key, lambda: bytes(obstore.get_range(self._store, key, start=start, length=length)))
        except Unavailable as error:
            # S3 refuses a range that begins behind the end (416), and memory has no status.
            if error.status not in (0, 416) or self.size(key) > start:
                raise
            return b""

    def size(self, key: str) -> int:
        return self.info(key).size

    def info(self, key: str) -> ObjectInfo:
        return _info(_asking(key, lambda: obstore.head(self._store, key)))

    def chunks(self, key: str) -> Iterator[bytes]:
        stream = iter(_asking(key, lambda: obstore.get(self._store, key)).stream(min_chunk_size=CHUNK_BYTES))
        while (chunk := _asking(key, lambda: next(stream, None))) is not None:
            yield bytes(chunk)

    def list_objects(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        pages = iter(obstore.list(self._store, prefix=prefix or None, offset=after))
        while (page := _asking(prefix, lambda: next(pages, None), Kind.LIST)) is not None:
            for meta in page:
                # obstore cuts a slash off the end of `after`.
                if after is None or meta["path"] > after:
                    yield _info(meta)

    def list_directories(self, prefix: str) -> list[str]:
        found = _asking(prefix, lambda: obstore.list_with_delimiter(self._store, prefix=prefix or None), Kind.LIST)
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in found["common_prefixes"])

    def create(self, key: str, body: bytes) -> str:
        done = self._writing(
            Kind.CREATE,
            key,
            lambda store: obstore.put(store, key, body, mode="create", use_multipart=False),
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
        done = _asking(key, lambda: obstore.put(self._store, key, body, use_multipart=False), Kind.PUT)
        return done["e_tag"] or ""

    def presign(self, method: str, keys: Sequence[str], seconds: float) -> list[str] | None:
        if self._is_memory:
            return None
        lifetime = timedelta(seconds=seconds)
        return _asking(keys[0], lambda: list(obstore.sign(self._store, method, list(keys), lifetime)))  # type: ignore[call-overload]  # a method it knows

    def replace(self, key: str, body: bytes, etag: str) -> str:
        done = self._writing(
            Kind.REPLACE,
            key,
            lambda store: obstore.put(store, key, body, mode={"e_tag": etag}, use_multipart=False),
        )
        return done["e_tag"] or ""

    def delete(self, key: str) -> None:
        # Only memory minds if there is no such object.
        kind = Kind.READ if self._is_memory else Kind.DELETE
        with suppress(NotFound):
            _asking(key, lambda: obstore.delete(self._store, key), kind)

    def delete_many(self, keys: Sequence[str]) -> None:
        if self._is_memory:
            for key in keys:
                self.delete(key)
        elif keys:
            _asking(keys[0], lambda: obstore.delete(self._store, list(keys)), Kind.DELETE)

    def _writing(self, kind: Kind, key: str, write: Callable[[Any], T]) -> T:
        """Send a conditional write, again while that may help."""
        give_up_at = time.monotonic() + RETRY_SECONDS

        def attempt() -> T | Failure:
            try:
                return write(self._client(0))
            except _FAILURES as error:
                return _failure_of(error)

        def may_retry(failure: Failure) -> bool:
            # A conflict with a write at the same moment: S3 says to try again.
            is_worth_it = is_transient(failure) or failure.code == "ConditionalRequestConflict"
            return is_worth_it and time.monotonic() < give_up_at

        try:
            return send_with_retries(attempt, 1 + RETRIES, FIRST_PAUSE_SECONDS, self._sleep, may_retry)
        except S3Error as error:
            raise error_of(kind, key, error.verdict) from error


_FAILURES = (exceptions.BaseError, OSError)
# What memory means, or obstore where it does not say the status.
_STATUSES: tuple[tuple[tuple[type[BaseException], ...], int], ...] = (
    ((exceptions.NotFoundError, FileNotFoundError), 404),
    ((exceptions.AlreadyExistsError, exceptions.PreconditionError), 412),
    ((exceptions.PermissionDeniedError, PermissionError), 403),
    ((exceptions.UnauthenticatedError,), 401),
)
# What obstore says where there was no answer, or none to be used, and a few words for it.
_REASONS = (
    ("operation timed out", "no answer in time"),
    ("error sending request", "no answer (error sending request)"),
    ("error decoding response", "half an answer"),
)
# How it shows, in what is meant for its debugging, that a request did not leave: no connection came about (refused, no
# route, no such name, no handshake, a proxy that refuses), or the address is none.
_UNSENT = re.compile(r"kind: (?:Connect|Builder)\b|legacy::Error\( Connect,")


def _info(meta: Any) -> ObjectInfo:
    return ObjectInfo(meta["path"], meta["size"], meta["last_modified"].timestamp(), meta["e_tag"] or "")


def _asking(key: str, ask: Callable[[], T], kind: Kind = Kind.READ) -> T:
    """obstore's errors as ours."""
    try:
        return ask()
    except _FAILURES as error:
        raise error_of(kind, key, _failure_of(error)) from error


def _failure_of(error: BaseException) -> Failure:
    text = " ".join(str(error).split())[:2000] or type(error).__name__
    said, _, _ = text.partition(" Debug source:")
    match = re.search(r"status code: (\d{3})", said)
    status = int(match[1]) if match else next((status for kinds, status in _STATUSES if isinstance(error, kinds)), 0)
    code = code_in(said)
    if not code and (told := re.search(r"\(code: (\w{1,64})\)", said)):
        code = told[1]  # of one of several keys
    if code and not status:
        status = 500  # a failure that came with a 200
    if not status and "BareRedirect" in text:  # obstore does not tell which
        return Failure(301, "PermanentRedirect", detail=text)
    if not status and _UNSENT.search(text):
        return Failure(0, reason="no connection", detail=text, was_sent=False)
    reason = next((reason for words, reason in _REASONS if words in text), "an answer that makes no sense")
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

    return make(maker(settings, bucket, prefix), requests)
