"""The layers: for each page of a database the file of the chain with its newest version.

A chain is a snapshot and the files that extend it; a page as of the chain's end is in the last file that changed it.
Only page numbers are here, never pages: two bytes a page, whatever the size of the files.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.storage.log.keys import LtxName
from lambda_handlers.storage.log.ltx import Pgno, Txid, lock_page
from lambda_handlers.storage.pages.page_map import PageMap

_SPARE_FILES = 64  # without a newest page, before they are dropped


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A file of the chain."""

    name: LtxName
    map: PageMap
    is_mapped: bool = False  # its page map is in the store, for others to find
    in_atlas: bool = False  # and in the atlas


class Layers:
    """The files of a chain, in their order."""

    def __init__(self) -> None:
        self._layers: list[Layer | None] = [None]  # by the number in `_holder`
        self._holder = array("H")  # by page number - 1; 0: no file
        self._drop_at = _SPARE_FILES

    def __iter__(self) -> Iterator[Layer]:
        """Yield the layers from the oldest to the newest."""
        return (layer for layer in self._layers if layer is not None)

    def __len__(self) -> int:
        return len(self._layers) - 1

    @property
    def page_count(self) -> int:
        """The number of pages of the database."""
        return len(self._holder)

    def add(self, layer: Layer) -> None:
        """Put a file above the others: its pages replace theirs, and the database has its number of pages."""
        self._layers.append(layer)
        number, page_count = len(self._layers) - 1, layer.map.commit
        if page_count < len(self._holder):
            del self._holder[page_count:]
        else:
            self._holder.frombytes(bytes((page_count - len(self._holder)) * self._holder.itemsize))
        for start, length in layer.map.runs():
            self._holder[start - 1 : start - 1 + length] = array("H", (number,)) * length
        if len(self._layers) > self._drop_at:
            self._drop_covered()

    def holder(self, pgno: Pgno) -> Layer | None:
        """Return the layer with the newest version of a page."""
        return self._layers[self._holder[pgno - 1]] if pgno <= len(self._holder) else None

    def changed_since(self, txid: Txid) -> list[Pgno] | None:
        """Return every page that a transaction after `txid` changed, and perhaps others; None if a file begins before
        `txid` and ends after it."""
        pages: set[Pgno] = set()
        for layer in self:
            if layer.name.max_txid > txid:
                if layer.name.min_txid <= txid:
                    return None
                pages.update(layer.map.pages())
        return sorted(pgno for pgno in pages if pgno <= self.page_count)

    def first_missing(self, page_size: int) -> Pgno | None:
        """Return the first page in no file, other than the lock page."""
        skipped, position = lock_page(page_size), 0
        while True:
            try:
                position = self._holder.index(0, position) + 1
            except ValueError:
                return None
            if position != skipped:
                return Pgno(position)

    def _drop_covered(self) -> None:
        """Forget the files without a newest version of any page."""
        held = set(self._holder)
        kept = [number for number in range(1, len(self._layers)) if number in held or number == len(self._layers) - 1]
        renumbered = {old: new for new, old in enumerate(kept, start=1)} | {0: 0}
        self._holder = array("H", (renumbered[number] for number in self._holder))
        self._layers = [None, *(self._layers[number] for number in kept)]
        self._drop_at = max(2 * len(self._layers), _SPARE_FILES)
