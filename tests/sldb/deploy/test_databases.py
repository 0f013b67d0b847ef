from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.storage.keys import LtxName
from sldb.deploy.databases import DatabaseInfo, DirectoryListing, last_file, last_names, list_databases
from sldb.deploy.failures import OperationFailed
from tests.sldb.deploy.ltx_files import PAGE_SIZE, write


def test_the_newest_file_says_how_large_and_how_far(tmp_path: Path) -> None:
    write(tmp_path, "main", LtxName(0, 1, 1), 1)
    write(tmp_path, "main", LtxName(0, 2, 2), 5)
    write(tmp_path, "other-db", LtxName(0, 1, 1), 2)
    assert list_databases(DirectoryListing(tmp_path)) == [
        DatabaseInfo("main", 5 * PAGE_SIZE, 2, 1_700_000_000.5),
        DatabaseInfo("other-db", 2 * PAGE_SIZE, 1, 1_700_000_000.5),
    ]


def test_a_database_whose_transactions_were_compacted_is_still_seen(tmp_path: Path) -> None:
    write(tmp_path, "main", LtxName(9, 1, 20), 3)
    write(tmp_path, "main", LtxName(1, 21, 40), 4)
    assert [(info.txid, info.size_bytes) for info in list_databases(DirectoryListing(tmp_path))] == [
        (40, 4 * PAGE_SIZE)
    ]


def test_what_is_no_database_is_not_listed(tmp_path: Path) -> None:
    (tmp_path / "Not A Database" / "0000").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "half" / "0000").mkdir(parents=True)
    (tmp_path / "half" / "0000" / ".0000000000000001.tmp").write_bytes(b"x")
    (tmp_path / "file").write_text("x")
    assert list_databases(DirectoryListing(tmp_path)) == []
    assert list_databases(DirectoryListing(tmp_path / "missing")) == []


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    write(tmp_path, "main", LtxName(0, 1, 1), 1)
    (tmp_path / LtxName(0, 1, 1).key("main")).write_bytes(b"garbage")
    with pytest.raises(OperationFailed, match="transaction 1 of main"):
        list_databases(DirectoryListing(tmp_path))


def file(txid: int) -> str:
    return f"{txid:016x}-{txid:016x}.ltx"


def test_the_file_that_reaches_furthest_counts() -> None:
    assert last_file([file(1), f"{1:016x}-{9:016x}.ltx", "lock.json"]) == f"{1:016x}-{9:016x}.ltx"
    assert last_file(["lock.json"]) is None


@given(first=st.integers(1, 1 << 40), count=st.integers(1, 3_000_000), page=st.integers(1, 1000))
def test_the_end_of_a_long_history_is_found_in_few_requests(first: int, count: int, page: int) -> None:
    requests = 0

    def after(start: str) -> tuple[list[str], bool]:
        nonlocal requests
        requests += 1
        # As S3: names that sort after `start`, which is a whole name or the first half of one.
        low = first
        if start:
            txid = int(start[:16], 16)
            low = max(first, txid if "-" not in start else txid + 1)
        names = [file(txid) for txid in range(low, min(low + page, first + count))]
        return names, low + page < first + count

    assert last_names(after, page)[-1] == file(first + count - 1)
    pages = -(-count // page)
    assert requests <= 3 * pages.bit_length() + 3 * page.bit_length() + 3
