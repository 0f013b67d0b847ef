"""Pages that are not in the cache, fetched by ranges of the files that hold them.

A round trip takes as long as a megabyte of transfer, so a miss brings at least a group of pages, and more where it is
likely to be used:

- Misses that follow each other through a file make a stream, whose ranges grow fourfold up to 4 MiB and are asked for
  ahead, several at once. A full scan so runs at the store's bandwidth.
- Misses that follow each other through the children of a b-tree page make a walk: a scan in the order of an index whose
  leaves lie anywhere. The page says which children come next; they are asked for together.
- Misses that follow nothing bring one group each, and a few more at a time when there have been many.

What is in flight belongs to one request: `cancel_prefetch` forgets it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lambda_handlers.host import Call, Host
from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.ltx import Frame, Pgno
from lambda_handlers.storage.pages import page_map
from lambda_handlers.storage.pages.layers import Layer, Layers
from lambda_handlers.storage.pages.page_cache import PageCache
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import SldbError

MAX_RANGE_BYTES = 4 << 20
RANGES_IN_FLIGHT = 4  # of one stream
_GROWTH = 4  # of what a stream or a walk asks for, from one time to the next
_STREAMS = 8  # that are followed at the same time: a join reads several tables
_PARENTS = 8  # interior pages that are remembered, for the same reason
_MISSES_PER_DOUBLING = 16  # of those that follow nothing
_MAX_STRAY_GROUPS = 8  # groups
_NEAR_PAGES = 256  # around the end of a file, where the next one goes on
_WALK_AHEAD = 512  # children at most that a walk asks for together
_WORTH_BRIDGING = 8  # groups between two wanted ones that cost less than another request


@dataclass(slots=True)
class _Stream:
    layer: Layer
    begin: int  # first group of the last range that was read
    end: int  # group after the last one that was asked for
    length: int  # groups of the next range


@dataclass(slots=True)
class _Parent:
    """An interior page of a b-tree that was read lately."""

    page: bytes
    pgno: Pgno
    position: dict[int, int] | None = None  # of each child, once they are needed


@dataclass(frozen=True, slots=True, eq=False)
class _Range:
    """Groups `first` to `last` of a file, on their way."""

    layer: Layer
    first: int
    last: int
    call: Call


class Fetcher:
    """Fetches for one replica. Raises StoreError, or SldbError `corrupt`; of `NotFound` the caller makes a fresh start,
    for retention has removed the file since."""

    def __init__(self, store: ObjectStore, database: str, host: Host, layers: Layers, cache: PageCache) -> None:
        self._store = store
        self._database = database
        self._host = host
        self._layers = layers
        self._cache = cache
        self.cancel_prefetch()

    def cancel_prefetch(self) -> None:
        """A request is over, or the layers have changed."""
        self._in_flight: dict[tuple[int, int], _Range] = {}  # by identity of the layer, and group
        self._streams: list[_Stream] = []  # the one used last is the last
        self._stray_misses = 0
        self._parents: dict[Pgno, _Parent] = {}  # the one read last is the last
        self._walked: tuple[Pgno, int] = (Pgno(0), 0)  # parent and position of the last miss among its children
        self._walk_length = 1  # children

    def note_interior(self, pgno: Pgno, page: bytes) -> None:
        """An interior page of a b-tree was read: its children may be next."""
        self._parents.pop(pgno, None)
        self._parents[pgno] = _Parent(page, pgno)
        if len(self._parents) > _PARENTS:
            del self._parents[next(iter(self._parents))]

    def read(self, pgno: Pgno, layer: Layer) -> bytes:
        """A page that `layer` holds and the cache does not; its neighbours are put into the cache with it."""
        group = layer.map.group_of(pgno)
        awaited = self._in_flight.get((id(layer), group))
        stream = self._stream_of(layer, group)
        if awaited is None:
            coming = [] if stream else self._coming_children(pgno)
            stream = stream or self._next_file_of_a_stream(layer, group, pgno) or self._stray(layer, group)
            awaited = self._ask(layer, group, stream.length)
            stream.begin, stream.end = group, awaited.last + 1
            self._ask_for_pages(coming)
        elif stream:
            stream.begin = awaited.first
        if stream:
            self._ask_ahead(stream)
        return self._take(awaited, pgno)

    def _stream_of(self, layer: Layer, group: int) -> _Stream | None:
        for stream in reversed(self._streams):
            if stream.layer is layer and stream.begin < group <= stream.end + stream.length:
                stream.length = min(stream.length * _GROWTH, self._longest(layer))
                self._streams.remove(stream)
                self._streams.append(stream)
                return stream
        return None

    def _next_file_of_a_stream(self, layer: Layer, group: int, pgno: Pgno) -> _Stream | None:
        """A scan of a table that grew in several transactions goes on where one file ends and another begins."""
        for stream in reversed(self._streams):
            has_ended = stream.end >= stream.layer.map.group_count
            if has_ended and abs(pgno - stream.layer.map.commit) <= _NEAR_PAGES:
                self._streams.remove(stream)
                following = _Stream(layer, group, group, min(stream.length, self._longest(layer)))
                self._streams.append(following)
                return following
        return None

    def _stray(self, layer: Layer, group: int) -> _Stream:
        length = min(1 << self._stray_misses // _MISSES_PER_DOUBLING, _MAX_STRAY_GROUPS, self._longest(layer))
        self._stray_misses += 1
        stream = _Stream(layer, group, group, length)
        self._streams = [*self._streams[1 - _STREAMS :], stream]
        return stream

    def _coming_children(self, pgno: Pgno) -> list[Pgno]:
        """What comes after a page in the b-tree, if the last misses say that it will be read."""
        for parent in reversed(self._parents.values()):
            if parent.position is None:
                parent.position = {child: at for at, child in enumerate(page_map.children(parent.page, parent.pgno))}
            at = parent.position.get(pgno)
            if at is None:
                continue
            walked, last = self._walked
            follows = last < at <= last + self._walk_length if walked == parent.pgno else at == 0
            self._walk_length = min(self._walk_length * _GROWTH, _WALK_AHEAD) if follows else 1
            self._walked = (parent.pgno, at)
            if self._walk_length < _GROWTH:
                return []
            self._walked = (parent.pgno, at + self._walk_length - 1)
            return [Pgno(child) for child in list(parent.position)[at + 1 : at + self._walk_length]]
        return []

    def _ask_for_pages(self, pages: list[Pgno]) -> None:
        """Ask for the groups of pages that may lie anywhere."""
        wanted: dict[Layer, set[int]] = {}
        for pgno in pages:
            layer = self._layers.holder(pgno)
            if layer is not None and pgno not in self._cache:
                group = layer.map.group_of(pgno)
                if (id(layer), group) not in self._in_flight:
                    wanted.setdefault(layer, set()).add(group)
        for layer, groups in wanted.items():
            ordered = sorted(groups)
            first = ordered[0]
            for group, following in zip(ordered, [*ordered[1:], None], strict=True):
                if following is None or following - group > _WORTH_BRIDGING:
                    self._ask(layer, first, group - first + 1)
                    first = following or 0

    def _longest(self, layer: Layer) -> int:
        """Groups in the longest range that is worth it, and that the cache can take besides others."""
        _, total = layer.map.span(0, layer.map.group_count - 1)
        group_bytes = max(1, total // layer.map.group_count)
        longest = max(1, MAX_RANGE_BYTES // group_bytes)
        capacity = self._cache.capacity
        if capacity is not None:
            group_pages = -(-layer.map.page_count // layer.map.group_count)
            longest = min(longest, max(1, capacity // (2 * RANGES_IN_FLIGHT * group_pages)))
        return longest

    def _ask_ahead(self, stream: _Stream) -> None:
        """What a stream that has been followed twice will need next."""
        if stream.length < _GROWTH**2 and stream.length < self._longest(stream.layer):
            return
        on_their_way = {id(one) for one in self._in_flight.values() if one.layer is stream.layer}
        for _ in range(len(on_their_way), RANGES_IN_FLIGHT + 1):
            start = self._first_wanted(stream)
            if start is None:
                return
            stream.end = self._ask(stream.layer, start, stream.length).last + 1

    def _first_wanted(self, stream: _Stream) -> int | None:
        """The first group from the stream's end on that the cache does not have."""
        for group in range(stream.end, min(stream.end + stream.length, stream.layer.map.group_count)):
            if self._is_wanted(stream.layer, group):
                return group
        return None

    def _is_wanted(self, layer: Layer, group: int) -> bool:
        """Whether it has a page that is neither here nor on its way nor in a newer file."""
        if (id(layer), group) in self._in_flight:
            return False
        starts = layer.map.group_starts
        end = starts[group + 1] if group + 1 < len(starts) else starts[group] + page_map.GROUP_PAGES
        pages = map(Pgno, range(starts[group], min(end, starts[group] + page_map.GROUP_PAGES)))
        return any(pgno not in self._cache and self._layers.holder(pgno) is layer for pgno in pages)

    def _ask(self, layer: Layer, first: int, length: int) -> _Range:
        """Ask for `length` groups; fewer where those that follow are on their way, or many of them here."""
        last = first
        for group in range(first + 1, min(first + length, layer.map.group_count)):
            if (id(layer), group) in self._in_flight or group - last > _WORTH_BRIDGING:
                break
            if self._is_wanted(layer, group):
                last = group
        start, size = layer.map.span(first, last)
        key = layer.name.key(self._database)
        call = self._host.start(lambda: self._store.get_range(key, start, size))
        asked = _Range(layer, first, last, call)
        for group in range(first, last + 1):
            self._in_flight[id(layer), group] = asked
        return asked

    def _take(self, arrived: _Range, wanted: Pgno) -> bytes:
        for group in range(arrived.first, arrived.last + 1):
            del self._in_flight[id(arrived.layer), group]
        layer, found = arrived.layer, None
        key = layer.name.key(self._database)
        fresh: list[tuple[Pgno, bytes]] = []
        for frame in self._frames(arrived, key):
            if frame.pgno == wanted:
                found = frame.page
            if self._layers.holder(frame.pgno) is layer and frame.pgno not in self._cache:
                fresh.append((frame.pgno, frame.page))
        self._cache.write_many(fresh)
        if found is None:
            ltx.corrupt(key, f"page {wanted}", "not among its neighbours", "a page where the map of the file has it")
        return found

    def _frames(self, arrived: _Range, key: str) -> Iterator[Frame]:
        """The pages of a range, compared with their checksums. What was damaged on its way is right the next time."""
        first, last = arrived.first, arrived.last
        try:
            return arrived.layer.map.frames(arrived.call.result(), first, last, key)
        except SldbError:
            data = self._store.get_range(key, *arrived.layer.map.span(first, last))
            return arrived.layer.map.frames(data, first, last, key)
