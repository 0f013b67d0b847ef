"""From the names of a chain's files to layers: where every page lies, with as few bytes and round trips as that takes.

A small file is read whole, and its checksum compared. Of a large one its page map is read; where there is none, the
file is read whole if the cache can take it, since only that verifies it, and otherwise its own page index tells where
the pages are. Page maps that are in the atlas are read from there, all with one request. All that is asked of the store
is asked at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from lambda_handlers.host import Call, Host
from lambda_handlers.object_store import NotFound, ObjectStore
from lambda_handlers.storage import atlas, kinds, ltx, page_map
from lambda_handlers.storage.head import HeadFile
from lambda_handlers.storage.keys import LtxName, transaction
from lambda_handlers.storage.kinds import Kind
from lambda_handlers.storage.layers import Layer
from lambda_handlers.storage.ltx import Header, Pgno
from lambda_handlers.storage.page_map import MAP_WORTH_BYTES, BadPageMap, PageMap, PageMapBuilder
from lambda_handlers.wire import SldbError

WHOLE_CHAIN_BYTES = 2 << 20  # a chain that is smaller is read whole: two round trips cost as much
PARALLEL_READS = 32
_INDEX_GUESS_BYTES = 64 << 10

PutPage = Callable[[Pgno, bytes], None]


@dataclass(frozen=True, slots=True)
class Opened:
    layer: Layer
    is_read: bool  # whole: `put` got its pages


@dataclass(frozen=True, slots=True)
class Opener:
    store: ObjectStore
    database: str
    host: Host
    whole_limit: int | None  # bytes of a file without a page map that may be read whole; None: any number

    def open(self, files: Sequence[HeadFile], put: PutPage) -> Iterator[Opened]:
        """The layers of the files, in their order. Of those that are read whole, `put` gets the pages, before the
        layer comes. Raises StoreError (NotFound: a file is gone), or SldbError `corrupt`."""
        is_small = sum(file.size for file in files) <= WHOLE_CHAIN_BYTES
        whole_limit = WHOLE_CHAIN_BYTES if is_small else MAP_WORTH_BYTES
        maps: Call | None = None
        if not is_small and any(file.in_atlas for file in files):
            maps = self.host.start(lambda: atlas.read(self.store, self.database))
        asked: deque[tuple[HeadFile, Call | None]] = deque()
        waiting = iter(files)
        while True:
            while len(asked) < PARALLEL_READS and (file := next(waiting, None)) is not None:
                asked.append((file, maps if maps and file.in_atlas else self._ask(file, whole_limit)))
            if not asked:
                return
            file, call = asked.popleft()
            opened = None
            if maps and call is maps:
                opened = _mapped(file, maps.result().get(file.name, b""), in_atlas=True)
                call = None if opened else self._ask(file, whole_limit)
            yield opened or self._opened(file, call, put)

    def opened(self, name: LtxName, body: bytes, put: PutPage) -> Opened:
        """The layer of a file whose body is here."""
        return self._read_whole(name, [body], put)

    def _ask(self, file: HeadFile, whole_limit: int) -> Call | None:
        if file.size <= whole_limit:
            key = file.name.key(self.database)
        elif file.is_mapped:
            key = file.name.page_map_key(self.database)
        else:
            return None
        return self.host.start(lambda: (key, self.store.get(key)))

    def _opened(self, file: HeadFile, call: Call | None, put: PutPage) -> Opened:
        if call is None:
            return self._unmapped(file, put)
        try:
            key, body = call.result()
        except NotFound as error:
            if error.key == file.name.page_map_key(self.database):
                return self._unmapped(file, put)
            raise
        if key == file.name.key(self.database):
            return self._read_whole(file.name, [body], put, file.is_mapped)
        return _mapped(file, body) or self._unmapped(file, put)

    def _unmapped(self, file: HeadFile, put: PutPage) -> Opened:
        key = file.name.key(self.database)
        if self.whole_limit is None or file.size <= self.whole_limit:
            return self._read_whole(file.name, self.store.chunks(key), put)
        tail = self.store.get_range(key, file.size - _INDEX_GUESS_BYTES, _INDEX_GUESS_BYTES)
        needed = ltx.index_length(tail, key) + 8 + ltx.TRAILER_BYTES
        if needed > len(tail):
            tail = self.store.get_range(key, max(0, file.size - needed), needed)
        header = Header.decode(self.store.get_range(key, 0, ltx.HEADER_BYTES), key)
        check_name(header, file.name, key)
        found = page_map.from_index(header, ltx.decode_index(tail, key), file.size)
        return Opened(Layer(file.name, found), is_read=False)

    def _read_whole(self, name: LtxName, chunks: Iterable[bytes], put: PutPage, is_mapped: bool = False) -> Opened:
        key = name.key(self.database)
        decoder = ltx.Decoder(chunks, key)
        check_name(decoder.header, name, key)
        builder = PageMapBuilder(decoder.header)
        for frame in decoder.frames():
            builder.add(frame)
            put(frame.pgno, frame.page)
        found = builder.build(decoder.length, carry=False)
        return Opened(Layer(name, found, is_mapped), is_read=True)


def _mapped(file: HeadFile, body: bytes, in_atlas: bool = False) -> Opened | None:
    """What a page map says; None if it is none, or damaged, or that of another file."""
    try:
        found = PageMap.decode(body)
    except BadPageMap:
        return None
    if found.file_bytes != file.size:
        return None
    return Opened(Layer(file.name, found, file.is_mapped, in_atlas), is_read=False)


MARK_BYTES = len(ltx.encode(Header(512, 0, 1, 2, 0), ()))  # no transaction 1 is so short: it would have no page


def is_mark(header: Header, name: LtxName) -> bool:
    """Whether a file is no transaction, but keeps the name of a database for a copy that is being made (actions)."""
    is_reach_beyond = name == transaction(1) and header.min_txid == 1 < header.max_txid
    return is_reach_beyond and kinds.of_node_id(header.node_id) is Kind.BRANCH


def check_name(header: Header, name: LtxName, key: str) -> None:
    if is_mark(header, name):
        raise SldbError(
            "not_found",
            f"{key}: the database is a copy of another one up to transaction {header.max_txid}, and what is asked for "
            "is not there, or not there yet",
            "if sldb branch (or rename) was stopped, the same command again completes it; "
            "sldb databases drop gives it up, and the name is free",
            key=key,
        )
    if (header.min_txid, header.max_txid) != (name.min_txid, name.max_txid):
        ltx.corrupt(key, "txids in the file", f"{header.min_txid} to {header.max_txid}", "those of its key")
