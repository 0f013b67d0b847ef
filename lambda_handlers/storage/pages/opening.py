"""The opener: layers from the names of a chain's files, with as few bytes and round trips as possible.

A small file is read whole, and its checksum compared. Of a large one the page map is read. If none can be trusted, all
of the file is read once and its map put, since only that verifies it (stored_page_map). Its pages go to the cache if
that can take all of them. Page maps in the atlas are read from there, all with one request. Files and page maps
with a copy at hand need none. All requests are sent at once.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

from lambda_handlers.host import Call, Done, Host
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.storage.log.copy_mark import check_name
from lambda_handlers.storage.log.keys import LtxName
from lambda_handlers.storage.log.ltx import Pgno
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.pages import atlas
from lambda_handlers.storage.pages.head import HeadFile
from lambda_handlers.storage.pages.layers import Layer
from lambda_handlers.storage.pages.not_mapped import NotMapped
from lambda_handlers.storage.pages.page_map import MAP_WORTH_BYTES, PageMap
from lambda_handlers.storage.pages.page_map_binding import decoded, unbind
from lambda_handlers.storage.pages.page_map_builder import PageMapBuilder
from lambda_handlers.store.protocol import NotFound, ObjectStore, StoreError

if TYPE_CHECKING:
    from lambda_handlers.storage.pages.stored_page_map import Mapper

WHOLE_CHAIN_BYTES = 2 << 20  # a chain that is smaller is read whole: two round trips cost as much
UNMAPPED_WHOLE_BYTES = 1 << 20  # a file without a page map that is smaller is read whole each time
PARALLEL_READS = 32

PutPage = Callable[[Pgno, bytes], None]
Warn = Callable[[str, Exception], None]  # what could not be written, and why


@dataclass(frozen=True, slots=True)
class Opened:
    """An opened file."""

    layer: Layer
    is_read: bool  # whole: `put` got its pages
    copy: bytes | None = None  # the object that was read: the file if it is small, else its page map


@dataclass(frozen=True, slots=True)
class Opener:
    """The opener of one database."""

    store: ObjectStore
    database: str
    host: Host
    whole_limit: int | None  # bytes of a file without a page map whose pages are all put; None: any number
    warn: Warn = lambda _what, _error: None
    puts_maps: bool = True  # false: they serve this reader alone

    def open(
        self,
        files: Sequence[HeadFile],
        put: PutPage,
        deadline: float = float("inf"),
        copies: Mapping[LtxName, bytes] = MappingProxyType({}),
    ) -> Iterator[Opened]:
        """Yield the layers of the files, in their order. `put` gets the pages of a file that is read whole, before its
        layer comes. `copies`: of small files, and of the page maps of large ones. Raises StoreError (NotFound: a file
        is gone), SldbError `corrupt`, or NotMapped: there is no time until `deadline` (unix seconds) to read a file
        without a page map."""
        is_small = sum(file.size for file in files) <= WHOLE_CHAIN_BYTES
        whole_limit = WHOLE_CHAIN_BYTES if is_small else MAP_WORTH_BYTES
        maps: Call | None = None
        if not is_small and any(file.in_atlas for file in files):
            maps = self.host.start(lambda: atlas.read(self.store, self.database))
        requested: deque[tuple[HeadFile, Call | None]] = deque()
        waiting = iter(files)
        while True:
            while len(requested) < PARALLEL_READS and (file := next(waiting, None)) is not None:
                call = self._copied(file, whole_limit, copies) or (maps if maps and file.in_atlas else None)
                requested.append((file, call or self._request(file, whole_limit)))
            if not requested:
                return
            file, call = requested.popleft()
            opened = None
            if maps and call is maps:
                opened = _opened_by(file, decoded(maps.result().get(file.name, b""), file), in_atlas=True)
                call = None if opened else self._request(file, whole_limit)
            yield opened or self._opened(file, call, put, deadline)

    def opened(self, name: LtxName, body: bytes, put: PutPage) -> Opened:
        """Return the layer of a file with this body."""
        return self._read_whole(name, body, put)

    def _copied(self, file: HeadFile, whole_limit: int, copies: Mapping[LtxName, bytes]) -> Call | None:
        """Return a copy of the file, or of its page map if that would be requested, as if it had been."""
        body = copies.get(file.name)
        if body is None:
            return None
        if len(body) == file.size:
            return Done((file.name.key(self.database), body))
        is_map = file.size > max(whole_limit, MAP_WORTH_BYTES) and self._decoded(body, file) is not None
        return Done((file.name.page_map_key(self.database), body)) if is_map else None

    def _request(self, file: HeadFile, whole_limit: int) -> Call | None:
        if file.size <= (whole_limit if file.is_mapped else max(whole_limit, UNMAPPED_WHOLE_BYTES)):
            key = file.name.key(self.database)
        elif file.is_mapped:
            key = file.name.page_map_key(self.database)
        else:
            return None
        return self.host.start(lambda: (key, self.store.get(key)))

    def _opened(self, file: HeadFile, call: Call | None, put: PutPage, deadline: float) -> Opened:
        try:
            key, body = call.result() if call else ("", b"")
        except NotFound as error:
            if error.key == file.name.key(self.database):
                raise
            key, body = error.key, b""
        if key == file.name.key(self.database):
            return self._read_whole(file.name, body, put, file.is_mapped)
        return _opened_by(file, self._decoded(body, file), copy=body) or self._unmapped(file, put, deadline)

    def _decoded(self, body: bytes, file: HeadFile) -> PageMap | None:
        return decoded(unbind(body, file.name, self.database), file)

    def _unmapped(self, file: HeadFile, put: PutPage, deadline: float) -> Opened:
        """Return the layer of a file without a map at the expected place."""
        from lambda_handlers.storage.pages.stored_page_map import Mapper  # imports slow down cold starts

        mapper = Mapper(self.store, self.database, self.host)
        found = mapper.look(file)
        if opened := _opened_by(file, found.page_map):
            return opened
        fits = self.whole_limit is None or file.size <= self.whole_limit
        made, is_ours = self._made(mapper, file, deadline, put if fits else None)
        free = found.free if self.puts_maps else None
        is_mapped = not is_ours or (free is not None and self._put_map(mapper, file.name, made, free))
        return Opened(Layer(file.name, made, is_mapped), is_read=is_ours and fits)

    def _made(self, mapper: Mapper, file: HeadFile, deadline: float, put: PutPage | None) -> tuple[PageMap, bool]:
        try:
            return mapper.make(file, deadline, put)
        except NotMapped:  # there is no time for it: the scheduled function has more
            if self.puts_maps:
                self._ask_for_map(file)
            raise

    def _ask_for_map(self, file: HeadFile) -> None:
        from lambda_handlers.storage.log import work_items  # few files need it

        try:
            work_items.put(self.store, self.database, file.name.max_txid)
        except StoreError as error:
            self.warn("work item", error)

    def _put_map(self, mapper: Mapper, name: LtxName, made: PageMap, key: str) -> bool:
        try:
            mapper.put(made, name, key)
        except StoreError as error:  # the map is nevertheless valid for this reader
            self.warn("page map", error)
            return False
        return True

    def _read_whole(self, name: LtxName, body: bytes, put: PutPage, is_mapped: bool = False) -> Opened:
        key = name.key(self.database)
        decoder = Decoder([body], key)
        check_name(decoder.header, name, key)
        builder = PageMapBuilder(decoder.header)
        for frame in decoder.frames():
            builder.add(frame)
            put(frame.pgno, frame.page)
        found = builder.build(decoder.length, carry=False)
        copy = body if len(body) <= MAP_WORTH_BYTES else None
        return Opened(Layer(name, found, is_mapped), is_read=True, copy=copy)


def _opened_by(
    file: HeadFile, found: PageMap | None, in_atlas: bool = False, copy: bytes | None = None
) -> Opened | None:
    """Return the file, opened by its map; None if there is none."""
    return Opened(Layer(file.name, found, is_mapped=True, in_atlas=in_atlas), False, copy) if found else None
