"""The sweep: a look at all databases within a day, for work without a work item.

It finds databases too small for a fold, those of earlier functions, of Litestream and of restored backups, transactions
older than the retention period, damaged page maps, and lost work items. For each it puts a work item, and a pass does
the rest.

Each minute it reads one page of a LIST of the whole store, 1,000 keys, and judges the databases in it: one LIST for
some hundred small databases. The last one, perhaps incomplete, is left to the next page; one with more keys than a page
gets a work item without a judgement. The progress (_sweep/maintenance.json) is the key to go on after: minutes without
a run delay the sweep and skip nothing. A sweep begins a day after the beginning of the one before. A store with more
pages than a day has minutes is read by several a minute, by the number of pages of the sweep before.

It also keeps the doubts about names (doubt_keeping), so that a LIST shows the databases.

    {"version":1,"began_at":1790000000.5,"after":"orders0","pages":17,"pages_before":31,"doubts":2,"crc32":"…"}

`after` is empty at the beginning, null at the end. `doubts` is 1 during the first sweep that puts them, then 2; without
it the progress is that of an earlier version, and a sweep begins. A damaged progress counts as absent: likewise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, islice

from lambda_handlers.host import Host
from lambda_handlers.shared.dataclasses import dataclass, replace
from lambda_handlers.shared.sealed_json import seal, unseal
from lambda_handlers.storage.log import chain, doubts, work_items
from lambda_handlers.storage.log.copy_mark import MARK_BYTES
from lambda_handlers.storage.log.keys import (
    LtxName,
    database_names,
    doubts_complete_key,
    parse_doubt_key,
    parse_ltx_key,
    parse_map_progress_key,
    parse_page_map_key,
    sweep_key,
    transaction,
    uploads_prefix,
)
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.pages.head import HeadFile
from lambda_handlers.storage.pages.page_map import MAP_WORTH_BYTES
from lambda_handlers.storage.pages.stored_page_map import Mapper
from lambda_handlers.storage.upkeep import retention
from lambda_handlers.storage.upkeep.compaction import EMPTY_FILE_BYTES, MAX_FILES_ABOVE_BASE, PAST_WORTH_MAPPING_BYTES
from lambda_handlers.storage.upkeep.doubt_keeping import DoubtKeeping
from lambda_handlers.storage.upkeep.removal import UPLOAD_SECONDS
from lambda_handlers.store.protocol import (
    PAGE_KEYS,
    AlreadyExists,
    NotFound,
    ObjectInfo,
    ObjectStore,
    PreconditionFailed,
)

SWEEP_SECONDS = 86_400.0
PAGES_A_DAY = 1000  # with one a minute; a day has 1440, and minutes may be missed
_VERSION = 1
_FIRST, _COMPLETE = 1, 2  # of the doubts


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of a sweep."""

    began_at: float = float("-inf")  # unix seconds
    after: str | None = None  # the key to go on after; None: it is over
    pages: int = 0  # that it has read
    pages_before: int = 0  # of the sweep before
    doubts: int = 0  # 0: a function of an earlier version began the sweep

    def encode(self) -> bytes:
        fields = {"began_at": self.began_at, "after": self.after, "pages": self.pages}
        more = {"pages_before": self.pages_before, "doubts": self.doubts}
        return seal({"version": _VERSION, **fields, **more}, sweep_key())

    @classmethod
    def decode(cls, body: bytes) -> Progress:
        try:
            fields = unseal(body, sweep_key()) or {}
            after = None if fields["after"] is None else str(fields["after"])
            pages = int(fields["pages"]), int(fields["pages_before"])
            return cls(float(fields["began_at"]), after, *pages, int(fields.get("doubts", 0)))
        except (KeyError, TypeError, ValueError):
            return cls()


