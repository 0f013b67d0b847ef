"""The past of a database: the newest transaction at a moment.

Clocks of writers step, ahead and back, so that the times in the files need not ascend with their txids. The dates of
the files are the store's, whose clock does not step: a transaction was there at the date of its file, or before. So

1. a transaction dated more than a minute before the moment was there by then, whatever its time;
2. of those dated within a minute of the moment, the newest with a time not after it counts;
3. a later date may be wrong for: a copy (a branch, a restored backup), a merged file, files from Litestream after a
   time offline. If the oldest of them were made by then, times alone decide there;
4. if times are ahead of the dates, the oldest and the newest too, and none is in the future, the dates are by another
   clock than the times, and times alone decide;
5. a moment in the future finds the newest transaction, unless that is stamped after it, and less than a minute ahead of
   now.

If times alone decide, up to `MAX_EXACT_TIMES` of them are read, and the newest one not after the moment counts. Among
more, a binary search reads blocks of 16 neighbours: a step shown by less than 16 transactions does not mislead it. A
search takes at most `MAX_HEADERS` headers of a log of 100,000 transactions, mostly 33 of them or fewer. The files with
their dates are in dated_files: a search takes one LIST of a short log, and four or five of a long one.

A merged file represents only its last transaction: moments before that find the transaction before the file's first.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from functools import partial
from itertools import pairwise

from lambda_handlers.host import Host
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.storage.log import dated_files, file_header
from lambda_handlers.storage.log.dated_files import DatedFile, DatedFiles
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.log.partial_listing import PartialListing
from lambda_handlers.store.protocol import NotFound, ObjectStore
from lambda_handlers.store_clock import ROUNDING_SECONDS, SKEW_SECONDS

BLOCK = 16  # neighbours whose headers are read at once
MAX_EXACT_TIMES = 256  # transactions of which every time is read, where times alone decide
MAX_HEADERS = 2 * MAX_EXACT_TIMES + 2 * BLOCK  # that are read for one moment, of a log of 100,000 transactions
_SLACK_SECONDS = SKEW_SECONDS + ROUNDING_SECONDS


@dataclass(frozen=True, slots=True)
class Found:
    """The transaction at a moment."""

    txid: Txid  # 0: there was none
    time_ms: int = 0  # unix milliseconds by its own file, which may be ahead of the moment, and of now
    descends_at: Txid = 0  # a transaction with an earlier time than the one before it, if the search met one


def find(store: ObjectStore, host: Host, database: str, moment_ms: int) -> Found:
    """Return the newest transaction made at `moment_ms` (unix milliseconds) or before. Raises StoreError, or SldbError
    `corrupt`."""
    listing = PartialListing(store, database)
    listing.list_newest(BLOCK)
    while True:
        files = dated_files.read(store, host, listing)
        try:
            return _Search(store, host, database, files, host.now()).at(moment_ms)
        except NotFound:
            if files.is_whole:
                raise
            listing.list_whole()


@dataclass(frozen=True, slots=True)
class _Span:
    begins_ms: int
    ends_ms: int

    def has(self, time_ms: int) -> bool:
        return self.begins_ms <= time_ms <= self.ends_ms


class _Search:
    def __init__(self, store: ObjectStore, host: Host, database: str, files: DatedFiles, now: float) -> None:
        self._store = store
        self._host = host
        self._database = database
        self._files = files
        self._now = now
        self._times: dict[int, int] = {}  # by the number of the file: unix milliseconds

    def at(self, moment_ms: int) -> Found:
        """Return the transaction at a moment."""
        number = self._number_at(moment_ms)
        if number < 0:
            return Found(0, descends_at=self._descent())
        self._read((number,))
        return Found(self._files[number].name.max_txid, self._times[number], self._descent())

    def _number_at(self, moment_ms: int) -> int:
        """Return the number of the file; -1 for none."""
        moment, end = moment_ms / 1000, len(self._files)
        if moment >= self._now and (newest := self._newest_of_now(moment_ms)) is not None:
            return newest
        near, far = (self._files.end_at(moment + slack) for slack in (-_SLACK_SECONDS, _SLACK_SECONDS))
        late = _Span(self._time_before(far), moment_ms)
        if self._newest(range(far, min(far + BLOCK, end)), late) is not None:
            found = self._newest_of_all(range(far, end), late)
        else:
            found = self._newest_of_all(range(near, far), _Span(0, moment_ms))
        if found is None and near and self._are_of_other_clocks(near - 1, moment_ms):
            found = self._newest_of_all(range(near), _Span(0, moment_ms))
            return -1 if found is None else found
        return near - 1 if found is None else found

    def _newest_of_now(self, moment_ms: int) -> int | None:
        """Return the newest file for a moment in the future. This machine's clock may be a little behind those of the
        last writers: files that may be from such a writer do not count after the moment."""
        likely = _Span(moment_ms + 1, int((self._now + SKEW_SECONDS) * 1000))
        for number in reversed(range(len(self._files))[-BLOCK:]):
            self._read((number,))
            if not likely.has(self._times[number]):
                return number
        return None

    def _time_before(self, number: int) -> int:
        """Return the latest possible time of the transaction before a file: an earlier time after it is due to a
        step."""
        if not number:
            return 0
        self._read((number - 1,))
        return min(self._times[number - 1], int(self._files.date(number - 1) * 1000))

    def _are_of_other_clocks(self, number: int, moment_ms: int) -> bool:
        """Return True if the dates prove nothing about the times, as this file, the oldest and the newest one show."""
        self._read((0, number, -1 % len(self._files)))
        return self._times[number] > moment_ms and all(
            self._files.date(each) + _SLACK_SECONDS < self._times[each] / 1000 <= self._now + SKEW_SECONDS
            for each in (0, number, -1 % len(self._files))
        )

    def _newest_of_all(self, numbers: range, span: _Span) -> int | None:
        """Return the newest of the files with a time in the span."""
        blocks = [numbers[start : start + BLOCK] for start in range(0, len(numbers), BLOCK)]
        if len(numbers) > MAX_EXACT_TIMES:
            last = bisect_left(blocks, True, key=lambda block: self._newest(block, span) is None)
            blocks = blocks[max(0, last - 1) : last]
        found = (self._newest(block, span) for block in reversed(blocks))
        return next((number for number in found if number is not None), None)

    def _newest(self, numbers: range, span: _Span) -> int | None:
        """Return the newest of a few files with a time in the span."""
        self._read(numbers)
        return next((number for number in reversed(numbers) if span.has(self._times[number])), None)

    def _read(self, numbers: Iterable[int]) -> None:
        wanted = [number for number in dict.fromkeys(numbers) if number not in self._times]
        calls = [self._host.start(partial(self._time, self._files[number])) for number in wanted]
        for number, call in zip(wanted, calls, strict=True):
            self._times[number] = call.result()

    def _time(self, file: DatedFile) -> int:
        return file_header.read(self._store, file.name.key(self._database), file.size).timestamp_ms

    def _descent(self) -> Txid:
        for before, after in pairwise(sorted(self._times)):
            if self._times[after] < self._times[before]:
                return self._files[after].name.max_txid
        return 0
