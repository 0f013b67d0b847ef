"""The create of a transaction: the bytes to send, and the meaning of the store's answer.

Rules 1 and 3 of `replica` live here. Every answer but a plain success is resolved by reading the key back: it may be
about another writer's object, about none, or wrong. The object read back may be damaged or cut off itself, so that
only two facts that agree are trusted:

- A small file is read whole, and its checksum covers the node id of its writer.
- Of a large one the header and the last bytes, its checksum, come by two requests. Both are those of the caller's file,
  or neither is, twice in a row.

Otherwise it is read again, and in the end it is unknown whether the transaction was applied.

A small transaction is one body in memory; a large one is encoded again for each try, while it is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import Enum, auto
from typing import Protocol

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.keys import LtxName
from lambda_handlers.storage.log.ltx import Header, Pgno, Txid
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.log.ltx_encoder import Encoder
from lambda_handlers.storage.pages.layers import Layer
from lambda_handlers.storage.pages.page_map import MAP_WORTH_BYTES
from lambda_handlers.storage.pages.page_map_builder import PageMapBuilder
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import AlreadyExists, NotFound, ObjectStore, Refused, StoreError, Unavailable
from lambda_handlers.wire import SldbError

STREAM_BYTES = 16 << 20  # a transaction of more is encoded while it is sent
COMMIT_TRIES = 3
READINGS = 4  # of an object that does not show its writer
WHOLE_BYTES = 1 << 20  # a smaller file is read back whole


class Conflict(Exception):
    """Another writer committed first: nothing was applied, and the transaction may run again."""

    is_lost_race = True


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a file: other files of the same header end otherwise."""

    length: int  # bytes of the file
    seal: bytes  # its last bytes: the checksum of all before them


@dataclass(frozen=True, slots=True)
class Committed:
    """A transaction in the store: the facts to report, whatever fails afterwards."""

    txid: Txid
    timestamp_ms: int  # unix milliseconds
    bytes: int  # of its file


@dataclass(frozen=True, slots=True)
class PageChanges:
    """The pages to write in a transaction."""

    page_size: int  # bytes
    page_count: int  # pages of the database afterwards
    pages: Callable[[], Iterable[tuple[Pgno, bytes]]]  # ascending; called more than once
    count: int = 0  # about as many pages

    @property
    def size_bytes(self) -> int:
        """The size of all pages, about."""
        return self.count * self.page_size


class Ours(Protocol):
    """The marks of the caller's file, to distinguish it from any other."""

    @property
    def header(self) -> Header: ...

    @property
    def ending(self) -> Ending | None:
        """The end of the file, once all of it has been sent."""


class Encoding:
    """An LTX file to be written. `changes()` returns its pages, ascending, at each call."""

    def __init__(self, header: Header, changes: Callable[[], Iterable[tuple[Pgno, bytes]]]) -> None:
        self.header = header
        self.ending: Ending | None = None
        self.copy: bytes | None = None  # the whole file, if it is small and has been sent
        self._changes = changes

    def pieces(self) -> Iterator[bytes]:
        encoder, builder = Encoder(self.header), PageMapBuilder(self.header)
        yield encoder.begin()
        for pgno, page in self._changes():
            frame = ltx.compressed(pgno, page)
            encoded = encoder.add(frame)
            builder.add(frame, encoded)
            yield encoded
        last = encoder.finish()
        self.ending = Ending(encoder.length, last[-ltx.SEAL_BYTES :])
        yield last
        is_large = encoder.length > MAP_WORTH_BYTES
        self._page_map = builder.build(encoder.length, carry=is_large)

    def layer(self, level: int = 0) -> Layer:
        """Return the file as a layer, once all pieces have been taken."""
        return Layer(LtxName(level, self.header.min_txid, self.header.max_txid), self._page_map)


