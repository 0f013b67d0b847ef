"""Open transactions that are too large for their tokens: objects `_streams/<sha256>`, named by their content.

The token then has the digest, and a request takes one GET and one PUT more. An object is created and never changed; if
it exists, it has this content. It is compared with its name whenever it is read.

In a bucket a lifecycle rule of the stack removes old objects: the query function may delete nothing. A store without
URLs (a directory) has no such rule; there a write removes older objects, at most once an hour.
"""

from __future__ import annotations

import hashlib

from lambda_handlers.database.errors import transaction_expired
from lambda_handlers.host import Host
from lambda_handlers.storage.log.keys import stream_key, streams_prefix
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.metered import MeteredStore
from lambda_handlers.store.protocol import AlreadyExists, NotFound, StoreError, Unavailable
from lambda_handlers.wire import SldbError

KEPT_SECONDS = 2 * 86_400.0  # longer than any token lives
MIN_SECONDS_BETWEEN_REMOVALS = 3600.0
MAX_ATTEMPTS = 3
_READINGS = 2  # it may have been damaged in transit


class StoredTokens:
    def __init__(self, store: MeteredStore, host: Host, *, may_remove: bool = True) -> None:
        self._store = store
        self._host = host
        self._may_remove = may_remove
        self._removed_at: float | None = None  # unix seconds

    def keep(self, body: bytes) -> bytes:
        """Store a body, and return its SHA-256 for `kept`. Raises `store_error`."""
        digest = hashlib.sha256(body).digest()
        key = stream_key(digest.hex())
        try:
            self._create(key, body)
            if self._may_remove and self._store.presign("GET", [key], 1.0) is None:
                self._remove_old()
        except StoreError as error:
            raise store_error(error, applied="no") from error
        return digest

    def kept(self, digest: bytes) -> bytes:
        """Return the body with this SHA-256. Raises `not_found` if it is gone, `corrupt` and `store_error`."""
        key = stream_key(digest.hex())
        try:
            for _ in range(_READINGS):
                body = self._store.get(key)
                if hashlib.sha256(body).digest() == digest:
                    return body
        except NotFound as error:
            raise transaction_expired() from error
        except StoreError as error:
            raise store_error(error, applied="no") from error
        raise SldbError(
            "corrupt",
            f"{key}: the open transaction is damaged: it has not the content that its name says",
            "begin a new transaction",
            key=key,
            applied="no",
        )

    def _create(self, key: str, body: bytes) -> None:
        for tries_left in reversed(range(MAX_ATTEMPTS)):
            try:
                if self._is_created(key, body):
                    return
            except Unavailable:
                if not tries_left:
                    raise
        raise Unavailable(key, "was refused as an object that exists, and it does not")

    def _is_created(self, key: str, body: bytes) -> bool:
        try:
            self._store.create(key, body)
        except AlreadyExists:
            try:
                self._store.size(key)
            except NotFound:
                return False  # S3 also refuses a create because of another one under way
        return True

    def _remove_old(self) -> None:
        now = self._host.now()
        if self._removed_at is not None and abs(now - self._removed_at) < MIN_SECONDS_BETWEEN_REMOVALS:
            return
        self._removed_at = now
        written_at = {info.key: info.modified_at for info in self._store.list_objects(streams_prefix())}
        newest = max(written_at.values(), default=0.0)  # by the store's clock
        if old := [key for key, at in written_at.items() if at < newest - KEPT_SECONDS]:
            self._store.delete_many(old)
