"""The verbs that the engine uses on an object store, and S3 (or memory) behind them by way of obstore.

Keys are relative to the store's prefix and use `/`. Objects are immutable but for `replace`, which only the S3 lock
uses. `create` and `replace` are conditional: they never overwrite what the caller has not seen.

An answer to `create` or `replace` may be wrong about this very call: obstore sends a lost request again and then
meets its own object (AlreadyExists), and a time-out leaves it open (Unavailable). Callers resolve both by reading
the key back; see `storage.replica` for commits and `locks.s3` for locks.

`DirectoryStore` (directory_store.py) is the same over a directory.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambda_handlers.settings import Settings

CHUNK_BYTES = 1 << 20
RETRIES = 3
RETRY_SECONDS = 15  # after the first try of a request

T = TypeVar("T")


class StoreError(Exception):
    """Something about one key; the text names it."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}")
        self.key = key


class NotFound(StoreError):
    """There is no such object."""

    def __init__(self, key: str) -> None:
        super().__init__(key, "no such object")


class AlreadyExists(StoreError):
    """`create` found an object at the key: perhaps its own."""

    def __init__(self, key: str) -> None:
        super().__init__(key, "exists already")


class PreconditionFailed(StoreError):
    """`replace` found another version than the caller's: perhaps its own."""

    def __init__(self, key: str) -> None:
        super().__init__(key, "was changed by somebody else")


class Unavailable(StoreError):
    """The store refused or did not answer; whether a write was applied is not known."""


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    key: str
    size: int  # bytes
    modified_at: float  # unix seconds, by the store's clock


class ObjectStore(Protocol):
    """Every verb raises Unavailable where the store refuses or does not answer after bounded retries."""

    def get(self, key: str) -> bytes:
        """The whole object; raises NotFound."""

    def get_with_tag(self, key: str) -> tuple[bytes, str]:
        """The whole object and its ETag, which `replace` needs; raises NotFound."""

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """`length` bytes from `start`, fewer where the object ends; raises NotFound."""

    def chunks(self, key: str) -> Iterator[bytes]:
        """The object piece by piece, for what should not be in memory whole; raises NotFound at the first piece."""

    def list_objects(self, prefix: str) -> Iterator[ObjectInfo]:
        """The objects whose key begins with `prefix` (which ends with `/` or is empty), in order of their keys."""

    def list_directories(self, prefix: str) -> list[str]:
        """The names directly below `prefix` that have objects below them, in order."""

    def create(self, key: str, body: bytes) -> str:
        """Write an object that does not exist and return its ETag; raises AlreadyExists."""

    def replace(self, key: str, body: bytes, etag: str) -> str:
        """Write over the version with this ETag and return the new one; raises PreconditionFailed or NotFound."""

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens where there is none."""


class ObstoreStore:
    """S3, or memory for tests."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def get(self, key: str) -> bytes:
        import obstore

        return _asking(key, lambda: bytes(obstore.get(self._store, key).bytes()))

    def get_with_tag(self, key: str) -> tuple[bytes, str]:
        import obstore

        def read() -> tuple[bytes, str]:
            got = obstore.get(self._store, key)
            return bytes(got.bytes()), got.meta["e_tag"] or ""

        return _asking(key, read)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        import obstore

        return _asking(key, lambda: bytes(obstore.get_range(self._store, key, start=start, length=length)))

    def chunks(self, key: str) -> Iterator[bytes]:
        import obstore

        stream = iter(_asking(key, lambda: obstore.get(self._store, key)).stream(min_chunk_size=CHUNK_BYTES))
        while (chunk := _asking(key, lambda: next(stream, None))) is not None:
            yield bytes(chunk)

    def list_objects(self, prefix: str) -> Iterator[ObjectInfo]:
        import obstore

        pages = iter(obstore.list(self._store, prefix=prefix or None))
        while (page := _asking(prefix, lambda: next(pages, None))) is not None:
            for meta in page:
                yield ObjectInfo(meta["path"], meta["size"], meta["last_modified"].timestamp())

    def list_directories(self, prefix: str) -> list[str]:
        import obstore

        found = _asking(prefix, lambda: obstore.list_with_delimiter(self._store, prefix=prefix or None))
        return sorted(path.rstrip("/").rsplit("/", 1)[-1] for path in found["common_prefixes"])

    def create(self, key: str, body: bytes) -> str:
        import obstore

        done = _asking(key, lambda: obstore.put(self._store, key, body, mode="create", use_multipart=False))
        return done["e_tag"] or ""

    def replace(self, key: str, body: bytes, etag: str) -> str:
        import obstore

        done = _asking(
            key, lambda: obstore.put(self._store, key, body, mode={"e_tag": etag}, use_multipart=False)
        )
        return done["e_tag"] or ""

    def delete(self, key: str) -> None:
        import obstore

        try:
            _asking(key, lambda: obstore.delete(self._store, key))
        except NotFound:
            return  # only the in-memory store minds


