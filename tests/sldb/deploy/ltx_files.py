"""LTX files as the server writes them."""

from __future__ import annotations

from pathlib import Path

from lambda_handlers.storage.keys import LtxName
from lambda_handlers.storage.ltx import Header, encode

PAGE_SIZE = 4096


def write(root: Path, database: str, name: LtxName, pages: int) -> None:
    """A file as the server writes it."""
    path = root / name.key(database)
    path.parent.mkdir(parents=True, exist_ok=True)
    header = Header(
        page_size=PAGE_SIZE,
        commit=pages,
        min_txid=name.min_txid,
        max_txid=name.max_txid,
        timestamp_ms=1_700_000_000_500,
        node_id=7,
    )
    path.write_bytes(encode(header, [(pgno, bytes(PAGE_SIZE)) for pgno in range(1, pages + 1)]))  # type: ignore[misc]  # Pgno
