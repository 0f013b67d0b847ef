"""The prepared file: a file of every page, encoded before its transaction is known. So `push` commits a database of any
size without moving it through here.

It is a whole LTX file, of transaction 1, that lies in the store in parts. Three things depend on the moment of the
commit: its header, its page 1 (its counters continue those of the replaced database) and its checksum. Page 1 is stored
as a literal block, so that none of these changes its length. The transaction is the first part with another beginning,
the parts between as they are, and the last part with another checksum. The store copies those between by itself; the
checksum follows from the old one (`checksum`).

The page map of the file is changed in the same places. Pure, but for `create`.
"""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator, Sequence
from itertools import pairwise

from lambda_handlers.shared.dataclasses import dataclass, replace
from lambda_handlers.storage.commit import Ending
from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.checksum import moved_up
from lambda_handlers.storage.log.keys import LtxName, transaction
from lambda_handlers.storage.log.ltx import FRAME_HEADER_BYTES, HEADER_BYTES, Frame, Header, Pgno
from lambda_handlers.storage.log.ltx_decoder import Decoder, decode_frames
from lambda_handlers.storage.pages.layers import Layer
from lambda_handlers.storage.pages.page_map import PageMap
from lambda_handlers.store.protocol import CopyOf, ObjectStore
from lambda_handlers.wire import SldbError

PREPARED = LtxName(0, 1, 1)  # the name that a prepared file has in its header
_FIRST = Pgno(1)


def beginning(header: Header, first_page: bytes) -> bytes:
    """Return a file up to its first page; the length is the same for any header and page of a size."""
    return header.encode() + ltx.literal(_FIRST, first_page).encode()


