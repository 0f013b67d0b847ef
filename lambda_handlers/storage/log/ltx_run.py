"""A run of consecutive pages of an LTX file, encoded together: the bytes of `ltx_encoder` in half of its time. Pure.

The pages lie in a buffer as the file's checksum counts them, each behind its 10 header bytes, so that one call computes
the checksum of all. The buffer fits into a core's cache.
"""

from __future__ import annotations

from itertools import accumulate, chain, repeat

import lz4.block

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.storage.log.ltx import FRAME, FRAME_HEADER_BYTES, SIZED, Pgno
from lambda_handlers.storage.log.uvarints import uvarints

_PAGES_BYTES = 256 << 10


@dataclass(frozen=True, slots=True)
class Run:
    """Encoded pages. `counted` is valid until the buffer is filled again."""

    pgnos: range  # consecutive
    frames: bytes  # as in the file, one behind the other
    lengths: list[int]  # of each frame, in bytes
    counted: memoryview  # the pages as the checksum counts them

    @property
    def ends(self) -> list[int]:
        """The end of each frame in `frames`."""
        return list(accumulate(self.lengths))

    def index_entries(self, start: int) -> bytes:
        """Return the entries of the page index. `start`: of the first frame in the file."""
        starts = accumulate(self.lengths, initial=start)
        entries = zip(self.pgnos, starts, self.lengths, strict=False)  # and the end of the last frame
        return uvarints(list(chain.from_iterable(entries)))

    @property
    def kinds(self) -> bytes:
        """The first byte of each page."""
        return bytes(self.counted[FRAME_HEADER_BYTES :: len(self.counted) // len(self.pgnos)])

    def page(self, pgno: Pgno) -> memoryview:
        width = len(self.counted) // len(self.pgnos)
        start = (pgno - self.pgnos.start) * width
        return self.counted[start + FRAME_HEADER_BYTES : start + width]


class RunBuffer:
    """A buffer for runs: fill the first of `pages`, and `encode`."""

    def __init__(self, page_size: int) -> None:
        self._width = FRAME_HEADER_BYTES + page_size
        capacity = max(1, _PAGES_BYTES // page_size)
        self._view = memoryview(bytearray(capacity * self._width))
        starts = range(0, len(self._view), self._width)
        self._heads = [self._view[start : start + FRAME_HEADER_BYTES] for start in starts]
        self.pages = [self._view[start + FRAME_HEADER_BYTES : start + self._width] for start in starts]

    def encode(self, pgnos: range) -> Run:
        """Return the run of the first pages in the buffer."""
        count = len(pgnos)
        blocks = list(map(lz4.block.compress, self.pages[:count], repeat("default"), repeat(False)))
        sizes = list(map(len, blocks))
        pieces: list[bytes] = []
        for slot, pgno, size, block in zip(self._heads, pgnos, sizes, blocks, strict=False):
            slot[:] = head = FRAME.pack(pgno, SIZED, size)
            pieces += head, block
        lengths = [FRAME_HEADER_BYTES + size for size in sizes]
        return Run(pgnos, b"".join(pieces), lengths, self._view[: count * self._width])
