"""Walks: guesses about the next pages, by the b-tree pages that SQLite has read.

- A walk goes through the children of an interior page, in their order: a scan with leaves anywhere in the file.
- A lookup goes through the rows in a leaf of an index, forwards or backwards: a join, a search or an order by an index.
  From the second row in a row on, the pages of the following ones are known: the table's interior pages lead to them.
- After three misses below one interior page, outside of any walk, its other children may be next, in any order.

A walk or lookup reads further each time, if its guess was right: four times as far at first, a lookup beyond 16 rows
twice as far. One page alone makes nothing read ahead. `Fetcher.cancel_prefetch` forgets all of it.
"""

from __future__ import annotations

from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.storage.log.ltx import Pgno
from lambda_handlers.storage.pages.btree import INDEX_LEAF_KIND, TablePage, children, rowids
from lambda_handlers.storage.pages.page_cache import PageCache

GROWTH = 4  # of a walk, each time
SLOW_GROWTH = 2  # of a lookup that goes far: each row may be a request of its own
SLOW_FROM = 16  # rows
MAX_AHEAD = 512  # pages at most in one step
MISSES_BEFORE_ALL = 3  # below one interior page
_PARENTS = 32  # interior pages to remember: a join reads several trees
_LEAVES = 4  # of indexes, for the same reason
_SKIPPED = 4  # rows of an index at most between two misses: their pages were at hand
_WALK_GAP = 8  # groups: most of a b-tree will be wanted
_LOOKUP_GAP = 2  # groups: little between two rows will be
_GUESS_RANGES = 8  # requests at most for a guess about the children of a page
_MAX_DEPTH = 20  # of a b-tree of SQLite
_ENDLESS = float("inf")


@dataclass(slots=True)
class _Parent:
    """A recently read interior page of a b-tree."""

    page: bytes
    pgno: Pgno
    position: dict[int, int] | None = None  # of each child, once they are needed
    misses: int = 0  # below it, outside of walks

    def positions(self) -> dict[int, int]:
        if self.position is None:
            self.position = {child: at for at, child in enumerate(children(self.page, self.pgno))}
        return self.position


@dataclass(slots=True)
class _Leaf:
    """A recently read leaf of an index."""

    page: bytes
    pgno: Pgno
    rows: list[int | None] | None = None  # in it, once they are needed

    def named(self) -> list[int | None]:
        if self.rows is None:
            self.rows = rowids(self.page)
        return self.rows


@dataclass(slots=True)
class _Course:
    """The course of a walk: its place, and how far it reads ahead."""

    source: Pgno = Pgno(0)  # the interior page, or the leaf of the index
    at: int = 0  # the last position there, read or requested
    step: int = 1  # -1: backwards
    length: int = 1  # positions
    slow_from: int = MAX_AHEAD

    def go_on(self, source: Pgno, at: int, follows: bool, last: int) -> int:
        """Note a miss at a position; return the number of positions to read from there on. `last`: the last one."""
        growth = GROWTH if self.length < self.slow_from else SLOW_GROWTH
        self.length = min(self.length * growth, MAX_AHEAD) if follows else 1
        self.source = source
        self.at = max(0, min(last, at + self.step * (self.length - 1)))
        return self.length


@dataclass(frozen=True, slots=True)
class _Subtree:
    """The rows below a page: above the first number, and none above the second."""

    before: float
    last: float
    depth: int  # of the page, below the root of the lookups

    def __contains__(self, row: int | None) -> bool:
        return row is not None and self.before < row <= self.last


@dataclass(frozen=True, slots=True)
class _Way:
    """The way from the root of a table to a row."""

    missing: Pgno | None  # the first page that is not here; None if all are
    depth: int  # of it, below the root


@dataclass(frozen=True, slots=True)
class Coming:
    """The probable next pages."""

    pages: list[Pgno]
    gap: int  # groups at most between two wanted ones, read with them to save a request
    max_ranges: int = MAX_AHEAD  # if they take more, they are not requested


NOTHING = Coming([], 0)


