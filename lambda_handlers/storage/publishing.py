"""Publishing: folds, page maps, the head and work items, written after a commit for later readers and maintenance.

None of it is part of the transaction. It is written once the transaction is in the store, and no reply waits for it.
Without it a reader needs more requests, so a failure is reported to `warn` and changes nothing else.

What is written is about the copy as the commit has left it. So it is finished before the copy changes again.

A head comes with the first transaction, every third one, every fold, and every transaction with a page map. So a cold
reader knows how many transactions may come after it, and requests them together with its files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeAlias

from lambda_handlers.host import Call, Host
from lambda_handlers.shared.dataclasses import dataclass, replace
from lambda_handlers.storage.commit import STREAM_BYTES, Encoding
from lambda_handlers.storage.folding import UNIT, fold_after
from lambda_handlers.storage.local_pages import LocalPages
from lambda_handlers.storage.log import chain
from lambda_handlers.storage.log.keys import FOLD_LEVEL, SNAPSHOT_LEVEL, LtxName
from lambda_handlers.storage.log.ltx import Header, Marks, Txid, lock_page
from lambda_handlers.storage.pages import head as heads
from lambda_handlers.storage.pages.head import Head, HeadFile
from lambda_handlers.storage.pages.layers import Layer, Layers
from lambda_handlers.storage.pages.opening import Warn
from lambda_handlers.storage.pages.page_map import MAP_WORTH_BYTES
from lambda_handlers.storage.pages.page_map_binding import bind
from lambda_handlers.store.protocol import AlreadyExists, NotFound, ObjectStore, PreconditionFailed, StoreError

Later: TypeAlias = Callable[[Callable[[], None]], object]  # has work done, at once or after the reply

HEAD_EVERY = 3  # transactions
MAX_FOLDED_BYTES = 256 << 10  # a larger transaction is maintenance's to merge


def at_once(work: Callable[[], None]) -> None:
    work()


@dataclass(frozen=True, slots=True)
class _Fold:
    layer: Layer
    body: bytes


class Publisher:
    """The publisher of one replica, whose local pages are `pages`."""

    def __init__(self, store: ObjectStore, host: Host, warn: Warn, pages: LocalPages, later: Later = at_once) -> None:
        self._store = store
        self._database = pages.database
        self._host = host
        self._warn = warn
        self._pages = pages
        self._later = later
        self._left: Callable[[], None] | None = None  # to do for the newest commit
        self._head: Head | None = None  # as it was last seen, with its ETag
        self._etag: str | None = None

    def read_head(self) -> Head | None:
        """Read the head, and remember it for the next one to put. Raises StoreError."""
        self._head, self._etag = heads.read(self._store, self._database)
        return self._head

    def publish_later(self, committed: Layer, header: Header, known_at: float) -> None:
        """Have the files written that are due after a commit, if there are any. `known_at`: unix seconds, before the
        commit was sent."""
        txid = header.max_txid
        is_due = self._is_head_due(txid) or self._fold_after(txid) is not None or _is_large(committed)
        if is_due or self._is_old(txid, UNIT):  # a pass may have moved the beginning of folds
            self._left = partial(self._publish, committed, header, known_at)
            self._later(self.finish)

    def finish(self) -> None:
        """Write what is left to write for the newest commit. To be called before the copy changes."""
        left, self._left = self._left, None
        if left is not None:
            left()

    def _publish(self, committed: Layer, header: Header, known_at: float) -> None:
        try:
            fold = self._write_due(committed, header, known_at)
        except Exception as error:  # noqa: BLE001 - also a bug: the transaction is committed, and another request runs
            self._warn("fold", error)
        else:
            if fold is not None:
                self._pages.layers.add(fold)

    def _write_due(self, committed: Layer, header: Header, known_at: float) -> Layer | None:
        """Return the fold, if one was made: a layer in place of the folded ones.

        A page map and a head come after the fold: the map can only be about our own, and the head has a copy of it, so
        its reader would not notice a missing fold."""
        self._look_at_head(header.max_txid)
        after, is_large = self._fold_after(header.max_txid), _is_large(committed)
        has_work = after is not None or is_large
        if not has_work and not self._is_head_due(header.max_txid):
            return None
        calls = [self._host.start(partial(self._put_work_item, header.max_txid))] if has_work else []
        if is_large:
            calls.append(self._put_page_map(committed))
        fold = None if after is None else self._fold(header, after)
        if fold is not None and not self._create(fold):
            fold = None
        if fold is not None:
            self._pages.copies.note(fold.layer.name, fold.body)
            if _is_large(fold.layer):
                calls.append(self._put_page_map(fold.layer))
        for layer in (committed, *((fold.layer,) if fold else ())):
            self._pages.files[layer.name] = HeadFile(layer.name, layer.map.file_bytes, is_mapped=_is_large(layer))
        self._advance(header.max_txid, known_at)
        for call in calls:
            call.result()
        return fold.layer if fold else None

    def _look_at_head(self, txid: Txid) -> None:
        """Read the head again if a newer one is due: it has the beginning of folds, and its ETag saves a PUT."""
        if self._is_old(txid, HEAD_EVERY):
            try:
                self.read_head()
            except StoreError as error:
                self._warn("head", error)

    def _is_old(self, txid: Txid, after: int) -> bool:
        return (self._head.txid if self._head else 0) < txid - after

    @staticmethod
    def _is_head_due(txid: Txid) -> bool:
        """Return True for the same transactions to each writer, whatever it knows of the last pass."""
        return txid == 1 or txid % HEAD_EVERY == 0

    def _fold_after(self, txid: Txid) -> Txid | None:
        """Return the transaction before the fold that is due. A drop is folded with all before it, into a snapshot: no
        reader needs the files from before it."""
        return fold_after(txid, self._folds_from) if self._pages.page_count else 0

    @property
    def _folds_from(self) -> Txid:
        return self._head.folds_from if self._head else 0

    def _fold(self, header: Header, after: Txid) -> _Fold | None:
        layers = self._pages.layers
        for layer in layers:
            if layer.name.level == 0 and layer.map.file_bytes > MAX_FOLDED_BYTES and header.commit:
                after = max(after, layer.name.max_txid)
        after = _beginning(layers, after)
        pages = layers.changed_since(after)
        if pages is None or after + 1 >= header.max_txid or len(pages) * header.page_size > STREAM_BYTES:
            return None
        node_id = int.from_bytes(self._host.entropy(8), "big")
        skipped = lock_page(header.page_size)
        encoding = Encoding(
            replace(header, min_txid=after + 1, node_id=node_id, marks=Marks()),
            lambda: ((pgno, self._pages.read(pgno)) for pgno in pages if pgno != skipped),
        )
        body = b"".join(encoding.pieces())
        return _Fold(encoding.layer(FOLD_LEVEL if header.commit else SNAPSHOT_LEVEL), body)

    def _create(self, fold: _Fold) -> bool:
        try:
            self._store.create(fold.layer.name.key(self._database), fold.body)
        except StoreError as error:
            # AlreadyExists: another writer's fold of the same transactions, or our own after a lost answer. Either
            # serves a reader, but only one that is known byte by byte may have a page map.
            self._warn("fold", error)
            return False
        return True

    def _put_work_item(self, txid: Txid) -> None:
        from lambda_handlers.storage.log import work_items  # few commits need it

        try:
            work_items.put(self._store, self._database, txid)
        except StoreError as error:
            self._warn("work item", error)

    def _put_page_map(self, layer: Layer) -> Call:
        body = bind(layer.map.encode(), layer.name, self._database)
        self._pages.copies.note(layer.name, body)

        def put() -> None:
            try:
                self._store.create(layer.name.page_map_key(self._database), body)
            except StoreError as error:
                self._warn("page map", error)

        return self._host.start(put)

    def _advance(self, txid: Txid, known_at: float) -> None:
        """Put a head with this writer's knowledge: it has made transaction `txid`, so that there was none after it
        before the commit was sent."""
        for _ in range(2):
            seen = self._head.files if self._head else ()
            names = self._pages.files | {file.name: self._with_own_size(file) for file in seen}
            plan = chain.plan(names)
            if plan.reach != txid:
                return
            files, copies = self._contents([names[name] for name in plan.files])
            self._pages.files.clear()
            self._pages.files.update((file.name, file) for file in files)
            head = Head(txid, known_at, self._folds_from, tuple(files), copies)
            try:
                self._etag = heads.advance(self._store, self._database, head, self._etag)
                self._head = head
                return
            except (AlreadyExists, PreconditionFailed, NotFound):
                if not self._is_behind(txid):
                    return
            except StoreError as error:
                self._warn("head", error)
                return

    def _contents(self, files: Sequence[HeadFile]) -> tuple[Sequence[HeadFile], dict[LtxName, bytes]]:
        """Return the files of a head, marked if the atlas has them, and the copies."""
        from lambda_handlers.storage.pages.atlas_update import with_atlas  # no reader needs it

        seen = self._head.copies if self._head else {}
        try:
            files = with_atlas(self._store, self._database, files, self._pages.copies.of(files, seen))
        except StoreError as error:
            self._warn("atlas", error)
        return files, self._pages.copies.of(files, seen)

    def _with_own_size(self, file: HeadFile) -> HeadFile:
        """Return the file with the size from its reading here. The head knows whether the atlas has the file, the
        writer has read it and knows its size."""
        mine = self._pages.files.get(file.name)
        return replace(file, size=mine.size) if mine else file

    def _is_behind(self, txid: Txid) -> bool:
        """Return True if the head in the store, read again, is older than this transaction."""
        try:
            seen = self.read_head()
        except StoreError as error:
            self._warn("head", error)
            return False
        return seen is None or seen.txid < txid


def _beginning(layers: Layers, after: Txid) -> Txid:
    """Return the start of a fold of the transactions after `after`: earlier if an older fold reaches beyond it. That
    happens after a maintenance pass, which merges up to the newest transaction listed, and not up to the end of a
    fold."""
    for layer in reversed(list(layers)):
        name = layer.name
        if name.level == FOLD_LEVEL and name.min_txid <= after < name.max_txid:
            after = name.min_txid - 1
    return after


def _is_large(layer: Layer) -> bool:
    return layer.map.file_bytes > MAP_WORTH_BYTES
