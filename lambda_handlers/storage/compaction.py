"""Fewer files for the same history: what a maintenance pass makes of one database's log.

After a pass at most four files follow the base, which is the snapshot or whatever else begins the chain. Neighbours are
merged for that, the cheapest first. A new snapshot is made when the files above the base weigh as much as it does, so
that what is written again stays in proportion to what was written; when the database was dropped; and when retention
waits for one. Page maps that are missing are made, the atlas is put when what it lacks weighs as much as it does, and
the head.

Nothing is deleted here (retention), nothing is written over, and no order of events can harm: every file is made by a
conditional create from files that stay where they are, and means the same whoever makes it and when. A pass that ends
anywhere leaves files that are right, and the next one goes on. Two passes at once do work twice.

Write amplification is measured by benchmarks/amplification.py; figures in docs/storage.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from lambda_handlers.host import Host
from lambda_handlers.object_store import AlreadyExists, NotFound, ObjectStore, PreconditionFailed, Unavailable
from lambda_handlers.storage import atlas, chain, ltx
from lambda_handlers.storage import head as heads
from lambda_handlers.storage.head import Head, HeadFile
from lambda_handlers.storage.keys import MERGE_LEVEL, LtxName, snapshot
from lambda_handlers.storage.ltx import Decoder, Header, Txid
from lambda_handlers.storage.merge import Merge
from lambda_handlers.storage.opening import WHOLE_CHAIN_BYTES
from lambda_handlers.storage.page_map import MAP_WORTH_BYTES, PageMap, PageMapBuilder

MOST_FILES_ABOVE_BASE = 4
WORTH_MERGING_BYTES = 64 << 10  # new since the last merge; less waits until a merge is due by time
_EMPTY_FILE_BYTES = 200  # a file of no page has fewer


@dataclass(slots=True)
class Work:
    """What a pass did to one database."""

    txid: Txid
    merged: int = 0  # files made by merging
    snapshot: Txid | None = None
    mapped: int = 0  # page maps made
    bytes_written: int = 0
    files: tuple[HeadFile, ...] = field(default=())  # the chain afterwards


class Compactor:
    def __init__(self, store: ObjectStore, database: str, host: Host) -> None:
        self._store = store
        self._database = database
        self._host = host

    def run(self, files: Mapping[LtxName, HeadFile], known_at: float, is_due: bool, wants_snapshot: bool) -> Work:
        """`files`: what a LIST found that began at `known_at` (unix seconds). `is_due`: merge even if it is little;
        `wants_snapshot`: retention has files to remove as soon as there is one. Raises StoreError, or SldbError
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
        elif len(above) > MOST_FILES_ABOVE_BASE and (is_due or _new_bytes(there, above) >= WORTH_MERGING_BYTES):
            for run in cheapest_runs([there[name].size for name in above], MOST_FILES_ABOVE_BASE):
                merged = above[run[0] : run[1]]
                if len(merged) > 1:
                    target = LtxName(MERGE_LEVEL, merged[0].min_txid, merged[-1].max_txid)
                    self._make(merged, target, there, work)
                    work.merged += 1
        work.files = tuple(self._mapped(there[name], work) for name in chain.plan(there).files)
        seen, etag = heads.read(self._store, self._database)
        work.files = self._bound(work.files, seen, work)
        self._put_head(work, known_at, seen, etag)
        return work

    def _check_gap(self, plan: chain.Plan) -> None:
        if plan.reach < plan.newest:
            # It may be a transaction that came while the LIST was under way; then the next pass finds it.
            missing = LtxName(0, plan.reach + 1, plan.reach + 1).key(self._database)
            try:
                self._store.size(missing)
            except NotFound:
                ltx.corrupt(missing, "transaction", "no object", f"one, because there is a transaction {plan.newest}")

    @staticmethod
    def _outweighed(there: Mapping[LtxName, HeadFile], base: LtxName, above: Iterable[LtxName]) -> bool:
        return sum(there[name].size for name in above) >= there[base].size

    def _was_dropped(self, newest: HeadFile) -> bool:
        if newest.size > _EMPTY_FILE_BYTES:
            return False
        key = newest.name.key(self._database)
        return Header.decode(self._store.get_range(key, 0, ltx.HEADER_BYTES), key).commit == 0

    def _make(self, names: Sequence[LtxName], target: LtxName, there: dict[LtxName, HeadFile], work: Work) -> None:
        """Create one file out of several, unless somebody else has."""
        node_id = int.from_bytes(self._host.entropy(8), "big")
        merge = Merge(self._store, self._database, names, target, node_id)
        key = target.key(self._database)
        try:
            self._store.create_from(key, merge.pieces())
        except (AlreadyExists, Unavailable):
            # Perhaps ours after all: then all of it is there, for an object comes to be whole. Whose it is matters
            # only to the page map, which is about its bytes: leave that to the next pass.
            there[target] = HeadFile(target, self._store.size(key), is_mapped=False)
            return
        layer = merge.layer
        work.bytes_written += layer.map.file_bytes
        if layer.is_mapped:
            work.bytes_written += self._put_map(target, layer.map.encode())
        there[target] = HeadFile(target, layer.map.file_bytes, layer.is_mapped)

    def _mapped(self, file: HeadFile, work: Work) -> HeadFile:
        """Make the page map that a large file lacks. All of the file is read and compared with its checksum for it."""
        if file.is_mapped or file.size <= MAP_WORTH_BYTES:
            return file
        work.bytes_written += self._put_map(file.name, self._map(file.name).encode())
        work.mapped += 1
        return HeadFile(file.name, file.size, is_mapped=True)

    def _map(self, name: LtxName) -> PageMap:
        key = name.key(self._database)
        decoder = Decoder(self._store.chunks(key), key)
        builder = PageMapBuilder(decoder.header)
        for frame in decoder.frames():
            builder.add(frame)
        return builder.build(decoder.length)

    def _put_map(self, name: LtxName, body: bytes) -> int:
        """Bytes written. A map that is there already is about the same file, or it does not decode and is ignored."""
        try:
            self._store.create(name.page_map_key(self._database), body)
        except AlreadyExists:
            return 0
        return len(body)

    def _bound(self, files: tuple[HeadFile, ...], seen: Head | None, work: Work) -> tuple[HeadFile, ...]:
        """The files with what the atlas has of them; puts one that has all of them, where that pays."""
        known = {file.name for file in seen.files if file.in_atlas} if seen else set()
        files = tuple(replace(file, in_atlas=file.name in known) for file in files)
        lacking = sum(file.size for file in files if not file.in_atlas)
        is_small = sum(file.size for file in files) <= WHOLE_CHAIN_BYTES  # then a reader wants the files themselves
        if is_small or len(files) == 1 or not lacking or lacking < self._mapped_bytes(files):
            return files
        body = atlas.encode({file.name: self._encoded_map(file) for file in files})
        atlas.put(self._store, self._database, body)
        work.bytes_written += len(body)
        return tuple(replace(file, in_atlas=True) for file in files)

    def _mapped_bytes(self, files: Iterable[HeadFile]) -> int:
        """Of page maps, about what an atlas of them weighs."""
        return sum(self._store.size(file.name.page_map_key(self._database)) for file in files if file.is_mapped)

    def _encoded_map(self, file: HeadFile) -> bytes:
        if not file.is_mapped:
            return self._map(file.name).encode()
        return self._store.get(file.name.page_map_key(self._database))

    def _put_head(self, work: Work, known_at: float, seen: Head | None, etag: str | None) -> None:
        if seen is not None and seen.txid > work.txid:
            # Writers went on meanwhile. What they know is newer, what was merged here is shorter.
            names = {file.name: file for file in (*seen.files, *work.files)}
            plan = chain.plan(names)
            if plan.reach != seen.txid:
                return
            head = Head(seen.txid, seen.checked_at, work.txid, tuple(names[name] for name in plan.files))
        else:
            head = Head(work.txid, known_at, work.txid, work.files)
        try:
            work.bytes_written += len(head.encode(self._database))
            heads.advance(self._store, self._database, head, etag)
        except (AlreadyExists, PreconditionFailed, NotFound):
            return  # a writer was faster; the next pass does it


def _new_bytes(there: Mapping[LtxName, HeadFile], above: Iterable[LtxName]) -> int:
    return sum(there[name].size for name in above if name.level < MERGE_LEVEL)


def cheapest_runs(sizes: Sequence[int], most: int) -> list[tuple[int, int]]:
    """Group neighbours into at most `most` runs (first, end), so that little is written: the pair of neighbours that
    weighs least becomes one, until few enough are left."""
    runs = [(at, at + 1) for at in range(len(sizes))]
    weights = list(sizes)
    while len(runs) > most:
        at = min(range(len(runs) - 1), key=lambda at: weights[at] + weights[at + 1])
        runs[at : at + 2] = [(runs[at][0], runs[at + 1][1])]
        weights[at : at + 2] = [weights[at] + weights[at + 1]]
    return runs


def is_base(name: LtxName) -> bool:
    """Whether a chain can begin with the file."""
    return name.min_txid == 1
