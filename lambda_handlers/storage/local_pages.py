"""The local pages: a copy of one database at one txid, made of the files of its log.

It knows the file of every page (`layers`), keeps some pages in a local cache, and fetches the others when they are read
(`fetch`). The pages of a file count only after all of the file has been read. They are disposable (rule 7 of
`replica`): after an error in the middle of applying a file all of them are forgotten.

The files to apply, and their order, come from `log_follower`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType

from lambda_handlers.shared.dataclasses import replace
from lambda_handlers.storage.freshness import Freshness
from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.keys import LtxName, database_prefix, transaction
from lambda_handlers.storage.log.ltx import Pgno, Txid
from lambda_handlers.storage.pages.btree import GUIDE_KINDS
from lambda_handlers.storage.pages.copies import Copies
from lambda_handlers.storage.pages.fetch import Fetcher
from lambda_handlers.storage.pages.head import HeadFile
from lambda_handlers.storage.pages.layers import Layer, Layers
from lambda_handlers.storage.pages.opening import Opened, Opener
from lambda_handlers.storage.pages.page_cache import PageCache
from lambda_handlers.storage.time_limit import NO_LIMIT, TimeLimit
from lambda_handlers.store.errors import store_error
from lambda_handlers.store.protocol import NotFound, StoreError
from lambda_handlers.wire import SldbError

MAX_FILES = 512  # of a chain that a warm copy has followed; then it opens the same state again, from fewer


class Gone(Exception):
    """A file was removed after the copy was opened: retention took it, and other files hold its pages. The copy must be
    refreshed; then the read may be repeated."""


class LocalPages:
    """The pages of one database. `txid` 0 is the empty database, before its first transaction."""

    def __init__(
        self,
        opener: Opener,
        cache: PageCache,
    ) -> None:
        self.database = opener.database
        self.freshness = Freshness()
        self.files: dict[LtxName, HeadFile] = {}  # the chain that the copy is made of, as a head describes it
        self.copies = Copies()  # for the next head that is put
        self._opener = opener
        self._cache = cache
        self.forget()

    def forget(self) -> None:
        """Drop all pages, and return to the empty database."""
        self._cache.forget()
        self._set_layers(Layers())
        self.files.clear()
        self.copies.clear()
        self.freshness.reset()
        self.txid: Txid = 0
        self.page_size = 0  # bytes; 0 while there is no page
        self.timestamp_ms = 0  # of transaction `txid`
        self.unchanged_since: Txid = 0  # the oldest transaction that is known to have the same content
        self.may_be_announced = False  # the newest transaction may be an announcement
        self._must_reopen = False
        self._reopen_at = MAX_FILES

    def _set_layers(self, layers: Layers) -> None:
        self.layers = layers
        opener = self._opener
        self._fetcher = Fetcher(opener.store, opener.database, opener.host, layers, self._cache)

    def close(self) -> None:
        """Remove the local file."""
        self._cache.close()

    @property
    def page_count(self) -> int:
        """The number of pages of the database."""
        return self.layers.page_count

    @property
    def cached_bytes(self) -> int:
        """The size of the local file."""
        return self._cache.size_bytes

    @property
    def must_reopen(self) -> bool:
        """True if a file of the chain is gone or looks damaged."""
        return self._must_reopen

    @property
    def wants_reopening(self) -> bool:
        """True if the same state should be opened again, from other or fewer files."""
        return self._must_reopen or len(self.files) > self._reopen_at

    # Reading

    def read(self, pgno: Pgno, limit: TimeLimit = NO_LIMIT) -> bytes:
        """Return one page. The limit is checked before a wait for the store and during it, and may raise.

        Raises Gone, or SldbError `store_error`, `corrupt` or `too_large`."""
        page = self._cache.read(pgno)
        if page is None:
            limit.check()
            page = self._fetch(pgno, limit)
        if page[0] in GUIDE_KINDS:  # page 1 begins with the header: its children, the schema, are few
            self._fetcher.note(pgno, page)
        return page

    def _fetch(self, pgno: Pgno, limit: TimeLimit) -> bytes:
        layer = self.layers.holder(pgno)
        if layer is None:
            raise LookupError(f"page {pgno} of {self.database} is in no file: it has {self.page_count} pages")
        try:
            return self._fetcher.read(pgno, layer, limit.check)
        except NotFound as error:
            self._must_reopen = True
            raise Gone(str(error)) from error
        except StoreError as error:
            raise store_error(error) from error
        except OSError as error:
            self.forget()
            raise self._does_not_fit(error) from error
        except SldbError as error:
            # The page map in memory may be the damaged one. An error of the limit shows nothing about it.
            self._must_reopen = self._must_reopen or error.code == "corrupt"
            raise

    def cancel_prefetch(self) -> None:
        """Forget the pages in flight for a request that is over."""
        self._fetcher.cancel_prefetch()

    # Applying files

    def apply(
        self,
        files: Sequence[HeadFile],
        deadline: float = float("inf"),
        copies: Mapping[LtxName, bytes] = MappingProxyType({}),
    ) -> None:
        """Put the files on top of the copy, in this order. `copies`: of files and page maps at hand. Raises NotMapped
        if a file without page map cannot be read until `deadline` (unix seconds), StoreError, or SldbError; after any
        of them the copy is empty."""

        def push_all() -> None:
            for opened in self._opener.open(files, self.put, deadline, copies):
                self._push_layer(opened)
            self._check_complete()

        self._all_or_nothing(push_all)

    def apply_body(self, name: LtxName, body: bytes) -> None:
        """Put one file on top, with its whole body at hand. Raises as `apply` does."""
        self._all_or_nothing(lambda: self._push_layer(self._opener.opened(name, body, self.put)))

    def reopen(self, files: Sequence[HeadFile], deadline: float) -> None:
        """Rebuild the same state from other files. The pages in the cache remain."""
        layers = Layers()
        for opened in self._opener.open(files, lambda _pgno, _page: None, deadline):
            layers.add(opened.layer)
        self._must_reopen = False
        self._set_layers(layers)
        self.files.clear()
        self.files.update((layer.name, head_file(layer)) for layer in layers)
        self._reopen_at = max(MAX_FILES, 2 * len(files))
        self._all_or_nothing(self._check_complete)

    def adopt(self, layer: Layer, pages: Iterable[tuple[Pgno, bytes]] | None, copy: bytes | None = None) -> bool:
        """Bring the copy to a transaction that was just committed; `pages`: to keep in the cache; `copy`: its file, if
        that is small. Returns False if that
        failed: the transaction stays, and the next request opens the database again."""
        try:
            for pgno, page in pages or ():
                self.put(pgno, page)
            self._push_layer(Opened(layer, is_read=pages is not None, copy=copy))
        except (OSError, MemoryError):
            self.forget()
            return False
        except BaseException:
            self.forget()
            raise
        return True

    def put(self, pgno: Pgno, page: bytes) -> None:
        """Write a page into the cache."""
        self._set_page_size(len(page))
        self._cache.write(pgno, page)

    def _all_or_nothing(self, action: Callable[[], None]) -> None:
        """Run `action`, and forget the copy if it fails: pages count only after all of their file has been read."""
        try:
            action()
        except OSError as error:
            self.forget()
            raise self._does_not_fit(error) from error
        except BaseException:
            self.forget()
            raise

    def _set_page_size(self, page_size: int) -> None:
        """Empty the cache if the size differs: a file of every page may give the database another page size."""
        if self._cache.page_size != page_size:
            self._cache.forget()
            self._cache.page_size = page_size

    def _push_layer(self, opened: Opened) -> None:
        """Put a file on top of the others; no older version of its pages may stay in the cache."""
        name, found = opened.layer.name, opened.layer.map
        is_idle = name == transaction(self.txid + 1) and not found.page_count and found.commit == self.page_count
        if self.page_size not in (0, found.page_size):
            if not found.is_whole:
                ltx.corrupt(name.key(self.database), "page size", found.page_size, self.page_size)
            self._set_layers(Layers())
        self._set_page_size(found.page_size)
        self.page_size = found.page_size
        if not opened.is_read:
            if len(self._cache):
                for pgno in found.pages():
                    self._cache.drop(pgno)
            for pgno, page in found.carried:
                self._cache.write(pgno, page)
        self._cache.truncate(found.commit)
        self.layers.add(replace(opened.layer, map=replace(found, carried=())))
        self.files[name] = head_file(opened.layer)
        self.copies.note(name, opened.copy)
        if not is_idle:
            self.unchanged_since = name.max_txid
        self.may_be_announced = is_idle or name.level > 0  # a merged file does not show whether it is
        self.txid, self.timestamp_ms = name.max_txid, found.timestamp_ms

    def _check_complete(self) -> None:
        missing = self.layers.first_missing(self.page_size) if self.page_size else None
        if missing is not None:
            prefix, txid = database_prefix(self.database), self.txid
            ltx.corrupt(prefix, f"page {missing} as of transaction {txid}", "in no file of the chain", "a page")

    def _does_not_fit(self, error: OSError) -> SldbError:
        return SldbError(
            "too_large",
            f"the local cache cannot take what the request needs of database {self.database}: {error}",
            "give the function more ephemeral storage: sldb deploy --ephemeral-storage MB",
            applied="no",
        )


def head_file(layer: Layer) -> HeadFile:
    """Return the entry of a file in a head."""
    return HeadFile(layer.name, layer.map.file_bytes, layer.is_mapped, layer.in_atlas)
