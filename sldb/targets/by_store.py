"""Carries a push or pull by a store that this process opens: a directory, or the bucket with the user's own rights."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from lambda_handlers.object_store import NotFound, ObjectStore, Refused, StoreError
from lambda_handlers.storage.commit import store_error
from lambda_handlers.storage.keys import database_prefix, upload_key, upload_prefix
from sldb.transfer.carrier import Vanished

T = TypeVar("T")


class StoreCarrier:
    """`open_store` is asked again when the store refuses: credentials may have ended."""

    def __init__(self, database: str, open_store: Callable[[], ObjectStore]) -> None:
        self._database = database
        self._open_store = open_store
        self._store: ObjectStore | None = None

    def put(self, upload: str, part: str, body: bytes) -> None:
        key = upload_key(self._database, upload, part)
        self._ask(lambda store: store.put(key, body))

    def read(self, file: str, start: int, length: int) -> bytes:
        key = database_prefix(self._database) + file
        return self._ask(lambda store: store.get_range(key, start, length))

    def clear(self, upload: str) -> None:
        store = self._store or self._open_store()
        try:
            store.delete_many([info.key for info in store.list_objects(upload_prefix(self._database, upload))])
        except StoreError:
            return  # no right to delete, most likely: maintenance has

    def _ask(self, ask: Callable[[ObjectStore], T]) -> T:
        try:
            try:
                store = self._store = self._store or self._open_store()
                return ask(store)
            except Refused:
                store = self._store = self._open_store()
                return ask(store)
        except NotFound as error:
            raise Vanished(str(error)) from error
        except StoreError as error:
            raise store_error(error) from error
