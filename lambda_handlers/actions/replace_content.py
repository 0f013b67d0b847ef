"""One transaction that gives a database the content of another moment, its own or another database's.

Nothing is removed: what was there stays in the history, and the same way leads back. Only pages that may differ are
read, and only one group of them at a time is in memory.

Page 1 is not brought as it was: its change counter and its schema cookie go on from where the database stands, as they
do for SQLite's own backup, so that no connection of another reader takes what it has cached for what is there now.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import compress, count

from lambda_handlers.actions.context import ActionContext
from lambda_handlers.database import Database
from lambda_handlers.storage.commit import PageChanges
from lambda_handlers.storage.listing import list_files
from lambda_handlers.storage.log import chain, ltx
from lambda_handlers.storage.log.keys import SNAPSHOT_LEVEL
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Pgno, Txid
from lambda_handlers.storage.pages.head import HeadFile
from lambda_handlers.storage.pages.layers import Layer
from lambda_handlers.storage.pages.opening import Opener
from lambda_handlers.storage.pages.stored_page_map import NotMapped
from lambda_handlers.storage.replica import Gone, Replica
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import NotFound, StoreError
from lambda_handlers.wire import SldbError

PAST_CACHE_BYTES = 64 << 20  # beside the copy of the newest state
COMPARED_BYTES = 64 << 20  # of pages that may differ; of more, all are written as soon as one does
_PAGES_BETWEEN_CHECKS = 64

_COUNTER, _COOKIE, _VALID_FOR = slice(24, 28), slice(40, 44), slice(92, 96)  # of page 1


@dataclass(frozen=True, slots=True)
class Brought:
    txid: Txid  # that the database stands at now
    before: Txid  # that it stood at
    pages: int  # written; 0: there was nothing to write
    changed: bool
    bytes: int = 0  # of the file that was written


@contextmanager
def past_of(database: Database, txid: Txid, deadline: float) -> Iterator[Replica]:
    """The state of a database at `txid`; raises `not_found`, or NotMapped where it cannot be opened until `deadline`
    (unix seconds)."""
    replica = database.new_replica(PAST_CACHE_BYTES)
    try:
        replica.open_at(txid, deadline)
        yield replica
    finally:
        replica.close()


def bring(
    context: ActionContext, current: Replica, past: Replica, kind: Kind, allow: Callable[[], None] = lambda: None
) -> Brought:
    """Commit `past` on top of `current`, which stands at the newest transaction. `allow` raises if that is not wanted;
    it is asked only if they differ. Raises Conflict, Gone or SldbError."""
    before = current.txid
    pages = _differing(context, current, past)
    if not pages and current.page_count == past.page_count:
        return Brought(before, before, 0, changed=False)
    allow()
    stamp = bytes(current.read(Pgno(1))) if current.page_count else b""

    def content() -> Iterator[tuple[Pgno, bytes]]:
        for number, pgno in enumerate(pages):
            if number % _PAGES_BETWEEN_CHECKS == 0:
                check_time(context)
            page = past.read(pgno)
            yield pgno, stamped(page, stamp) if pgno == 1 and stamp else page

    changes = PageChanges(past.page_size, past.page_count, content, len(pages))
    txid = current.commit(changes, kind, keep=False, content_ms=past.timestamp_ms)
    size = current.committed.bytes if current.committed else 0
    return Brought(txid, before, len(pages), changed=True, bytes=size)


def check_time(context: ActionContext) -> None:
    if context.host.now() >= context.deadline:
        raise SldbError(
            "query_timeout",
            "the time was up before all pages were read",
            "give it more time (timeout), or the function: sldb deploy --timeout SECONDS",
            applied="no",
        )


def stamped(page: bytes, current: bytes) -> bytes:
    """Page 1 with counters that follow those of the page 1 that it replaces."""
    counter = int.from_bytes(current[_COUNTER], "big") + 1 & 0xFFFFFFFF
    cookie = int.from_bytes(current[_COOKIE], "big") + 1 & 0xFFFFFFFF
    # The size in the header counts only where these two agree: where they did not, they still must not.
    valid_for = counter if page[_COUNTER] == page[_VALID_FOR] else counter - 1 & 0xFFFFFFFF
    result = bytearray(page)
    for field, value in ((_COUNTER, counter), (_COOKIE, cookie), (_VALID_FOR, valid_for)):
        result[field] = value.to_bytes(4, "big")
    return bytes(result)


def _differing(context: ActionContext, current: Replica, past: Replica) -> Sequence[Pgno]:
    """The pages of `past` to write, ascending; all that may differ, where it would take long to compare them."""
    candidates = _candidates(context, current, past)
    if current.page_size != past.page_size:
        return candidates

    def differs(pgno: Pgno) -> bool:
        if pgno > current.page_count:
            return True
        ours, theirs = current.read(pgno), past.read(pgno)
        return ours != theirs if pgno != 1 else not _same_first(ours, theirs)

    def compared() -> Iterator[Pgno]:
        for number, pgno in enumerate(candidates):
            if number % _PAGES_BETWEEN_CHECKS == 0:
                check_time(context)
            if differs(pgno):
                yield pgno

    if len(candidates) * past.page_size > COMPARED_BYTES:
        return candidates if next(compared(), None) is not None else []
    found = list(compared())
    is_same = not found and current.page_count == past.page_count
    return found if is_same or found[:1] == [1] or not past.page_count else [Pgno(1), *found]


def _same_first(ours: bytes, theirs: bytes) -> bool:
    """Whether two first pages differ in their counters at most."""
    return all(ours[low:high] == theirs[low:high] for low, high in ((0, 24), (28, 40), (44, 92), (96, len(ours))))


def _candidates(context: ActionContext, current: Replica, past: Replica) -> Sequence[Pgno]:
    """Every page of `past` that may be another one in `current`."""
    end, skipped = past.page_count, ltx.lock_page(past.page_size)
    wanted = bytearray(b"\x01" * end)
    if current.page_count and current.page_size == past.page_size and current.database == past.database:
        layers = _layers_between(context, current.database, past.txid, current.txid)
        if layers is not None:
            wanted = _pages_of(layers, current.page_count, end)
    wanted[:1] = b"\x01" * min(end, 1)  # SQLite sees by its counters that there was a change
    if skipped <= end:
        wanted[skipped - 1] = 0
    return [Pgno(number) for number in compress(count(1), wanted)]


def _pages_of(layers: Iterable[Layer], current_end: int, end: int) -> bytearray:
    """One for every page that a layer has, or that was cut off since, of `end` pages."""
    wanted = bytearray(end)
    for layer in layers:
        for start, length in layer.map.runs():
            last = min(start - 1 + length, end)
            if start <= last:
                wanted[start - 1 : last] = b"\x01" * (last - start + 1)
    if current_end < end:
        wanted[current_end:end] = b"\x01" * (end - current_end)
    return wanted


def _layers_between(context: ActionContext, database: str, after: Txid, upto: Txid) -> list[Layer] | None:
    """The files that lead from one state to the other, and perhaps begin before; None where there are none such."""
    listing = list_files(context.store, database)
    names = [name for name in listing.sizes if name.level != SNAPSHOT_LEVEL]
    plan = chain.plan(names, after, upto)
    if plan.reach != upto:
        return None
    heads = [HeadFile(name, listing.sizes[name], name in listing.mapped) for name in plan.files]
    opener = Opener(context.store, database, context.host, whole_limit=0)
    layers = []
    try:
        for opened in opener.open(heads, lambda _pgno, _page: None, context.deadline):
            layers.append(opened.layer)
    except NotMapped:
        return None
    except NotFound as error:
        raise Gone(str(error)) from error
    except StoreError as error:
        raise store_error(error) from error
    # Where the size of pages changed in between, what was changed before that is not told by page numbers.
    return layers if len({layer.map.page_size for layer in layers}) <= 1 else None
