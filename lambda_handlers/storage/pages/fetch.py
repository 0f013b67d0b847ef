"""The fetcher: pages that are not in the cache, fetched by ranges of the files that hold them.

A round trip takes as long as a megabyte of transfer, so a miss fetches at least a group of pages, and more if they are
likely to be used:

- Misses that follow each other through a file make a stream. Its ranges grow fourfold up to 4 MiB and are requested
  ahead, several at once. A full scan so runs at the store's bandwidth.
- Misses along the pages or rows in a b-tree page make a walk (`walks`): the probable next pages are requested together,
  anywhere in the file.
- Other misses fetch one group each, and a few more at a time after many misses.

Ranges in flight belong to one request: `cancel_prefetch` forgets them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lambda_handlers.host import Call, Host
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.ltx import Pgno
from lambda_handlers.storage.pages import page_map
from lambda_handlers.storage.pages.layers import Layer, Layers
from lambda_handlers.storage.pages.page_cache import PageCache
from lambda_handlers.storage.pages.walks import MAX_AHEAD, NOTHING, Coming, Walks
from lambda_handlers.store.protocol import ObjectStore, StoreError
from lambda_handlers.wire import SldbError

MAX_RANGE_BYTES = 4 << 20
RANGES_IN_FLIGHT = 4  # of one stream
WAIT_SECONDS = 0.25  # for a range, before the caller's check is called again
_GROWTH = 4  # the growth of the requests of a stream, each time
_LAST_PARTS = 4  # of the longest range: the shortest one at the end of the database
_STREAMS = 8  # followed at the same time: a join reads several tables
_MISSES_PER_DOUBLING = 16  # of those outside any stream or walk
_MAX_STRAY_GROUPS = 8  # groups
_NEAR_PAGES = 256  # around the end of a file, where the next one continues
_NO_PAGE = Pgno(0)
_WORTH_BRIDGING = 8  # a gap of so many groups between wanted ones is cheaper than another request


@dataclass(slots=True)
class _Stream:
    layer: Layer
    begin: int  # first group of the last range read
    end: int  # group after the last requested one
    length: int  # groups of the next range


@dataclass(frozen=True, slots=True, eq=False)
class _Range:
    """The groups `first` to `last` of a file, in flight."""

    layer: Layer
    first: int
    last: int
    call: Call


class Fetcher:
    """The fetcher of one replica. Raises StoreError, or SldbError `corrupt`; NotFound means that retention has removed
    the file since, and that the caller must begin again."""

    def __init__(self, store: ObjectStore, database: str, host: Host, layers: Layers, cache: PageCache) -> None:
        self._store = store
        self._database = database
        self._host = host
        self._layers = layers
        self._cache = cache
        self.cancel_prefetch()

    def cancel_prefetch(self) -> None:
        """Forget the ranges in flight, and the streams: a request is over, or the layers have changed."""
        self._in_flight: dict[tuple[int, int], _Range] = {}  # by identity of the layer, and group
        self._guessed: list[_Range] = []  # of these, the ranges that walks have led to
        self._streams: list[_Stream] = []  # the one used last comes last
        self._stray_misses = 0
        self._walks = Walks(self._cache)

    def note(self, pgno: Pgno, page: bytes) -> None:
        """Remember an interior page of a b-tree, or a leaf of an index: its pages and rows may be next."""
        self._walks.note(pgno, page)

    def read(self, pgno: Pgno, layer: Layer, check: Callable[[], None]) -> bytes:
        """Return a page in `layer` that is not in the cache; put its neighbours into the cache with it. `check`
        is called during the wait for the store, and may raise: the range stays in flight then."""
        group = layer.map.group_of(pgno)
        awaited = self._in_flight.get((id(layer), group))
        stream = self._stream_of(layer, group)
        if awaited is None:
            coming = NOTHING if stream else self._coming_after(pgno)
            stream = stream or self._next_file_of_a_stream(layer, group, pgno) or self._stray(layer, group)
            awaited = self._request(layer, group, stream.length)
            stream.begin, stream.end = group, awaited.last + 1
            self._request_coming(coming)
        elif stream:
            stream.begin = awaited.first
        if stream:
            self._request_ahead(stream)
        while not awaited.call.wait(WAIT_SECONDS):
            check()
        return self._take(awaited, pgno)

    def _stream_of(self, layer: Layer, group: int) -> _Stream | None:
        for stream in reversed(self._streams):
            if stream.layer is layer and stream.begin < group <= stream.end + stream.length:
                stream.length = min(stream.length * _GROWTH, self._max_groups(layer))
                self._streams.remove(stream)
                self._streams.append(stream)
                return stream
        return None

    def _next_file_of_a_stream(self, layer: Layer, group: int, pgno: Pgno) -> _Stream | None:
        """Continue a stream in the next file: the pages of a table that grew in several transactions continue from one
        file to another."""
        for stream in reversed(self._streams):
            has_ended = stream.end >= stream.layer.map.group_count
            if has_ended and abs(pgno - stream.layer.map.commit) <= _NEAR_PAGES:
                self._streams.remove(stream)
                following = _Stream(layer, group, group, min(stream.length, self._max_groups(layer)))
                self._streams.append(following)
                return following
        return None

    def _stray(self, layer: Layer, group: int) -> _Stream:
        length = min(1 << self._stray_misses // _MISSES_PER_DOUBLING, _MAX_STRAY_GROUPS, self._max_groups(layer))
        self._stray_misses += 1
        stream = _Stream(layer, group, group, length)
        self._streams = [*self._streams[1 - _STREAMS :], stream]
        return stream

    def _coming_after(self, missed: Pgno) -> Coming:
        """Return the probable next pages. Those on the way to them that have arrived are put into the cache first."""
        waiting = []
        for one in self._guessed:
            if self._in_flight.get((id(one.layer), one.first)) is one and not self._has_kept(one):
                waiting.append(one)
        self._guessed = waiting
        return self._walks.after(missed)

    def _has_kept(self, guessed: _Range) -> bool:
        """Put the pages of a range into the cache if it has arrived, and return True then."""
        if not guessed.call.wait(0):
            return False
        try:
            self._keep(guessed, self._pages_of(guessed))
        except (StoreError, SldbError):  # raised by the read of a page of it, if there is one
            return False
        return True

    def _request_coming(self, coming: Coming) -> None:
        """Request the groups of pages at any places, as many as the cache can take."""
        wanted: dict[Layer, set[int]] = {}
        left = self._max_ahead()
        for pgno in coming.pages:
            layer = self._layers.holder(pgno)
            if layer is not None and pgno not in self._cache:
                group = layer.map.group_of(pgno)
                if (id(layer), group) not in self._in_flight and group not in wanted.setdefault(layer, set()):
                    wanted[layer].add(group)
                    left -= 1
            if not left:
                break
        ranges = [(layer, *one) for layer, groups in wanted.items() for one in _bridged(sorted(groups), coming.gap)]
        if len(ranges) <= coming.max_ranges:
            self._guessed += [self._request(layer, first, last - first + 1) for layer, first, last in ranges]

    def _max_ahead(self) -> int:
        """Return the number of groups for walks to request at once: the cache takes them beside others."""
        capacity = self._cache.capacity
        return MAX_AHEAD if capacity is None else max(1, min(MAX_AHEAD, capacity // (4 * page_map.GROUP_PAGES)))

    def _max_groups(self, layer: Layer) -> int:
        """Return the number of groups in the longest range that the cache can take besides others."""
        _, total = layer.map.span(0, layer.map.group_count - 1)
        group_bytes = max(1, total // layer.map.group_count)
        max_groups = max(1, MAX_RANGE_BYTES // group_bytes)
        capacity = self._cache.capacity
        if capacity is not None:
            group_pages = -(-layer.map.page_count // layer.map.group_count)
            max_groups = min(max_groups, max(1, capacity // (2 * RANGES_IN_FLIGHT * group_pages)))
        return max_groups

    def _request_ahead(self, stream: _Stream) -> None:
        """Request the next ranges of a stream, once it has been followed twice."""
        if stream.length < _GROWTH**2 and stream.length < self._max_groups(stream.layer):
            return
        in_flight = {id(one) for one in self._in_flight.values() if one.layer is stream.layer}
        for _ in range(len(in_flight), RANGES_IN_FLIGHT + 1):
            start = self._first_wanted(stream)
            if start is None:
                return
            stream.end = self._request(stream.layer, start, self._length_from(start, stream)).last + 1

    def _length_from(self, start: int, stream: _Stream) -> int:
        """Return the groups of the next range. Near the end of the database they become fewer: nothing else is on the
        line while the last ones are decoded and read."""
        if self._layers.holder(Pgno(self._layers.page_count)) is not stream.layer:
            return stream.length
        left = stream.layer.map.group_count - start
        return min(stream.length, max(left // 2, self._max_groups(stream.layer) // _LAST_PARTS, 1))

    def _first_wanted(self, stream: _Stream) -> int | None:
        """Return the first group from the stream's end on with pages missing in the cache."""
        for group in range(stream.end, min(stream.end + stream.length, stream.layer.map.group_count)):
            if self._is_wanted(stream.layer, group):
                return group
        return None

    def _is_wanted(self, layer: Layer, group: int) -> bool:
        """Return True if a page of the group is neither here nor in flight nor in a newer file."""
        if (id(layer), group) in self._in_flight:
            return False
        starts = layer.map.group_starts
        end = starts[group + 1] if group + 1 < len(starts) else starts[group] + page_map.GROUP_PAGES
        pages = map(Pgno, range(starts[group], min(end, starts[group] + page_map.GROUP_PAGES)))
        return any(pgno not in self._cache and self._layers.holder(pgno) is layer for pgno in pages)

    def _request(self, layer: Layer, first: int, length: int) -> _Range:
        """Request `length` groups; fewer if the following ones are in flight, or many of them here."""
        last = first
        for group in range(first + 1, min(first + length, layer.map.group_count)):
            if (id(layer), group) in self._in_flight or group - last > _WORTH_BRIDGING:
                break
            if self._is_wanted(layer, group):
                last = group
        start, size = layer.map.span(first, last)
        key = layer.name.key(self._database)
        call = self._host.start(lambda: self._store.get_range(key, start, size))
        requested = _Range(layer, first, last, call)
        for group in range(first, last + 1):
            self._in_flight[id(layer), group] = requested
        return requested

    def _take(self, arrived: _Range, wanted: Pgno) -> bytes:
        found = self._keep(arrived, self._runs(arrived), wanted)
        if found is None:
            key = arrived.layer.name.key(self._database)
            ltx.corrupt(key, f"page {wanted}", "not among its neighbours", "a page where the map of the file has it")
        return found

    def _keep(self, arrived: _Range, runs: Iterator[list[tuple[Pgno, bytes]]], wanted: Pgno = _NO_PAGE) -> bytes | None:
        """Put the pages of a range into the cache, and return the wanted one, if it is among them."""
        for group in range(arrived.first, arrived.last + 1):
            del self._in_flight[id(arrived.layer), group]
        found = None
        for run in runs:
            if run[0][0] <= wanted <= run[-1][0]:
                found = dict(run).get(wanted)
            self._cache.write_many(
                [one for one in run if self._layers.holder(one[0]) is arrived.layer and one[0] not in self._cache]
            )
        return found

    def _runs(self, arrived: _Range) -> Iterator[list[tuple[Pgno, bytes]]]:
        """Return the pages of a range, many at a time, compared with their checksums. Damage in transit is gone at the
        second try."""
        try:
            return self._pages_of(arrived)
        except SldbError:
            key, first, last = arrived.layer.name.key(self._database), arrived.first, arrived.last
            data = self._store.get_range(key, *arrived.layer.map.span(first, last))
            return arrived.layer.map.page_runs(data, first, last, key)

    def _pages_of(self, arrived: _Range) -> Iterator[list[tuple[Pgno, bytes]]]:
        key = arrived.layer.name.key(self._database)
        return arrived.layer.map.page_runs(arrived.call.result(), arrived.first, arrived.last, key)


def _bridged(groups: list[int], gap: int) -> Iterator[tuple[int, int]]:
    """Yield the first and the last group of each range, of ascending groups."""
    first = groups[0]
    for group, following in zip(groups, [*groups[1:], None], strict=True):
        if following is None or following - group > gap:
            yield first, group
            first = following or 0
