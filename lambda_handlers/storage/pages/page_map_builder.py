"""The builder of page maps: it notes the frames of a file, and keeps the upper pages of the b-trees."""

from __future__ import annotations

import zlib
from array import array
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from fastcrc import crc32

from lambda_handlers.shared.dataclasses import dataclass, field, replace
from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.ltx import Frame, Pgno
from lambda_handlers.storage.pages.btree import INTERIOR_KINDS, SCHEMA_ROOT, children, is_interior
from lambda_handlers.storage.pages.page_map import GROUP_PAGES, PageMap

if TYPE_CHECKING:
    from lambda_handlers.storage.log.ltx_run import Run

MAX_GROUPS = 16_384
CARRIED_BYTES = 512 << 10  # compressed
KEPT_BYTES = 8 << 20  # compressed, of upper pages while a map is made
_LOWEST = 2  # rank of the upper pages that are carried last


@dataclass(slots=True)
class PageMapBuilder:
    """The maker of a file's map from its frames, while they are written or read: `add` each, in order, then `build`."""

    header: ltx.Header
    _run_starts: array[int] = field(default_factory=lambda: array("I"))
    _run_lengths: array[int] = field(default_factory=lambda: array("I"))
    _group_starts: array[int] = field(default_factory=lambda: array("I"))
    _offsets: array[int] = field(default_factory=lambda: array("Q"))
    _checksums: array[int] = field(default_factory=lambda: array("I"))
    _position: int = ltx.HEADER_BYTES
    _in_group: int = 0
    _interior: dict[Pgno, bytes] = field(default_factory=dict)  # compressed
    _interior_bytes: int = 0
    _schema_pages: frozenset[int] = frozenset()
    _previous: int = 0

    @classmethod
    def resumed(cls, header: ltx.Header, begun: PageMap, in_group: int) -> PageMapBuilder:
        """Return a builder that continues after the frames of another one, from the result of its `so_far`."""
        builder = cls(header)
        builder._run_starts, builder._run_lengths = begun.run_starts, begun.run_lengths
        builder._group_starts, builder._checksums = begun.group_starts, begun.checksums
        builder._offsets, builder._position = begun.offsets[:-1], begun.offsets[-1]
        builder._in_group = in_group
        for pgno, page in begun.carried:
            builder._keep_if_upper(pgno, page)
        if begun.run_starts:
            builder._previous = begun.run_starts[-1] + begun.run_lengths[-1] - 1
        return builder

    def so_far(self, file_bytes: int) -> tuple[PageMap, int]:
        """Return the map of the added frames, and how many of them the last group has: the arguments of `resumed`."""
        begun = self.build(file_bytes, carry=False)
        carried = tuple((pgno, zlib.decompress(block)) for pgno, block in sorted(self._interior.items()))
        return replace(begun, carried=carried), self._in_group

    @property
    def _group_pages(self) -> int:
        return max(GROUP_PAGES, -(-self.header.commit // MAX_GROUPS))

    def add(self, frame: Frame, encoded: bytes | None = None) -> None:
        """Add a frame. `encoded`: the frame's bytes in the file, if they are at hand."""
        encoded = frame.encode() if encoded is None else encoded
        self._extend_runs(frame.pgno, 1)
        self._begin_group_if_due(frame.pgno)
        self._in_group += 1
        self._checksums[-1] = zlib.crc32(encoded, self._checksums[-1])
        self._position += len(encoded)
        self._keep_if_upper(frame.pgno, frame.page)

    def add_run(self, run: Run) -> None:
        """Add the frames of a run at once."""
        self._extend_runs(run.pgnos.start, len(run.pgnos))
        ends, frames, group_pages, first, begin = run.ends, memoryview(run.frames), self._group_pages, 0, 0
        while first < len(ends):
            self._begin_group_if_due(run.pgnos[first])
            last = min(len(ends), first + group_pages - self._in_group)
            end = ends[last - 1]
            self._checksums[-1] = crc32.iso_hdlc(frames[begin:end], self._checksums[-1])  # faster than zlib's
            self._position += end - begin
            self._in_group += last - first
            first, begin = last, end
        self._keep_upper_pages_of(run)

    def _extend_runs(self, first: int, count: int) -> None:
        if self._previous and first == self._previous + 1:
            self._run_lengths[-1] += count
        else:
            self._run_starts.append(first)
            self._run_lengths.append(count)
        self._previous = first + count - 1

    def _begin_group_if_due(self, pgno: int) -> None:
        if self._in_group in (0, self._group_pages):
            self._in_group = 0
            self._group_starts.append(pgno)
            self._offsets.append(self._position)
            self._checksums.append(0)

    def build(self, file_bytes: int, carry: bool = True) -> PageMap:
        """Return the map. `carry`: with the upper pages of the b-trees."""
        offsets = array("Q", self._offsets)
        offsets.append(self._position)
        return PageMap(
            self.header.page_size,
            self.header.commit,
            self.header.timestamp_ms,
            file_bytes,
            self._run_starts,
            self._run_lengths,
            self._group_starts,
            offsets,
            self._checksums,
            tuple(self._carried()) if carry else (),
        )

    def _keep_upper_pages_of(self, run: Run) -> None:
        kinds = run.kinds
        pgnos = set[int]()
        if any(map(kinds.__contains__, INTERIOR_KINDS)):  # mostly none
            pgnos.update(pgno for pgno, kind in zip(run.pgnos, kinds, strict=True) if kind in INTERIOR_KINDS)
        pgnos |= self._schema_pages.intersection(run.pgnos)
        if SCHEMA_ROOT in run.pgnos:  # it tells which others belong to the schema
            pgnos.update(run.pgnos)
        for pgno in sorted(pgnos):
            self._keep_if_upper(Pgno(pgno), bytes(run.page(Pgno(pgno))))

    def _keep_if_upper(self, pgno: Pgno, page: bytes) -> None:
        is_upper = is_interior(page, pgno)
        if pgno == SCHEMA_ROOT and is_upper:
            self._schema_pages = frozenset(children(page, pgno))
        if is_upper or pgno == SCHEMA_ROOT or pgno in self._schema_pages:
            self._interior[pgno] = block = zlib.compress(page, 1)
            self._interior_bytes += len(block)
            if self._interior_bytes > KEPT_BYTES:
                self._forget_lowest()

    def _forget_lowest(self) -> None:
        """Drop those of the upper pages that would be carried last."""
        pages = {pgno: zlib.decompress(block) for pgno, block in self._interior.items()}
        for end in (_LOWEST, _LOWEST - 1):
            kept = {pgno: block for pgno, block in self._interior.items() if self._rank(pgno, pages) < end}
            self._interior, self._interior_bytes = kept, sum(map(len, kept.values()))
            if self._interior_bytes <= KEPT_BYTES // 2:
                return

    def _carried(self) -> Iterator[tuple[Pgno, bytes]]:
        """Return the carried pages in ascending order, as many as fit: the schema first, then interior pages above
        others, then the rest."""
        pages = {pgno: zlib.decompress(block) for pgno, block in self._interior.items()}
        taken, size = [], 0
        for pgno in sorted(pages, key=lambda pgno: (self._rank(pgno, pages), pgno)):
            size += len(self._interior[pgno])
            if size > CARRIED_BYTES:
                break
            taken.append(pgno)
        return ((pgno, pages[pgno]) for pgno in sorted(taken))

    def _rank(self, pgno: Pgno, pages: Mapping[Pgno, bytes]) -> int:
        if pgno == SCHEMA_ROOT or pgno in self._schema_pages:
            return 0
        return 1 if next(children(pages[pgno], pgno), 0) in pages else _LOWEST
