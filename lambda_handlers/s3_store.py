"""The object store's verbs over S3, by way of obstore; over memory too, for tests.

obstore sends a request again after 5xx answers and dropped connections, a few times within seconds. That makes its
answers to conditional writes ambiguous in the way that object_store.py describes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

import obstore
from obstore import exceptions
from obstore.store import MemoryStore, S3Store

from lambda_handlers.object_store import (
    CHUNK_BYTES,
    AlreadyExists,
    CopyOf,
    NotFound,
    ObjectInfo,
    PreconditionFailed,
    Refused,
    Unavailable,
)
from lambda_handlers.settings import Credentials

if TYPE_CHECKING:
    from lambda_handlers.s3_requests import S3Requests
    from lambda_handlers.settings import Settings

RETRIES = 3
RETRY_SECONDS = 15  # after the first try of a request
CONNECT_SECONDS = 3
REQUEST_SECONDS = 60  # with the body

T = TypeVar("T")


class ObstoreStore:
    """S3, or memory for tests: what memory takes whole goes to S3 in parts."""

    def __init__(self, store: Any, requests: Callable[[], S3Requests] | None = None) -> None:
        self._store = store
        self._requests = requests

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
        except Unavailable:
            # S3 refuses a range that begins behind the end (416), and obstore has no name for that.
            if _asking(key, lambda: obstore.head(self._store, key))["size"] > start:
                raise
            return b""

    def size(self, key: str) -> int:
        found: int = _asking(key, lambda: obstore.head(self._store, key))["size"]
        return found

    def chunks(self, key: str) -> Iterator[bytes]:
        stream = iter(_asking(key, lambda: obstore.get(self._store, key)).stream(min_chunk_size=CHUNK_BYTES))
        while (chunk := _asking(key, lambda: next(stream, None))) is not None:
            yield bytes(chunk)

    def list_objects(self, prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        pages = iter(obstore.list(self._store, prefix=prefix or None, offset=after))
        while (page := _asking(prefix, lambda: next(pages, None))) is not None:
            for meta in page:
                # obstore cuts a slash off the end of `after`.
                if after is None or meta["path"] > after:
                    yield ObjectInfo(meta["path"], meta["size"], meta["last_modified"].timestamp(), meta["e_tag"] or "")

    def list_directories(self, prefix: str) -> list[str]:
        found = _asking(prefix, lambda: obstore.list_with_delimiter(self._store, prefix=prefix or None))
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in found["common_prefixes"])

    def create(self, key: str, body: bytes) -> str:
        try:
            done = _asking(key, lambda: obstore.put(self._store, key, body, mode="create", use_multipart=False))
        except NotFound as error:
            raise Refused(key, "there is no such bucket to create it in") from error
        return done["e_tag"] or ""

    def create_from(self, key: str, chunks: Iterable[bytes]) -> None:
        if self._requests is None:
            self.create(key, b"".join(chunks))
            return
        from lambda_handlers import s3_multipart

        parts = s3_multipart.in_parts(chunks)
        first, second = next(parts, b""), next(parts, None)
        if second is None:
            self.create(key, first)
        else:
            s3_multipart.create(self._requests(), key, chain((first, second), parts))

    def assemble(self, key: str, parts: Sequence[bytes | CopyOf]) -> str:
        if self._requests is not None:
            from lambda_handlers import s3_multipart

            return s3_multipart.create(self._requests(), key, parts)
        return self.create(
            key,
            b"".join(
                part if isinstance(part, bytes) else self.get_range(part.key, part.start, part.length) for part in parts
            ),
        )

    def put(self, key: str, body: bytes) -> str:
        done = _asking(key, lambda: obstore.put(self._store, key, body, use_multipart=False))
        return done["e_tag"] or ""

    def presign(self, method: str, keys: Sequence[str], seconds: float) -> list[str] | None:
        if self._requests is None:
            return None
        lifetime = timedelta(seconds=seconds)
        return _asking(keys[0], lambda: list(obstore.sign(self._store, method, list(keys), lifetime)))  # type: ignore[call-overload]  # a method it knows

    def replace(self, key: str, body: bytes, etag: str) -> str:
        done = _asking(key, lambda: obstore.put(self._store, key, body, mode={"e_tag": etag}, use_multipart=False))
        return done["e_tag"] or ""

    def delete(self, key: str) -> None:
        try:
            _asking(key, lambda: obstore.delete(self._store, key))
        except NotFound:
            return  # only the in-memory store minds

    def delete_many(self, keys: Sequence[str]) -> None:
        if self._requests is None:
            for key in keys:
                self.delete(key)
        elif keys:
            _asking(keys[0], lambda: obstore.delete(self._store, list(keys)))


def _asking(key: str, ask: Callable[[], T]) -> T:
    """obstore's errors as ours: the one map between the two."""
    try:
        return ask()
    except (exceptions.NotFoundError, FileNotFoundError) as error:
        raise NotFound(key) from error
    except exceptions.AlreadyExistsError as error:
        raise AlreadyExists(key) from error
    except exceptions.PreconditionError as error:
        raise PreconditionFailed(key) from error
    except (exceptions.PermissionDeniedError, exceptions.UnauthenticatedError, PermissionError) as error:
        raise Refused(key, _summary(error)) from error
    except (exceptions.BaseError, OSError) as error:
        raise Unavailable(key, _summary(error)) from error


def _summary(error: BaseException) -> str:
    """One line: what obstore says, with S3's code, without the picture of its data structures."""
    text = str(error).partition("\n\nDebug source:")[0]
    return " ".join(text.split())[:500] or type(error).__name__


def memory_store() -> ObstoreStore:
    """A store in this process's memory, for tests."""
    return ObstoreStore(MemoryStore())


def open_s3(
    settings: Settings,
    bucket: str,
    prefix: str,
    make: Callable[[Any, Callable[[], S3Requests]], ObstoreStore] = ObstoreStore,
) -> ObstoreStore:
    config: dict[str, Any] = {"region": settings.region, "conditional_put": "etag"}
    if settings.endpoint_url:
        config["endpoint"] = settings.endpoint_url
    if settings.credentials:
        config["access_key_id"] = settings.credentials.access_key_id
        config["secret_access_key"] = settings.credentials.secret_access_key
        if settings.credentials.session_token:
            config["session_token"] = settings.credentials.session_token

    def requests() -> S3Requests:
        from lambda_handlers.s3_requests import S3Requests

        credentials = settings.credentials or Credentials("", "")
        return S3Requests(settings.region, credentials, bucket, prefix, settings.endpoint_url)

    plain_http = bool(settings.endpoint_url and settings.endpoint_url.startswith("http://"))
    store = S3Store(
        bucket,
        prefix=prefix or None,
        config=config,  # type: ignore[arg-type]  # built key by key
        client_options={
            "allow_http": plain_http,
            "timeout": f"{REQUEST_SECONDS}s",
            "connect_timeout": f"{CONNECT_SECONDS}s",
        },
        retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)},
    )
    return make(store, lru_cache(maxsize=1)(requests))
