"""Large replies: rows and recorded replies stored as S3 objects below `_replies/` for a day, because they exceed the
limit of a reply or of the log of requests.

Responses to HTTP larger than a reply of the function go there too, made of such rows piece by piece.

Rows go there while SQLite returns them, compressed, so that a result of any size takes a few parts of memory and
nothing of /tmp. Inside the server they are known by the object's key; the URL for the client is created again for each
reply, because it expires within minutes. A store without URLs (a directory, such as EFS) has rows, too: the address for
the client names them for the action `rows` (`actions.transfer.rows`), and they leave in parts. A key from any source is
read or signed only if it has the form of this module's.

In a bucket the lifecycle rule of the stack removes old objects: the query function may delete nothing. A store without
URLs has no such rule; there the scheduled function removes rows (`storage.upkeep.leftovers`), and each write the older
objects.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable, Iterator

from lambda_handlers.database.delivery import DIRECT, Delivery
from lambda_handlers.database.run import Run
from lambda_handlers.deadline import Deadline
from lambda_handlers.host import Host
from lambda_handlers.shared.dataclasses import replace
from lambda_handlers.sql.reply_limit import ReplyRoom, memory_size
from lambda_handlers.storage.log.keys import (
    is_reply_key,
    is_rows_key,
    replies_prefix,
    reply_key,
    response_key,
    rows_key,
    rows_nonce,
)
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.metered import MeteredStore
from lambda_handlers.store.protocol import CHUNK_BYTES, AlreadyExists, Refused, StoreError, Unavailable
from lambda_handlers.wire import ROWS_ADDRESS, Reply, Result, Row, SldbError, StoredRows, encode_line

URL_SECONDS = 900.0
KEPT_SECONDS = 86_400.0
MAX_ATTEMPTS = 3
MAX_BYTES = 1 << 30  # of the rows of one statement, before they are compressed
MEMORY_REPLIES = 8  # replies of the usual limit for results without stored rows, if the client gets one body
_TOKEN_BYTES = 66_000  # of the token of a transaction in a reply, at most
_NO_ROOM = "they do not fit into one reply of the function (6 MB)"
_LEVEL = 1  # of zlib: three times as fast as the default level
_GZIP = 16 + zlib.MAX_WBITS
_ROWS_BETWEEN_CHECKS = 256
_PIECE_BYTES = 256 << 10  # of stored rows, as they are read


class Replies:
    def __init__(self, store: MeteredStore, host: Host) -> None:
        self._store = store
        self._host = host
        self._has_urls: bool | None = None  # until it is known

    def send_rows(self, rows: Iterable[Row], deadline: Deadline, database: str) -> StoredRows:
        """Store rows as an object, and return its key. Raises `too_large`, `query_timeout` and the errors of
        `rows`. `database`: of the request."""
        key = rows_key(self._host.nonce(), None if self.has_urls else database)
        stream = _CompressedRows(rows, deadline)
        try:
            self._create(key, stream)
        except Refused as error:
            if self.has_urls:
                raise store_error(error, applied="no") from error
            # The function that only reads may write nothing in a file system.
            raise too_large(f"{_NO_ROOM}, and cannot be stored: {error}") from error
        except StoreError as error:
            raise store_error(error, applied="no") from error
        return StoredRows(key, stream.count)

    def room(self, run: Run, *, is_recorded: bool = True) -> ReplyRoom:
        """Return the room for the rows of a request's reply. `is_recorded`: the reply may go into the log of requests,
        and its rows must last as long."""
        shares, spool = run.delivery.held + 1, run.delivery.spool
        if spool is not None:
            if is_recorded:
                return ReplyRoom()
            held_bytes = spool.held_bytes // shares
            return ReplyRoom(held_bytes, lambda rows: spool.store(rows, run.deadline.check), math.inf, memory_size)
        if run.reply_limit_bytes is None:
            return ReplyRoom()
        limit = run.reply_limit_bytes - (_TOKEN_BYTES if run.request.transaction else 0)

        def send(rows: Iterable[Row]) -> StoredRows:
            if run.delivery.is_whole and not self.has_urls:
                raise too_large(_NO_ROOM)
            return self.send_rows(rows, run.deadline, run.request.database)

        if run.delivery.is_whole and self.has_urls:
            return ReplyRoom(limit // shares, send, limit * MEMORY_REPLIES)
        return ReplyRoom(limit, send)

    @property
    def has_urls(self) -> bool:
        """True if clients can read objects of the store by URLs."""
        if self._has_urls is None:
            self._has_urls = self._urls(rows_key("0" * 16)) is not None
        return self._has_urls

    def outgoing(self, reply: Reply, delivery: Delivery = DIRECT) -> Reply:
        """Return the reply as its client, or the code that makes the body for it, can read it: for a client with URLs
        in place of keys."""
        return reply if delivery.is_whole else replace(reply, results=tuple(map(self._presigned, reply.results)))

    def rows(self, stored: StoredRows) -> Iterator[bytes]:
        """Yield the lines of rows stored by `send_rows`, in pieces with any ends. Raises `store_error`."""
        assert is_rows_key(stored.url), stored.url
        count = 0
        try:
            for piece in _expanded(self._store.chunks(stored.url)):
                count += piece.count(b"\n")
                yield piece
        except (StoreError, zlib.error) as error:
            raise SldbError("store_error", f"the stored rows cannot be read: {error}", "try again") from error
        if count != stored.count:
            raise SldbError("store_error", f"of {stored.count} stored rows {count} can be read", "try again")

    def send_response(self, pieces: Iterable[bytes], ending: str) -> str:
        """Store the body of a response, and return a URL of it. `ending`: json or ndjson. Raises `too_large` if the
        store has no URLs, `store_error`, and any error of `pieces`."""
        key = response_key(self._host.nonce(), ending)
        if not self.has_urls:
            raise too_large("their response is larger than the 6 MB of the function")
        try:
            self._create(key, pieces)
            [url] = self._urls(key) or [""]
        except StoreError as error:
            raise store_error(error) from error
        return url

    def _presigned(self, result: Result) -> Result:
        if result.stored is None:
            return result
        key, count = result.stored.url, result.stored.count
        if not is_rows_key(key):
            raise SldbError("internal", "rows are stored under a key of no reply")
        urls = self._urls(key)
        return replace(result, stored=StoredRows(urls[0] if urls else f"{ROWS_ADDRESS}{rows_nonce(key)}", count))

    def keep(self, body: bytes) -> str:
        """Store the body of a reply for a day; return the key for `kept`."""
        try:
            key = self._create_anywhere(body)
            if not self.has_urls:
                self._remove_old()
        except StoreError as error:
            raise store_error(error, applied="no") from error
        return key

    def kept(self, key: str) -> bytes:
        """Return the body that `keep` has stored. Raises `store_error`, which says that the request was applied."""
        assert is_reply_key(key), key  # the log accepts no other
        try:
            return self._store.get(key)
        except StoreError as error:
            raise SldbError(
                "store_error",
                f"the request was applied before, and its reply cannot be read: {error}",
                "its rows are in the database; its reply is lost",
                key=error.key,
                applied="yes",
            ) from error

    def _create_anywhere(self, body: bytes) -> str:
        """Create an object, and return its key. If the outcome is in doubt, create another one: nothing refers to the
        first."""
        for tries_left in reversed(range(MAX_ATTEMPTS)):
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
            self._store.size(key)  # the name is unique: it exists, and only the answer was lost

    def _urls(self, key: str) -> list[str] | None:
        return self._store.presign("GET", [key], URL_SECONDS)

    def _remove_old(self) -> None:
        written_at = {info.key: info.modified_at for info in self._store.list_objects(replies_prefix())}
        now = max(written_at.values(), default=0.0)  # by the store's clock
        if old := [key for key, at in written_at.items() if at < now - KEPT_SECONDS]:
            self._store.delete_many(old)


class _CompressedRows:
    """Rows as chunks of a gzip file; counts them. To be iterated once."""

    def __init__(self, rows: Iterable[Row], deadline: Deadline) -> None:
        self.count = 0
        self._rows = rows
        self._deadline = deadline

    def __iter__(self) -> Iterator[bytes]:
        gzip = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        waiting, taken = bytearray(), 0
        for row in self._rows:
            line = encode_line(row)
            self.count += 1
            taken += len(line)
            if taken > MAX_BYTES:
                raise too_large(f"they have more than {MAX_BYTES >> 20} MiB")
            waiting += gzip.compress(line)
            if len(waiting) >= CHUNK_BYTES:
                yield bytes(waiting)
                waiting.clear()
            if self.count % _ROWS_BETWEEN_CHECKS == 0:
                self._deadline.check()
        yield bytes(waiting + gzip.flush())


def _expanded(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the content of a gzip file, in pieces of limited size however well it is compressed. Raises zlib.error."""
    gzip = zlib.decompressobj(_GZIP)
    for chunk in chunks:
        yield gzip.decompress(chunk, _PIECE_BYTES)
        while gzip.unconsumed_tail:
            yield gzip.decompress(gzip.unconsumed_tail, _PIECE_BYTES)
    while not gzip.eof and (rest := gzip.decompress(b"", _PIECE_BYTES)):
        yield rest
    if not gzip.eof:
        raise zlib.error("it ends early")


def too_large(reason: str) -> SldbError:
    return SldbError(
        "too_large",
        f"this request returns too many rows: {reason}",
        "request fewer rows or columns: LIMIT … OFFSET, or WHERE id > … in steps",
        applied="no",
    )
