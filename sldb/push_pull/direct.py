"""The direct transport: a store opened in this process, a directory or the bucket with the user's own rights."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from lambda_handlers.storage.log.keys import database_prefix, upload_key, upload_prefix
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import NotFound, ObjectStore, Refused, StoreError
from sldb.push_pull.transport import FileVanished

T = TypeVar("T")

TRIES = 4  # in addition to the store's own
FIRST_PAUSE_SECONDS = 1.0  # doubled from try to try


class DirectTransport:
    """The transport over `open_store`, called again if the store refuses: the credentials may have expired.

    Failed requests are repeated after a pause: one lost part should not cost the others.
    """

    def __init__(
        self, database: str, open_store: Callable[[], ObjectStore], sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._database = database
        self._sleep = sleep
        self._open_store = open_store
        self._opening = threading.Lock()
        self._store: ObjectStore | None = None

    def put(self, upload: str, part: str, body: bytes) -> None:
        key = upload_key(self._database, upload, part)
        self._retry(lambda store: store.put(key, body))

    def read(self, file: str, start: int, length: int) -> bytes:
        key = database_prefix(self._database) + file
        return self._retry(lambda store: store.get_range(key, start, length))

    def clear(self, upload: str) -> None:
        try:
            store = self._opened()
            store.delete_many([info.key for info in store.list_objects(upload_prefix(self._database, upload))])
        except StoreError:
            return  # most likely no right to delete, which maintenance has

    def close(self) -> None:
        with self._opening:
            if self._store is not None:
                self._store.close()
                self._store = None

    def _retry(self, call: Callable[[ObjectStore], T]) -> T:
        """Return the result of the call, repeated if it fails. Raises SldbError; the log has not changed yet."""
        for tries_left in reversed(range(TRIES)):
            try:
                return self._call(call)
            except NotFound as error:
                raise FileVanished(str(error)) from error
            except StoreError as error:
                if not tries_left or isinstance(error, Refused):
                    raise store_error(error) from error
            self._sleep(FIRST_PAUSE_SECONDS * 2 ** (TRIES - 1 - tries_left))
        raise AssertionError  # the last try returns or raises

    def _call(self, call: Callable[[ObjectStore], T]) -> T:
        store = self._opened()
        try:
            return call(store)
        except Refused:
            return call(self._opened(replacing=store))

    def _opened(self, replacing: ObjectStore | None = None) -> ObjectStore:
        """Return the open store, or a new one if the open one is `replacing`."""
        with self._opening:
            if self._store is not None and self._store is replacing:
                self._store.close()
                self._store = None
            self._store = self._store or self._open_store()
            return self._store