@dataclass(frozen=True, slots=True)
class Sweep:
    """The sweep over one store."""

    store: ObjectStore
    host: Host
    retained_seconds: float
    period_seconds: float = SWEEP_SECONDS

    def run(self, deadline: float) -> None:
        """Go on, until `deadline` (unix seconds) at most. Raises StoreError."""
        progress, etag = self._read()
        begun = self._begun(progress, etag is not None)
        if begun is None:
            return
        progress = begun
        for _ in range(1 + progress.pages_before // PAGES_A_DAY):
            if progress.after is None or self.host.now() >= deadline:
                break
            progress = replace(progress, after=self._read_page(progress, progress.after), pages=progress.pages + 1)
        try:
            body = progress.encode()
            self.store.create(sweep_key(), body) if etag is None else self.store.replace(sweep_key(), body, etag)
        except (AlreadyExists, PreconditionFailed, NotFound):
            return  # another invocation does the same

    def _begun(self, progress: Progress, is_there: bool) -> Progress | None:
        """Return the progress for this minute; None if there is nothing to do."""
        now = self.host.now()
        if not progress.doubts:
            if is_there:  # functions of an earlier version may have dropped databases without a doubt
                self.store.delete(doubts_complete_key())
            return Progress(now, "", 0, progress.pages, _FIRST)
        if progress.after is not None:
            return progress
        if progress.doubts == _FIRST:
            doubts.put_complete(self.store)
            return replace(progress, doubts=_COMPLETE)
        is_due = abs(now - progress.began_at) >= self.period_seconds
        return Progress(now, "", 0, progress.pages, _COMPLETE) if is_due else None

    def _read(self) -> tuple[Progress, str | None]:
        try:
            body, etag = self.store.get_with_tag(sweep_key())
        except NotFound:
            return Progress(), None
        return Progress.decode(body), etag

    def _read_page(self, progress: Progress, after: str) -> str | None:
        """Judge the databases in a page, and return the key to go on after; None after the last one."""
        page = list(islice(self.store.list_objects("", after or None), PAGE_KEYS))
        directories = [(name, list(infos)) for name, infos in groupby(page, lambda info: info.key.partition("/")[0])]
        is_last = len(page) < PAGE_KEYS
        whole = directories if is_last or len(directories) == 1 else directories[:-1]
        is_cut = not is_last and len(directories) == 1
        for name, infos in whole:
            if database_names([name]):
                found = Found.of(name, infos)
                self._judge(found, is_cut)
                if found.may_mislead or (is_cut and progress.doubts == _FIRST):
                    self._doubts.put_missing(name, infos, found.newest, of_all=progress.doubts == _FIRST)
        self._doubts.remove_over(info for info in page if parse_doubt_key(info.key))
        # What follows the slash in the order of keys, so that all of the directory is behind.
        return None if is_last else f"{whole[-1][0]}0"

    @property
    def _doubts(self) -> DoubtKeeping:
        return DoubtKeeping(self.store, self.host)

    def _judge(self, found: Found, is_cut: bool) -> None:
        if found.files and (
            is_cut or found.has_work(self.host.now(), self.retained_seconds) or self._has_bad_map(found)
        ):
            work_items.put(self.store, found.database, found.newest)

    def _has_bad_map(self, found: Found) -> bool:
        """Return True for a large file with a damaged page map. The first reader of a smaller file has the time to put
        another map."""
        mapper = Mapper(self.store, found.database, self.host)
        large = [file for file in found.files.values() if file.size >= PAST_WORTH_MAPPING_BYTES]
        return any(mapper.look(file).page_map is None for file in large)


@dataclass(frozen=True, slots=True)
class Found:
    """The content of a LIST of one database."""

    database: str
    files: dict[LtxName, HeadFile]
    written_at: dict[LtxName, float]  # unix seconds by the store's clock; but for the mark of a copy
    page_maps: dict[LtxName, float]  # likewise: when the one at the first name was written
    has_other_maps: bool  # at the second name, since a damaged one is at the first; or one that is being made
    oldest_upload_at: float

    @classmethod
    def of(cls, database: str, infos: Sequence[ObjectInfo]) -> Found:
        maps = {name: info.modified_at for info in infos if (name := parse_page_map_key(database, info.key))}
        files, written_at = {}, {}
        for info in infos:
            if name := parse_ltx_key(database, info.key):
                files[name] = HeadFile(name, info.size, name in maps)
                if (name, info.size) != (transaction(1), MARK_BYTES):
                    written_at[name] = info.modified_at
        others = any(
            info.key.endswith(".2.pages") or parse_map_progress_key(database, info.key) is not None for info in infos
        )
        prefix = uploads_prefix(database)
        uploads = [info.modified_at for info in infos if info.key.startswith(prefix)]
        return cls(database, files, written_at, maps, others, min(uploads, default=float("inf")))

    @property
    def newest(self) -> Txid:
        return max((name.max_txid for name in self.files), default=0)

    @property
    def may_mislead(self) -> bool:
        """True if the name has objects, but perhaps no database: dropped, or not there yet."""
        sizes = [file.size for name, file in self.files.items() if name.max_txid == self.newest]
        begins = [name for name in self.files if name.min_txid == 1]
        is_unfinished = begins == [transaction(1)] and self.files[transaction(1)].size == MARK_BYTES
        return not sizes or min(sizes) <= EMPTY_FILE_BYTES or is_unfinished

    def has_work(self, now: float, retained_seconds: float) -> bool:
        """Return True if a pass would change something, as far as a LIST shows it; `now`: unix seconds."""
        return bool(self.written_at) and any(self._reasons(now, retained_seconds))

    def _reasons(self, now: float, retained_seconds: float) -> Iterator[bool]:
        plan = chain.plan(self.files)
        sizes = [self.files[name].size for name in plan.files]
        yield plan.reach < plan.newest or not sizes
        yield len(sizes) > 1 + MAX_FILES_ABOVE_BASE
        yield len(sizes) > 1 and (sum(sizes[1:]) >= sizes[0] or sizes[-1] <= EMPTY_FILE_BYTES)
        yield any(file.size > self._worth_mapping(file, plan) and not file.is_mapped for file in self.files.values())
        yield self.has_other_maps
        yield self.oldest_upload_at < now - UPLOAD_SECONDS
        yield any(at < now - retention.FLOOR_SECONDS for name, at in self.page_maps.items() if name not in self.files)
        yield bool(retention.reasons(self.written_at, now, retained_seconds))
        yield retention.waits_for_snapshot(self.written_at, now, retained_seconds)

    @staticmethod
    def _worth_mapping(file: HeadFile, plan: chain.Plan) -> int:
        return MAP_WORTH_BYTES if file.name in plan.files else PAST_WORTH_MAPPING_BYTES - 1