def _asking(key: str, ask: Callable[[], T]) -> T:
    """obstore's errors as ours: the one map between the two."""
    from obstore import exceptions

    try:
        return ask()
    except (exceptions.NotFoundError, FileNotFoundError) as error:
        raise NotFound(key) from error
    except exceptions.AlreadyExistsError as error:
        raise AlreadyExists(key) from error
    except exceptions.PreconditionError as error:
        raise PreconditionFailed(key) from error
    except (exceptions.BaseError, OSError) as error:
        raise Unavailable(key, _first_line(error)) from error


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:500]


class MeteredStore:
    """A store that counts what is asked of it: requests, and bytes of bodies in and out."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.requests = 0
        self.bytes_in = 0
        self.bytes_out = 0

    def get(self, key: str) -> bytes:
        self.requests += 1
        return self._count_in(self._store.get(key))

    def get_with_tag(self, key: str) -> tuple[bytes, str]:
        self.requests += 1
        body, etag = self._store.get_with_tag(key)
        return self._count_in(body), etag

    def get_range(self, key: str, start: int, length: int) -> bytes:
        self.requests += 1
        return self._count_in(self._store.get_range(key, start, length))

    def chunks(self, key: str) -> Iterator[bytes]:
        self.requests += 1
        for chunk in self._store.chunks(key):
            yield self._count_in(chunk)

    def list_objects(self, prefix: str) -> Iterator[ObjectInfo]:
        for number, info in enumerate(self._store.list_objects(prefix)):
            if number % 1000 == 0:  # S3's page
                self.requests += 1
            yield info

    def list_directories(self, prefix: str) -> list[str]:
        self.requests += 1
        return self._store.list_directories(prefix)

    def create(self, key: str, body: bytes) -> str:
        self.requests += 1
        self.bytes_out += len(body)
        return self._store.create(key, body)

    def replace(self, key: str, body: bytes, etag: str) -> str:
        self.requests += 1
        self.bytes_out += len(body)
        return self._store.replace(key, body, etag)

    def delete(self, key: str) -> None:
        self.requests += 1
        self._store.delete(key)

    def _count_in(self, body: bytes) -> bytes:
        self.bytes_in += len(body)
        return body


def memory_store() -> ObstoreStore:
    """A store in this process's memory, for tests."""
    from obstore.store import MemoryStore

    return ObstoreStore(MemoryStore())


def open_store(settings: Settings) -> ObjectStore:
    """The store that settings.store names: s3://bucket/prefix or file:///directory."""
    scheme, _, path = settings.store.partition("://")
    if scheme == "file":
        from lambda_handlers.directory_store import DirectoryStore, path_of_url

        return DirectoryStore(path_of_url(settings.store))
    bucket, _, prefix = path.partition("/")
    return ObstoreStore(_s3(settings, bucket, prefix))


def _s3(settings: Settings, bucket: str, prefix: str) -> Any:
    from datetime import timedelta

    from obstore.store import S3Store

    config: dict[str, Any] = {"region": settings.region, "conditional_put": "etag"}
    if settings.endpoint_url:
        config["endpoint"] = settings.endpoint_url
    if settings.credentials:
        config["access_key_id"] = settings.credentials.access_key_id
        config["secret_access_key"] = settings.credentials.secret_access_key
        if settings.credentials.session_token:
            config["session_token"] = settings.credentials.session_token
    plain_http = bool(settings.endpoint_url and settings.endpoint_url.startswith("http://"))
    return S3Store(
        bucket,
        prefix=prefix or None,
        config=config,  # type: ignore[arg-type]  # built key by key
        client_options={"allow_http": plain_http, "timeout": "60s", "connect_timeout": "3s"},
        retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)},
    )
