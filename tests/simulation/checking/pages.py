"""The pages of a database as its log makes them, one transaction after the other."""

from __future__ import annotations

from lambda_handlers.storage.log.keys import LtxName
from lambda_handlers.storage.log.ltx import Header
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.wire import SldbError


class Image:
    """The pages; empty at first."""

    def __init__(self) -> None:
        self._pages: dict[int, bytes] = {}
        self._changed_by: dict[int, int] = {}  # page number → the last transaction that wrote it
        self._header: Header | None = None

    def apply(self, body: bytes, key: str) -> Header:
        header, pages = _decoded(body, key)
        if self._header is not None and header.page_size != self._header.page_size:
            self._pages.clear()
        for pgno, page in pages.items():
            self._pages[pgno] = page
            self._changed_by[pgno] = header.max_txid
        for pgno in [pgno for pgno in self._pages if pgno > header.commit]:
            del self._pages[pgno]
        self._header = header
        return header

    def file(self) -> bytes:
        """Return the database file; empty without a page."""
        if self._header is None or not self._header.commit:
            return b""
        blank = bytes(self._header.page_size)
        return b"".join(self._pages.get(pgno, blank) for pgno in range(1, self._header.commit + 1))

    def differs(self, body: bytes, name: LtxName) -> str:
        """Describe the fault of a compacted file that ends here; empty if there is none."""
        assert self._header is not None
        try:
            header, pages = _decoded(body, str(name))
        except SldbError as error:
            return f"it cannot be read: {error}"
        if (header.min_txid, header.max_txid) != (name.min_txid, name.max_txid):
            return f"it says that it holds {header.min_txid} to {header.max_txid}"
        if (header.commit, header.page_size) != (self._header.commit, self._header.page_size):
            return f"it has {header.commit} pages, want {self._header.commit}"
        wrong = [pgno for pgno, page in pages.items() if self._pages.get(pgno) != page]
        missing = [p for p in self._pages if self._changed_by[p] >= name.min_txid and p not in pages]
        if wrong or missing:
            return f"pages {wrong} are not as of {name.max_txid}, pages {missing} are missing"
        return ""


def _decoded(body: bytes, key: str) -> tuple[Header, dict[int, bytes]]:
    decoder = Decoder([body], key)
    return decoder.header, dict(decoder.pages())
