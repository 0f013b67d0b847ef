"""Requests on databases whose pages have another size than new ones get: imported, or asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.service import Service
from lambda_handlers.settings import Settings
from lambda_handlers.storage.log.ltx import PAGE_SIZES
from tests.fakes.stores.memory import memory_store


@pytest.mark.parametrize("page_size", sorted(PAGE_SIZES))
def test_a_database_keeps_the_size_of_its_pages(tmp_path: Path, page_size: int) -> None:
    """Also through VACUUM, which takes a PRAGMA page_size before it, whoever said it, for a wish to change the size."""
    store, settings = memory_store(), Settings("file:///unused", lock="none", temp_dir=str(tmp_path))
    service = Service(settings, store=store)

    def ask(query: str) -> list[list[Any]]:
        reply = service.handle({"query": query})
        assert reply["statusCode"] == 200, reply
        rows: list[list[Any]] = reply["body"]["rows"]
        return rows

    try:
        ask(f"PRAGMA page_size = {page_size}; CREATE TABLE t(x); INSERT INTO t VALUES (zeroblob(100000)), (1)")
        ask("DELETE FROM t WHERE length(x) > 1")
        ask("VACUUM")
        ask("INSERT INTO t VALUES (2)")
        assert ask("PRAGMA page_size") == [[page_size]]
        service.close()
        service = Service(settings, store=store)
        assert ask("SELECT x FROM t") == [[1], [2]]
        assert ask("PRAGMA integrity_check") == [["ok"]]
        assert ask("PRAGMA page_count") == [[2]]
    finally:
        service.close()
