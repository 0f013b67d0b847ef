"""What does not fit into a reply: an object of its own below `_replies/`, for a day.

Rows go there while SQLite gives them, compressed, so that a result of any size takes a few parts of memory and nothing
of /tmp. Inside the server they are known by the object's key; the URL that a reply gives the client is made anew each
time, as it ends within minutes. Whatever names a key, only one of the form that this module gives is read or signed.

In a bucket the lifecycle rule of the stack removes what is old: the query function may delete nothing. A store that
can make no URLs (a directory) has no such rule; there each write removes what is older.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from lambda_handlers.host import Host
from lambda_handlers.storage.log.keys import is_reply_key, is_rows_key, replies_prefix, reply_key, rows_key
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.metered import MeteredStore
from lambda_handlers.store.protocol import CHUNK_BYTES, AlreadyExists, StoreError, Unavailable
from lambda_handlers.wire import Reply, Result, Row, SldbError, StoredRows, encode_line

URL_SECONDS = 900.0
KEPT_SECONDS = 86_400.0
TRIES = 3
MOST_BYTES = 1 << 30  # of the rows of one statement, before they are compressed
_LEVEL = 1  # of zlib: three times as fast as the usual one
_GZIP = 16 + zlib.MAX_WBITS
_ROWS_BETWEEN_CHECKS = 256


class Replies:
    def __init__(self, store: MeteredStore, host: Host) -> None:
        self._store = store
        self._host = host

    def send_rows(self, rows: Iterable[Row], check_time: Callable[[], None]) -> StoredRows:
        """Rows into an object, known by its key. Raises `too_large` and what `rows` and `check_time` raise."""
        key = rows_key(self._host.nonce())
        if self._urls(key) is None:
            raise too_large("they do not fit into one reply of the function (6 MB)")
        stream = _Compressed(rows, check_time)
        try:
            self._create(key, stream)
        except StoreError as error:
            raise store_error(error, applied="no") from error
        return StoredRows(key, stream.count)

    def outgoing(self, reply: Reply) -> Reply:
        """The reply as a client can read it."""
        return replace(reply, results=tuple(map(self._presigned, reply.results)))

    def _presigned(self, result: Result) -> Result:
        if result.stored is None:
            return result
        urls = self._urls(result.stored.url) if is_rows_key(result.stored.url) else None
        if urls is None:
            raise SldbError("internal", "rows lie in an object for which this store makes no URL")
        return replace(result, stored=StoredRows(urls[0], result.stored.count))

    def keep(self, body: bytes) -> str:
        """The key under which `kept` gives it back, for a day."""
        try:
            key = self._create_somewhere(body)
            if self._urls(key) is None:
                self._remove_old()
        except StoreError as error:
            raise store_error(error, applied="no") from error
        return key

    def kept(self, key: str) -> bytes:
        assert is_reply_key(key), key  # the log believes no other
        try:
            return self._store.get(key)
        except StoreError as error:
            raise SldbError(
                "store_error",
                f"the request was applied before, and what it gave then cannot be read: {error}",
                "its rows are in the database; the reply that told of them is not to be had",
                key=error.key,
                applied="yes",
            ) from error

    def _create_somewhere(self, body: bytes) -> str:
        """The key. Where it is not sure what became of it, another takes its place: nobody looks for the first one."""
        for tries_left in reversed(range(TRIES)):
            key = reply_key(self._host.nonce())
            try:
                self._store.create(key, body)
            except (AlreadyExists, Unavailable):
                if not tries_left:
                    raise
            else:
                return key
        raise AssertionError  # the last try returns or raises

    def _create(self, key: str, chunks: Iterable[bytes]) -> None:
        try:
            self._store.create_from(key, chunks)
        except AlreadyExists:
            self._store.size(key)  # our own, whose answer got lost: nobody else has the name

    def _urls(self, key: str) -> list[str] | None:
        return self._store.presign("GET", [key], URL_SECONDS)

    def _remove_old(self) -> None:
        written_at = {info.key: info.modified_at for info in self._store.list_objects(replies_prefix())}
        now = max(written_at.values(), default=0.0)  # by the store's clock
        if old := [key for key, at in written_at.items() if at < now - KEPT_SECONDS]:
            self._store.delete_many(old)


class _Compressed:
    """Rows as chunks of a gzip file; counts them. To be iterated once."""

    def __init__(self, rows: Iterable[Row], check_time: Callable[[], None]) -> None:
        self.count = 0
        self._rows = rows
        self._check_time = check_time

    def __iter__(self) -> Iterator[bytes]:
        gzip = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        waiting, taken = bytearray(), 0
        for row in self._rows:
            line = encode_line(row)
            self.count += 1
            taken += len(line)
            if taken > MOST_BYTES:
                raise too_large(f"they have more than {MOST_BYTES >> 20} MiB")
            waiting += gzip.compress(line)
            if len(waiting) >= CHUNK_BYTES:
                yield bytes(waiting)
                waiting.clear()
            if self.count % _ROWS_BETWEEN_CHECKS == 0:
                self._check_time()
        yield bytes(waiting + gzip.flush())


def too_large(what: str) -> SldbError:
    return SldbError(
        "too_large",
        f"the rows of this request are too many: {what}",
        "ask for fewer rows or columns: LIMIT … OFFSET, or WHERE id > … in steps",
        applied="no",
    )