class Walks:
    """The walks of one request."""

    def __init__(self, cache: PageCache) -> None:
        self._cache = cache
        self._parents: dict[Pgno, _Parent] = {}  # the one read last comes last
        self._leaves: dict[Pgno, _Leaf] = {}  # likewise
        self._children = _Course()
        self._lookups = _Course(slow_from=SLOW_FROM)
        self._root = Pgno(0)  # of the table of the lookups
        self._depth = 0  # of its leaves below the root, as far as it is known

    def note(self, pgno: Pgno, page: bytes) -> None:
        """Remember an interior page, or a leaf of an index."""
        if page[0] == INDEX_LEAF_KIND:
            self._leaves.pop(pgno, None)
            self._leaves[pgno] = _Leaf(page, pgno)
            if len(self._leaves) > _LEAVES:
                del self._leaves[next(iter(self._leaves))]
        else:
            self._parents.pop(pgno, None)
            self._parents[pgno] = _Parent(page, pgno)
            if len(self._parents) > _PARENTS:
                del self._parents[next(iter(self._parents))]

    def after(self, missed: Pgno) -> Coming:
        """Return the probable next pages after a miss."""
        try:
            return self._coming_after(missed)
        except IndexError:  # the database itself is damaged there, which SQLite reports once it reads the page
            return NOTHING

    def _coming_after(self, missed: Pgno) -> Coming:
        parent = self._parent_of(missed)
        if parent is None:
            return NOTHING
        looked_up = self._looked_up(missed, parent)
        if looked_up is not None:
            return Coming(looked_up, _LOOKUP_GAP)
        coming = self._coming_children(missed, parent)
        if coming or self._children.length > 1:
            return Coming(coming, _WALK_GAP)
        parent.misses += 1
        if parent.misses != MISSES_BEFORE_ALL:
            return NOTHING
        others = [Pgno(child) for child in parent.positions() if child != missed]
        return Coming(others[:MAX_AHEAD], _WALK_GAP, _GUESS_RANGES)

    def _parent_of(self, pgno: Pgno) -> _Parent | None:
        found = next((each for each in reversed(self._parents.values()) if pgno in each.positions()), None)
        if found is not None:  # it is not forgotten while its children are read
            self._parents[found.pgno] = self._parents.pop(found.pgno)
        return found

    def _coming_children(self, missed: Pgno, parent: _Parent) -> list[Pgno]:
        course, positions = self._children, parent.positions()
        at = positions[missed]
        follows = course.at < at <= course.at + course.length if course.source == parent.pgno else at == 0
        length = course.go_on(parent.pgno, at, follows, len(positions) - 1)
        return [Pgno(child) for child in list(positions)[at + 1 : at + length]] if length >= GROWTH else []

    # Lookups

    def _looked_up(self, missed: Pgno, parent: _Parent) -> list[Pgno] | None:
        """Return the pages of the next rows after a lookup; None for a page without a row in a leaf of an index."""
        if not (self._leaves and TablePage(parent.page, parent.pgno).is_one):
            return None
        subtree = self._subtree_of(missed, parent)
        for leaf in reversed(self._leaves.values()):
            places = [at for at, row in enumerate(leaf.named()) if row in subtree]
            if places:
                return self._coming_rows(leaf, places, subtree.depth)
        return None

    def _coming_rows(self, leaf: _Leaf, places: list[int], depth: int) -> list[Pgno]:
        course, rows = self._lookups, leaf.named()
        if depth < self._depth:  # of a row whose leaf is still to come
            return []
        self._depth = depth
        at, follows = self._next_place(leaf, places)
        length = course.go_on(leaf.pgno, at, follows, len(rows) - 1)
        if length < GROWTH:
            return []
        end = at + course.step * length
        ahead = rows[at + course.step : end if end >= 0 else None : course.step]
        ways = [self._way_to(row) for row in ahead]
        # Rows of which only pages above the leaves are on their way are still to come.
        course.at = at + course.step * next((n for n, way in enumerate(ways) if way.depth < depth), len(ways))
        return [page for page in dict.fromkeys(way.missing for way in ways) if page]

    def _subtree_of(self, missed: Pgno, parent: _Parent) -> _Subtree:
        """Return the rows below a missing page. The parent alone does not limit those of its first and last child."""
        before, last = TablePage(parent.page, parent.pgno).rowids_of(parent.positions()[missed])
        row = last if last < _ENDLESS else before + 1 if before > -_ENDLESS else 0
        found = self._subtree_with(int(row), missed)
        if found is None:
            self._root, self._depth = self._root_of(parent), 0
            found = self._subtree_with(int(row), missed)
        return found or _Subtree(before, last, 1)

    def _subtree_with(self, row: int, missed: Pgno) -> _Subtree | None:
        """Return the rows below a missing page, one of them given; None if it is not below the root of the lookups."""
        pgno, before, last = self._root, -_ENDLESS, _ENDLESS
        for depth in range(1, _MAX_DEPTH):
            page = self._cache.read(pgno) if pgno else None
            if page is None or not (table := TablePage(page, pgno)).is_one:
                return None
            low, high = table.rowids_of(table.position_of(row))
            before, last = max(before, low), min(last, high)
            pgno = table.child_of(row)
            if pgno == missed:
                return _Subtree(before, last, depth)
        return None

    def _next_place(self, leaf: _Leaf, places: list[int]) -> tuple[int, bool]:
        """Return the place of the row in the leaf, and True if it follows the last one."""
        course, last = self._lookups, len(leaf.named()) - 1
        reach = course.length + _SKIPPED
        if course.source != leaf.pgno:
            edge = 0 if course.step > 0 else last
            at = min(places, key=lambda place: abs(place - edge))
            return at, course.length > 1 and abs(at - edge) <= _SKIPPED
        steps = (course.step,) if course.length > 1 else (1, -1)
        for step in steps:
            after = [place for place in places if 0 < (place - course.at) * step <= reach]
            if after:
                course.step = step
                return min(after, key=lambda place: abs(place - course.at)), True
        return places[0], False

    def _root_of(self, parent: _Parent) -> Pgno:
        """Return the highest remembered page above one, or itself."""
        for _ in range(_MAX_DEPTH):
            above = self._parent_of(parent.pgno)
            if above is None or not TablePage(above.page, above.pgno).is_one:
                break
            parent = above
        return parent.pgno

    def _way_to(self, row: int | None) -> _Way:
        """Return the way to a row; to None, an entry in an overflow page, there is none."""
        if row is None:
            return _Way(None, _MAX_DEPTH)
        pgno = self._root
        for depth in range(_MAX_DEPTH):
            page = self._cache.read(pgno) if pgno else None
            if page is None:
                return _Way(pgno or None, depth)
            table = TablePage(page, pgno)
            if not table.is_one:
                break
            pgno = table.child_of(row)
        return _Way(None, _MAX_DEPTH)