@dataclass(frozen=True, slots=True)
class Made:
    """A transaction, ready to be created."""

    header: Header
    parts: tuple[bytes | CopyOf, ...]
    layer: Layer
    ending: Ending

    def create(self, store: ObjectStore, key: str) -> None:
        """Create the file from its parts. Raises as `ObjectStore.assemble` does."""
        if len(self.parts) == 1 and isinstance(self.parts[0], bytes):
            store.create(key, self.parts[0])
        else:
            store.assemble(key, self.parts)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A checked prepared file."""

    parts: tuple[CopyOf, ...]  # whole objects, in their order: the file
    first: bytes  # the first of them
    last: bytes  # the last of them; `first` where there is one
    page_map: PageMap
    _header: Header
    _first_page: bytes

    @classmethod
    def check(cls, parts: Sequence[CopyOf], first: bytes, last: bytes, page_map: PageMap) -> Prepared:
        """Return the prepared file. Raises `corrupt` for parts of another file, or a map of another one. The pages
        themselves are not compared, unless all of them are here: the sender has done that."""
        key = parts[0].key
        header = Header.decode(first, key)
        _want(key, "txids", (header.min_txid, header.max_txid), (PREPARED.min_txid, PREPARED.max_txid))
        start = len(beginning(header, bytes(header.page_size)))
        _want(key, "bytes up to page 2", min(len(first), start), start)
        first_page = next(iter(decode_frames(first[HEADER_BYTES:start], header.page_size, key))).page
        _want(key, "beginning", first[:start], beginning(header, first_page))
        size = sum(part.length for part in parts)
        told = (page_map.page_size, page_map.commit, page_map.file_bytes, page_map.is_whole)
        _want(key, "page map", told, (header.page_size, header.commit, size, True))
        _want(key, "bytes of the last part", max(len(last), ltx.SEAL_BYTES), len(last))
        offsets = page_map.offsets
        _want(key, "groups in the page map", len(offsets) - 1, max(page_map.group_count, 1))
        is_ascending = all(low < high for low, high in pairwise(offsets))
        is_inside = offsets[0] == HEADER_BYTES and offsets[-1] < size - ltx.TRAILER_BYTES
        _want(key, "offsets in the page map", is_ascending and is_inside, True)
        _want(key, "group that page 1 is in", offsets[1] <= len(first), True)
        if len(parts) == 1:
            for _ in Decoder([first], key).frames():
                pass
        return cls(tuple(parts), first, last, page_map, header, first_page)

    @property
    def page_size(self) -> int:
        return self._header.page_size

    @property
    def page_count(self) -> int:
        return self._header.commit

    @property
    def file_bytes(self) -> int:
        return self.page_map.file_bytes

    def pages_beside(self, store: ObjectStore, pgno: Pgno) -> Iterator[tuple[Pgno, bytes]]:
        """Yield the page and the others of its group, compared with the page map. Raises StoreError, or `corrupt` if
        the two differ."""
        if not 1 <= pgno <= self.page_count:
            raise LookupError(f"page {pgno} of {self.page_count}")
        group = self.page_map.group_of(pgno)
        data = self._bytes(store, *self.page_map.span(group, group))
        carried = dict(self.page_map.carried)
        for frame in self.page_map.frames(data, group, group, self.parts[0].key):
            is_first = frame.pgno == _FIRST  # exchanged when it is committed, in the map as well
            if not is_first and carried.get(frame.pgno, frame.page) != frame.page:
                ltx.corrupt(
                    self.parts[0].key, f"page {frame.pgno} in the page map", "another one", "the one in the file"
                )
            yield frame.pgno, frame.page

    def _bytes(self, store: ObjectStore, offset: int, length: int) -> bytes:
        """Return a range of the file, from the parts around it."""
        found, begin = [], 0
        for number, part in enumerate(self.parts):
            start, end = max(offset - begin, 0), min(offset + length - begin, part.length)
            if start < end:
                found.append(self._of_part(store, number, start, end))
            begin += part.length
        return b"".join(found)

    def _of_part(self, store: ObjectStore, number: int, start: int, end: int) -> bytes:
        if number == 0:
            return self.first[start:end]
        if number == len(self.parts) - 1:
            return self.last[start:end]
        return store.get_range(self.parts[number].key, start, end - start)

    def as_transaction(self, header: Header, first_page: bytes) -> Made:
        """Return the file as the transaction of this header, with this page 1."""
        start = beginning(header, first_page)
        first = start + self.first[len(start) :]
        seal = ltx.seal(self._checksum(header, first_page))
        if len(self.parts) == 1:
            parts: tuple[bytes | CopyOf, ...] = (first[: -ltx.SEAL_BYTES] + seal,)
        else:
            parts = (first, *self.parts[1:-1], self.last[: -ltx.SEAL_BYTES] + seal)
        layer = Layer(transaction(header.max_txid), self._map(header, first_page, first))
        return Made(header, parts, layer, Ending(self.file_bytes, seal))

    def _checksum(self, header: Header, first_page: bytes) -> int:
        ours = ltx.checksum_of_start(header, ltx.literal(_FIRST, first_page))
        theirs = ltx.checksum_of_start(self._header, ltx.literal(_FIRST, self._first_page))
        # The rest, as the checksum counts it: the other pages, expanded, and the end of the file unchanged.
        pages = (self.page_map.page_count - 1) * (FRAME_HEADER_BYTES + self.page_size)
        end = self.file_bytes - ltx.SEAL_BYTES - self.page_map.offsets[-1]
        old = int.from_bytes(self.last[-ltx.SEAL_BYTES :], "big")
        return old ^ moved_up(ours ^ theirs, pages + end)

    def _map(self, header: Header, first_page: bytes, first: bytes) -> PageMap:
        begin, end = self.page_map.offsets[0], self.page_map.offsets[1]
        checksums = array("I", self.page_map.checksums)
        if checksums:
            checksums[0] = zlib.crc32(first[begin:end])
        carried = tuple((pgno, first_page if pgno == _FIRST else page) for pgno, page in self.page_map.carried)
        return replace(self.page_map, timestamp_ms=header.timestamp_ms, checksums=checksums, carried=carried)


def first_frame(first_page: bytes) -> Frame:
    """Return the first frame of a prepared file."""
    return ltx.literal(_FIRST, first_page)


def _want(key: str, what: str, got: object, want: object) -> None:
    if got != want:
        raise SldbError(
            "corrupt",
            f"{key}: {what} of a pushed file: got {_short(got)}, want {_short(want)}",
            "push again",
            key=key,
            applied="no",
        )


def _short(value: object) -> str:
    return f"{len(value)} other bytes" if isinstance(value, bytes) else str(value)
