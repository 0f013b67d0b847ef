"""The replacement of a database's content by that of another moment or another database, in one transaction.

Nothing is removed: the old content stays in the history, and can be restored in the same way. Only pages that may
differ are read, and only one group of them at a time is in memory.

Page 1 is not copied unchanged: its change counter and its schema cookie follow those of the replaced page, as they
do in SQLite's own backup, so that another reader's connection does not take its cached pages for the new content.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import compress, count

from lambda_handlers.actions.context import ActionContext
from lambda_handlers.actions.noted_state import Noted, with_note
from lambda_handlers.database.database import Database
from lambda_handlers.deadline import Deadline
from lambda_handlers.shared.dataclasses import dataclass
from lambda_handlers.storage.commit import PageChanges
from lambda_handlers.storage.listing import list_chain, read_agreed_header
from lambda_handlers.storage.log import chain, kinds, ltx
from lambda_handlers.storage.log.keys import SNAPSHOT_LEVEL, transaction
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Marks, Pgno, Txid
from lambda_handlers.storage.pages.head import HeadFile
from lambda_handlers.storage.pages.layers import Layer
from lambda_handlers.storage.pages.not_mapped import NotMapped
from lambda_handlers.storage.pages.opening import Opener
from lambda_handlers.storage.replica import Gone, Replica
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import NotFound, StoreError
from lambda_handlers.wire.note import Note

PAST_CACHE_BYTES = 64 << 20  # beside the copy of the newest state
COMPARED_BYTES = 64 << 20  # of pages that may differ; if there are more, one difference is enough to write all
_PAGES_BETWEEN_CHECKS = 64

_COUNTER, _COOKIE, _VALID_FOR = slice(24, 28), slice(40, 44), slice(92, 96)  # of page 1


@dataclass(frozen=True, slots=True)
class Replaced:
    txid: Txid  # the newest one now
    before: Txid  # the newest one before
    pages: int  # written; 0: there was nothing to write
    changed: bool
    bytes: int = 0  # of the file that was written


@dataclass(frozen=True, slots=True)
class Replacing:
    """The transaction that replaces the content."""

    kind: Kind
    restored: Txid = 0  # the transaction of the same database whose state it brings back
    is_step: bool = False  # it is written even if nothing differs: the steps of an undo are counted
    note: Note | None = None


@contextmanager
def past_of(database: Database, txid: Txid, deadline: Deadline) -> Iterator[Replica]:
    """Open the state of a database at `txid`. Raises `not_found`, or NotMapped if it cannot be opened in time."""
    replica = database.new_replica(PAST_CACHE_BYTES)
    try:
        replica.open_at(txid, deadline.at)
        yield replica
    finally:
        replica.close()


def replace_content(
    context: ActionContext,
    current: Replica,
    past: Replica,
    replacing: Replacing,
    check: Callable[[], None] = lambda: None,
) -> Replaced:
    """Commit `past` on top of `current`, the newest state. `check` is called only if they differ, and may raise to
    prevent it. Raises Conflict, Gone or SldbError."""
    before = current.txid
    pages = _differing(context, current, past)
    is_same = not pages and current.page_count == past.page_count
    if not replacing.is_step and (is_same or _is_restored(context, current, replacing)):
        return Replaced(before, before, 0, changed=False)
    check()
    old_first = bytes(current.read(Pgno(1))) if current.page_count else b""
    noted = Noted({}, past.page_count)
    if replacing.note is not None and past.page_count:
        noted = with_note(context, past, replacing.note, before + 1)
    if past.page_count and (noted.pages or not pages):
        pages = _with_more(pages, (Pgno(1), *noted.pages))

    def content() -> Iterator[tuple[Pgno, bytes]]:
        for number, pgno in enumerate(pages):
            if number % _PAGES_BETWEEN_CHECKS == 0:
                context.reading_deadline.check()
            page = noted.pages.get(pgno) or past.read(pgno)
            yield pgno, stamped(page, old_first) if pgno == 1 and old_first else page

    # The log of requests in `past` may hold entries as late as its time: after an earlier transaction (a clock was
    # corrected since) they would count as entries of the future, and requests would run twice.
    changes = PageChanges(past.page_size, noted.page_count, content, len(pages))
    marks = Marks(replacing.restored, noted.note_page)
    txid = current.commit(changes, replacing.kind, keep=False, content_ms=past.timestamp_ms, marks=marks)
    size = current.committed.bytes if current.committed else 0
    return Replaced(txid, before, len(pages), changed=True, bytes=size)


def _is_restored(context: ActionContext, current: Replica, replacing: Replacing) -> bool:
    """Return True if the newest state is the restored one with a note: then the pages of the note alone differ. Raises
    SldbError."""
    if replacing.note is None or not current.unchanged_since:
        return False
    try:
        newest = read_agreed_header(context.store, current.database, transaction(current.unchanged_since))
    except NotFound:
        return False
    except StoreError as error:
        raise store_error(error, applied="unknown") from error
    is_restore = kinds.of_node_id(newest.node_id) is replacing.kind
    return is_restore and bool(newest.marks.note_page) and newest.marks.restored == replacing.restored


def stamped(page: bytes, current: bytes) -> bytes:
    """Return page 1 with the counters after those of `current`, the page 1 before it."""
    counter = int.from_bytes(current[_COUNTER], "big") + 1 & 0xFFFFFFFF
    cookie = int.from_bytes(current[_COOKIE], "big") + 1 & 0xFFFFFFFF
    # The size in the header is valid only if these two agree: if they did not, they still must not.
    valid_for = counter if page[_COUNTER] == page[_VALID_FOR] else counter - 1 & 0xFFFFFFFF
    result = bytearray(page)
    for field, value in ((_COUNTER, counter), (_COOKIE, cookie), (_VALID_FOR, valid_for)):
        result[field] = value.to_bytes(4, "big")
    return bytes(result)


def _differing(context: ActionContext, current: Replica, past: Replica) -> Sequence[Pgno]:
    """Return the pages of `past` to write, ascending; all candidates, if it would take long to compare them."""
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
                context.reading_deadline.check()
            if differs(pgno):
                yield pgno

    if len(candidates) * past.page_size > COMPARED_BYTES:
        return candidates if next(compared(), None) is not None else []
    found = list(compared())
    is_same = not found and current.page_count == past.page_count
    return found if is_same or found[:1] == [1] or not past.page_count else [Pgno(1), *found]


def _with_more(pages: Sequence[Pgno], more: Iterable[Pgno]) -> Sequence[Pgno]:
    """Return the pages, of which there may be millions, with a few more, ascending."""
    result = list(pages)
    for pgno in more:
        at = bisect_left(result, pgno)
        if at == len(result) or result[at] != pgno:
            result.insert(at, pgno)
    return result


def _same_first(ours: bytes, theirs: bytes) -> bool:
    """Return True if two first pages differ at most in their counters."""
    return all(ours[low:high] == theirs[low:high] for low, high in ((0, 24), (28, 40), (44, 92), (96, len(ours))))


def _candidates(context: ActionContext, current: Replica, past: Replica) -> Sequence[Pgno]:
    """Return every page of `past` that may have other content in `current`."""
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
    """Return a byte for each of `end` pages: 1 if a layer has it, or if it was cut off since."""
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
    """Return the files from one state to the other, the first perhaps beginning earlier; None if there are none."""
    listing = list_chain(context.store, database, upto, start=after)
    names = [name for name in listing.sizes if name.level != SNAPSHOT_LEVEL]
    plan = chain.plan(names, after, upto)
    if plan.reach != upto:
        return None
    heads = [HeadFile(name, listing.sizes[name], name in listing.mapped) for name in plan.files]
    opener = Opener(context.store, database, context.host, whole_limit=0)
    layers = []
    try:
        for opened in opener.open(heads, lambda _pgno, _page: None, context.deadline.at):
            layers.append(opened.layer)
    except NotMapped:
        return None
    except NotFound as error:
        raise Gone(str(error)) from error
    except StoreError as error:
        raise store_error(error) from error
    # If the size of pages changed in between, page numbers do not show the changes before that.
    return layers if len({layer.map.page_size for layer in layers}) <= 1 else None
