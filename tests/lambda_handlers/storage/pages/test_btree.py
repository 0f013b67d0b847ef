"""What pages of b-trees name, compared with SQLite."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_handlers.storage.log.ltx import Pgno
from lambda_handlers.storage.pages.btree import INDEX_LEAF_KIND, TablePage, children, rowids

PAGE_BYTES = 512
SOME_ROWS = [0, 1, -1, 127, 128, -129, 40_000, -(1 << 23), 1 << 40, (1 << 63) - 1, -(1 << 63)]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("databases")


def made(directory: Path, rows: list[int], keys: list[object]) -> tuple[list[bytes], int, int]:
    """Return the pages of a database, and the roots of its table and of its index."""
    file = directory / "database"
    file.unlink(missing_ok=True)
    connection = sqlite3.connect(file)
    connection.executescript(f"PRAGMA page_size = {PAGE_BYTES}; CREATE TABLE t (id INTEGER PRIMARY KEY, k)")
    connection.executemany("INSERT INTO t VALUES (?, ?)", zip(rows, keys, strict=False))
    connection.execute("CREATE INDEX by_k ON t (k)")
    connection.commit()
    (table,), (index,) = connection.execute("SELECT rootpage FROM sqlite_schema ORDER BY type DESC")
    connection.close()
    data = file.read_bytes()
    return [data[at : at + PAGE_BYTES] for at in range(0, len(data), PAGE_BYTES)], table, index


def leaves(pages: list[bytes], root: int) -> list[int]:
    """The leaves below a page, in their order."""
    below = list(children(pages[root - 1], Pgno(root)))
    return [leaf for child in below for leaf in leaves(pages, child)] if below else [root]


@given(st.randoms(use_true_random=False), st.integers(0, 400))
@settings(max_examples=10)
def test_what_an_index_names_and_a_table_has(directory: Path, chance: Random, count: int) -> None:
    rows = list({*chance.sample(SOME_ROWS, 5), *(chance.randrange(-(1 << 63), 1 << 63) for _ in range(count))})
    keys: list[object] = [
        chance.choice([None, chance.random(), chance.randrange(1000), "x" * chance.randrange(180)]) for _ in rows
    ]
    pages, table, index = made(directory, rows, keys)

    named = [rowids(pages[leaf - 1]) for leaf in leaves(pages, index)]
    assert all(pages[leaf - 1][0] == INDEX_LEAF_KIND for leaf in leaves(pages, index))
    found = {row for leaf in named for row in leaf if row is not None}
    assert found <= set(rows)
    long = sum(isinstance(key, str) and len(key) > 90 for key in keys)  # they go on in overflow pages
    assert len(found) >= len(rows) - long - len(named)  # and one between two leaves is in the page above

    if children_of := list(children(pages[table - 1], Pgno(table))):
        top = TablePage(pages[table - 1], Pgno(table))
        assert top.is_one
        for row in rows:
            at = children_of.index(top.child_of(row))
            before, last = top.rowids_of(at)
            assert before < row <= last


@given(st.binary(min_size=PAGE_BYTES, max_size=PAGE_BYTES))
@settings(max_examples=50)
def test_any_page_gives_numbers_or_none(page: bytes) -> None:
    assert all(row is None or isinstance(row, int) for row in rowids(page))