def create_transaction(store: ObjectStore, key: str, ours: Ours, send: Callable[[], object]) -> None:
    """Return when the transaction is in the store, after `send` has created it at `key`. Raises Conflict, or SldbError
    with `applied` in its details: "no", or "unknown" if the store did not answer."""
    doubt: StoreError | None = None
    for _ in range(COMMIT_TRIES):
        try:
            send()
        except (Refused, AlreadyExists, Unavailable) as error:
            is_refused = isinstance(error, Refused)
            if is_refused and not error.is_unmade and _is_mine_although_refused(store, key, ours, error):
                return
            if is_refused or error.is_unmade:
                # An earlier try without an answer may still arrive.
                raise store_error(error, applied="unknown" if doubt else "no") from error
            # Both may be about our own object, or about none; only reading the object back decides.
            if _is_mine(store, key, ours, error):
                return
            doubt = error
        except Exception as error:
            if doubt is None:
                raise
            raise store_error(doubt, applied="unknown") from error
        else:
            return
    assert doubt is not None
    raise store_error(doubt, applied="unknown") from doubt


def sender(store: ObjectStore, key: str, encoding: Encoding, size_bytes: int) -> Callable[[], object]:
    """Return the function that creates the file. `size_bytes`: the size of its pages."""
    if size_bytes > STREAM_BYTES:
        return lambda: store.create_from(key, encoding.pieces())
    body = b"".join(encoding.pieces())
    encoding.copy = body if len(body) <= MAP_WORTH_BYTES else None
    return lambda: store.create(key, body)


def _is_mine_although_refused(store: ObjectStore, key: str, ours: Ours, refusal: StoreError) -> bool:
    """Return the same as `_is_mine`; if another writer's file is there, raise the refusal: the transaction is not
    applied."""
    try:
        return _is_mine(store, key, ours, refusal)
    except Conflict:
        raise store_error(refusal, applied="no") from refusal


def _is_mine(store: ObjectStore, key: str, ours: Ours, doubt: StoreError) -> bool:
    """Return True if the object at `key` is this attempt's, False if there is none. Raises Conflict if it is
    another's."""
    shown: list[bytes] = []
    for _ in range(READINGS):
        try:
            whose, facts = _read_back(store, key, ours)
        except NotFound:
            return False
        except StoreError as error:
            raise store_error(error, applied="unknown") from doubt
        if whose is _Whose.OURS:
            return True
        if whose is _Whose.ANOTHERS or (whose is _Whose.PERHAPS_ANOTHERS and shown[-1:] == [facts]):
            raise Conflict(f"{key} was committed by another writer")
        shown.append(facts)
    raise _unclear(key, is_damaged=len(set(shown)) == 1) from doubt


class _Whose(Enum):
    OURS = auto()
    ANOTHERS = auto()
    PERHAPS_ANOTHERS = auto()  # if it shows the same once more
    UNCLEAR = auto()


def _read_back(store: ObjectStore, key: str, ours: Ours) -> tuple[_Whose, bytes]:
    """Return the owner of the object, and the bytes that show it."""
    start = store.get_range(key, 0, WHOLE_BYTES)
    if len(start) < WHOLE_BYTES:
        return _whose_whole(start, key, ours.header), start
    length = store.size(key)
    seal = store.get_range(key, max(0, length - ltx.SEAL_BYTES), ltx.SEAL_BYTES)
    header = start[: ltx.HEADER_BYTES]
    begins_as_ours, ends_as_ours = header == ours.header.encode(), Ending(length, seal) == ours.ending
    facts = b"%b%d %b" % (header, length, seal)
    if begins_as_ours != ends_as_ours:
        return _Whose.UNCLEAR, facts
    return _Whose.OURS if begins_as_ours else _Whose.PERHAPS_ANOTHERS, facts


def _whose_whole(body: bytes, key: str, ours: Header) -> _Whose:
    """Return the owner of a file that was read whole, unless it was cut off."""
    try:
        decoder = Decoder([body], key)
        for _ in decoder.frames():
            pass
    except SldbError:
        return _Whose.UNCLEAR
    if decoder.header.min_txid != ours.min_txid:  # the answer to another request
        return _Whose.UNCLEAR
    return _Whose.OURS if decoder.header.node_id == ours.node_id else _Whose.ANOTHERS


def _unclear(key: str, is_damaged: bool) -> SldbError:
    """`is_damaged`: every read returns the same bytes."""
    doubt = Unavailable(key, "it exists, and its content does not show which writer created it")
    if not is_damaged:
        return store_error(doubt, applied="unknown")
    return SldbError(
        "corrupt",
        f"{doubt}: it is damaged",
        "examine the object; restore it, or remove it",
        key=key,
        applied="unknown",
    )
