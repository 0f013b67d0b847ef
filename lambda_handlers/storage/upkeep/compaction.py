"""Compaction: a maintenance pass makes fewer files for the same history of one database.

After a pass at most four files follow the base (a snapshot or another first file of the chain). Neighbours are merged
for that, the cheapest first. A pass makes a new snapshot in three cases: the files above the base are as large as the
base, which keeps the bytes written again in proportion to the bytes written; the database was dropped; retention waits
for one. It also makes missing or damaged page maps, the head, and the atlas once the page maps missing from it are as
large as the atlas itself.

Compaction deletes no file (retention does), overwrites none, and no order of events can do harm: it makes every file by
a conditional create from files that stay in place, so the file has the same content for any process at any time. A pass
that is stopped anywhere leaves correct files, and the next one continues. Two passes at once do the work twice. The
only object that it removes is one with the name of a page map but other content.

Write amplification is measured by benchmarks/amplification.py; figures in docs/storage.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from lambda_handlers.host import Host
from lambda_handlers.shared.dataclasses import dataclass, field, replace
from lambda_handlers.storage import verification
from lambda_handlers.storage.log import chain, file_header, ltx
from lambda_handlers.storage.log.keys import MERGE_LEVEL, LtxName, snapshot, transaction
from lambda_handlers.storage.log.ltx import Txid
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.storage.pages import atlas
from lambda_handlers.storage.pages import head as heads
from lambda_handlers.storage.pages.copies import chosen
from lambda_handlers.storage.pages.head import Head, HeadFile
from lambda_handlers.storage.pages.opening import WHOLE_CHAIN_BYTES
from lambda_handlers.storage.pages.page_map import MAP_WORTH_BYTES, PageMap
from lambda_handlers.storage.pages.stored_page_map import Mapper
from lambda_handlers.storage.upkeep.merge import Merge
from lambda_handlers.store.protocol import AlreadyExists, NotFound, ObjectStore, PreconditionFailed, Unavailable
from lambda_handlers.wire import SldbError

MAX_FILES_ABOVE_BASE = 4
WORTH_MERGING_BYTES = 64 << 10  # new since the last merge; fewer bytes wait until a merge is due by time
PAST_WORTH_MAPPING_BYTES = 64 << 20  # of a file that is in no chain to the newest state; a smaller one is soon read
EMPTY_FILE_BYTES = 200  # a file of no page has fewer
_NEVER = 0.0  # the time of a head that claims nothing: its reader lists


@dataclass(slots=True)
class Work:
    """The work of one pass on one database."""

    txid: Txid
    merged: int = 0  # files made by merging
    snapshot: Txid | None = None
    mapped: int = 0  # page maps made
    bytes_written: int = 0
    files: tuple[HeadFile, ...] = field(default=())  # the chain afterwards

    @property
    def is_complete(self) -> bool:
        """True if the chain is as short as a pass makes it, and all of it is mapped."""
        is_short = len(self.files) <= 1 + MAX_FILES_ABOVE_BASE
        return is_short and all(file.is_mapped or file.size <= MAP_WORTH_BYTES for file in self.files)

    @property
    def log_length(self) -> int:
        """The files of single transactions in the chain, which no merge has taken yet."""
        return sum(file.name.level == 0 for file in self.files)


class Compactor:
    """The compaction of one database. `deadline`: unix seconds, the limit for mapping large files; `seen_maps`: the
    files with a page map that was checked and found good, extended by this pass."""

    def __init__(
        self,
        store: ObjectStore,
        database: str,
        host: Host,
        deadline: float = float("inf"),
        seen_maps: set[LtxName] | None = None,
    ) -> None:
        self._store = store
        self._database = database
        self._host = host
        self._deadline = deadline
        self._seen_maps = set() if seen_maps is None else seen_maps
        self._mapper = Mapper(store, database, host)
        self._made: set[LtxName] = set()

    def run(self, files: Mapping[LtxName, HeadFile], known_at: float, is_due: bool, wants_snapshot: bool) -> Work:
        """Compact `files`, the result of a LIST that began at `known_at` (unix seconds). `is_due`: merge even a little;
        `wants_snapshot`: retention has files to remove as soon as there is a snapshot. Raises StoreError, or SldbError
        `corrupt` for a chain with a gap or a damaged file: nothing is made of those."""
        there = dict(files)
        plan = chain.plan(there)
        self._check_gap(plan)
        work = Work(plan.reach)
        if not plan.files:
            return work
        base, *above = plan.files
        if above and (self._outweighed(there, base, above) or wants_snapshot or self._was_dropped(there[above[-1]])):
            self._make(plan.files, snapshot(plan.reach), there, work)
            work.snapshot = plan.reach
        elif len(above) > MAX_FILES_ABOVE_BASE and (is_due or _new_bytes(there, above) >= WORTH_MERGING_BYTES):
            for run in cheapest_runs([there[name].size for name in above], MAX_FILES_ABOVE_BASE):
                merged = above[run[0] : run[1]]
                if len(merged) > 1:
                    target = LtxName(MERGE_LEVEL, merged[0].min_txid, merged[-1].max_txid)
                    self._make(merged, target, there, work)
                    work.merged += 1
        work.files = tuple(self._mapped(there[name], work) for name in chain.plan(there).files)
        seen, etag = heads.read(self._store, self._database)
        work.files = self._with_atlas(work.files, seen, work)
        if self._are_sized(work.files, seen):
            self._put_head(work, known_at, seen, etag)
        return work

    def _are_sized(self, files: Iterable[HeadFile], seen: Head | None) -> bool:
        """Return True if a checksum covers the size of each file: a head would pass on the size in a damaged answer.
        Files made by this pass have the sizes known from their making."""
        known = {(file.name, file.size) for file in seen.files} if seen else set()
        doubtful = [file for file in files if file.name not in self._made and (file.name, file.size) not in known]
        return all(self._is_sized(file) for file in doubtful)

    def _is_sized(self, file: HeadFile) -> bool:
        if file.size > MAP_WORTH_BYTES:
            return self._mapper.look(file).page_map is not None
        try:
            verification.verify(self._store, self._database, file.name, file.size)
        except SldbError:  # a reader of a damaged file gets its error; without a head it lists first
            return False
        return True

    def _check_gap(self, plan: chain.Plan) -> None:
        # It may be a transaction that came while the LIST was under way; then the next pass finds it.
        if plan.reach < plan.newest and not self._has_next(plan.reach):
            missing = transaction(plan.reach + 1).key(self._database)
            ltx.corrupt(missing, "transaction", "no object", f"one, because there is a transaction {plan.newest}")

    @staticmethod
    def _outweighed(there: Mapping[LtxName, HeadFile], base: LtxName, above: Iterable[LtxName]) -> bool:
        return sum(there[name].size for name in above) >= there[base].size

    def _was_dropped(self, newest: HeadFile) -> bool:
        if newest.size > EMPTY_FILE_BYTES:
            return False
        return file_header.read(self._store, newest.name.key(self._database), newest.size).commit == 0

    def _make(self, names: Sequence[LtxName], target: LtxName, there: dict[LtxName, HeadFile], work: Work) -> None:
        """Create one file out of several, unless another pass has."""
        node_id = int.from_bytes(self._host.entropy(8), "big")
        merge = Merge(self._store, self._database, names, target, node_id)
        key = target.key(self._database)
        try:
            self._store.create_from(key, merge.pieces())
        except (AlreadyExists, Unavailable):
            # Perhaps ours after all: then all of it is there, because an object appears complete. Its owner matters
            # only to the page map, which is about its bytes: leave that to the next pass.
            there[target] = HeadFile(target, self._store.size(key), is_mapped=False)
            return
        layer = merge.layer
        work.bytes_written += layer.map.file_bytes
        if layer.is_mapped:
            work.bytes_written += self._put_map(target, layer.map)
        there[target] = HeadFile(target, layer.map.file_bytes, layer.is_mapped)
        self._made.add(target)

    def map_others(self, files: Iterable[HeadFile], work: Work) -> None:
        """Make the page maps of large files that only past moments need."""
        for file in sorted(files, key=lambda file: file.name.max_txid, reverse=True):
            if file.size >= PAST_WORTH_MAPPING_BYTES and self._host.now() < self._deadline:
                self._mapped(file, work)

    def _mapped(self, file: HeadFile, work: Work) -> HeadFile:
        """Make a missing page map of a large file, or replace a damaged one. The file is read completely and compared
        with its checksum; without enough time for that, the next pass continues."""
        if file.size <= MAP_WORTH_BYTES or file.name in self._seen_maps:
            return file
        found = self._mapper.look(file)
        made = found.page_map or self._mapper.resume(file, self._deadline)
        if made is None:
            return replace(file, is_mapped=False)
        for key in found.damaged:
            self._store.delete(key)
        if found.key != file.name.page_map_key(self._database):
            work.bytes_written += self._put_map(file.name, made)
        if found.page_map is None:
            self._mapper.forget_progress(file)
            work.mapped += 1
        self._seen_maps.add(file.name)
        return replace(file, is_mapped=True)

    def _put_map(self, name: LtxName, made: PageMap) -> int:
        """Store a page map and return the number of bytes written."""
        written = self._mapper.put(made, name, name.page_map_key(self._database))
        if written:
            self._seen_maps.add(name)
        return written

    def _with_atlas(self, files: tuple[HeadFile, ...], seen: Head | None, work: Work) -> tuple[HeadFile, ...]:
        """Return the files with their presence in the atlas updated; write an atlas with all of them if that is worth
        its cost."""
        known = {file.name for file in seen.files if file.in_atlas} if seen else set()
        files = tuple(replace(file, in_atlas=file.name in known) for file in files)
        lacking = sum(file.size for file in files if not file.in_atlas)
        is_small = sum(file.size for file in files) <= WHOLE_CHAIN_BYTES  # then a reader wants the files themselves
        if is_small or len(files) == 1 or not lacking or lacking < self._mapped_bytes(files):
            return files
        if any(file.size > MAP_WORTH_BYTES and not file.is_mapped for file in files):  # it is still being mapped
            return files
        body = atlas.encode({file.name: self._encoded_map(file) for file in files}, self._database)
        atlas.put(self._store, self._database, body)
        work.bytes_written += len(body)
        return tuple(replace(file, in_atlas=True) for file in files)

    def _mapped_bytes(self, files: Iterable[HeadFile]) -> int:
        """Return the bytes of the page maps: about the size of their atlas."""
        return sum(self._store.size(file.name.page_map_key(self._database)) for file in files if file.is_mapped)

    def _encoded_map(self, file: HeadFile) -> bytes:
        if file.is_mapped and (found := self._mapper.look(file).page_map) is not None:
            return found.encode()
        return self._mapper.make(file)[0].encode()

    def _put_head(self, work: Work, known_at: float, seen: Head | None, etag: str | None) -> None:
        if seen is not None and (seen.txid, seen.folds_from, seen.files) == (work.txid, work.txid, work.files):
            return  # it says the same, and a reader that finds it old lists
        if seen is not None and seen.txid > work.txid:
            # Writers went on meanwhile. What they know is newer, what was merged here is shorter.
            names = {file.name: file for file in (*seen.files, *work.files)}
            plan = chain.plan(names)
            if plan.reach != seen.txid:
                return
            head = Head(seen.txid, seen.checked_at, work.txid, tuple(names[name] for name in plan.files))
        elif not self._has_next(work.txid):
            head = Head(work.txid, known_at, work.txid, work.files)
        elif seen is not None:  # it came since the LIST, or that has hidden it: then the LIST proves nothing
            head = Head(work.txid, _NEVER, work.txid, work.files)
        else:
            return  # a newer head may be there, and its answer damaged
        head = replace(head, copies=chosen(head.files, self._copies(head.files, seen)))
        try:
            work.bytes_written += len(head.encode(self._database))
            heads.advance(self._store, self._database, head, etag)
        except (AlreadyExists, PreconditionFailed, NotFound):
            return  # a writer was faster; the next pass does it

    def _has_next(self, txid: Txid) -> bool:
        """Return True if there is a next transaction: a damaged LIST may hide it, a request by its key does not."""
        try:
            self._store.size(transaction(txid + 1).key(self._database))
        except NotFound:
            return False
        return True

    def _copies(self, files: Iterable[HeadFile], seen: Head | None) -> dict[LtxName, bytes]:
        """Return the copies of the last head and, read for the next one, the other small files."""
        bodies = dict(seen.copies) if seen else {}
        for file in files:
            if file.size <= MAP_WORTH_BYTES and not file.in_atlas and file.name not in bodies:
                key = file.name.key(self._database)
                body = self._store.get(key)
                with suppress(SldbError):  # its reader gets the error of a damaged file
                    for _ in Decoder([body], key).frames():
                        pass
                    bodies[file.name] = body
        return bodies


def _new_bytes(there: Mapping[LtxName, HeadFile], above: Iterable[LtxName]) -> int:
    return sum(there[name].size for name in above if name.level < MERGE_LEVEL)


def cheapest_runs(sizes: Sequence[int], most: int) -> list[tuple[int, int]]:
    """Group neighbours into at most `most` runs (first, end) with few bytes to write: the lightest pair of neighbours
    is joined until few enough are left."""
    runs = [(at, at + 1) for at in range(len(sizes))]
    weights = list(sizes)
    while len(runs) > most:
        at = min(range(len(runs) - 1), key=lambda at: weights[at] + weights[at + 1])
        runs[at : at + 2] = [(runs[at][0], runs[at + 1][1])]
        weights[at : at + 2] = [weights[at] + weights[at + 1]]
    return runs
