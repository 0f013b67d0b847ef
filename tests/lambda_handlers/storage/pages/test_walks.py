"""Rows that lie anywhere, looked up one after the other: few rounds, and a bound for what is read in vain."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lambda_handlers.storage.log.ltx import Pgno
from lambda_handlers.storage.pages.page_cache import PageCache
from lambda_handlers.storage.pages.walks import MAX_AHEAD, Walks
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import Engine
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.rounds import RoundsStore

ROWS = 2000  # of t: one page has three
DEEP_ROWS = 4000
SMALL_ROWS = 4000  # of small: one page has about 80
PER_NEEDED = 4  # requests at most for each row that a lookup needs
FILL = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) INSERT INTO {} "


class World:
    """A table of which neighbours in the index lie anywhere, and a small one with as many rows."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = RoundsStore(memory_store())
        self.number = 0
        writer = self.engine()
        self._fill(writer)
        writer.close()

    def _fill(self, writer: Engine) -> None:
        writer.write(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, k INTEGER, body)",
            "CREATE TABLE small (id INTEGER PRIMARY KEY, text)",
            f"{FILL.format(SMALL_ROWS, 'small')} SELECT i, hex(randomblob(20)) FROM n",
            f"{FILL.format(ROWS, 't')} SELECT i, (i * 1237) % {ROWS}, randomblob(1200) FROM n",
            "CREATE INDEX by_k ON t (k)",
        )

    def engine(self, limit_bytes: int | None = None) -> Engine:
        self.number += 1
        host = self.store.host(Clock(seed=self.number).host())
        return Engine(self.store, self.directory, host, limit_bytes=limit_bytes)

    def cost(self, query: str, limit_bytes: int | None = None) -> tuple[int, int, int]:
        """Return rounds, requests and bytes of a query on a copy that has just been opened, without the opening."""
        engine = self.engine(limit_bytes)
        engine.replica.refresh()
        self.store.measure()
        engine.rows(query)
        cost = self.store.rounds, len(self.store.requests), self.store.bytes_in
        engine.close()
        return cost


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as directory:
        yield World(Path(directory))


class DeepWorld(World):
    """A large table in small: its interior pages lie apart from each other and from their leaves, and no page map
    carries them, as those of a database of a gigabyte do not fit into one."""

    def _fill(self, writer: Engine) -> None:
        writer.write(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, k INTEGER, body)",
            "CREATE TABLE filler (body)",
            "CREATE TRIGGER apart AFTER INSERT ON t BEGIN INSERT INTO filler VALUES (randomblob(1700)); END",
            f"{FILL.format(DEEP_ROWS, 't')} SELECT i, (i * 1237) % {DEEP_ROWS}, randomblob(400) FROM n",
            "CREATE INDEX by_k ON t (k)",
            page_size=512,
        )


@pytest.fixture(scope="module")
def deep_world() -> Iterator[World]:
    with tempfile.TemporaryDirectory() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr("lambda_handlers.storage.pages.page_map_builder.CARRIED_BYTES", 0)
        yield DeepWorld(Path(directory))


def lookups(first: int, count: int, order: str = "") -> str:
    return f"SELECT sum(length(body)) FROM (SELECT body FROM t WHERE k BETWEEN {first} AND {first + count - 1} {order})"


@given(st.integers(0, ROWS - 101), st.integers(1, 100), st.sampled_from(["", "ORDER BY k DESC"]))
@example(100, 100, "")
@example(100, 100, "ORDER BY k DESC")
@example(100, 2, "")
@example(100, 6, "")
@settings(max_examples=15)
def test_rows_of_an_index_take_few_rounds_and_requests(world: World, first: int, count: int, order: str) -> None:
    rounds, requests, _ = world.cost(lookups(first, count, order))
    assert rounds <= 14  # a leaf of the index, 1, 1, 1 + 3, 1 + 15, 1 + 31, 1 + 63 rows; and once more where it ends
    assert requests <= 2 + PER_NEEDED * count


def test_a_hundred_rows_of_one_leaf(world: World) -> None:
    rounds, requests, _ = world.cost(lookups(100, 100))
    assert rounds <= 7
    assert requests <= 1.5 * 100


@pytest.mark.parametrize("order", ["", "ORDER BY k DESC"])
@pytest.mark.parametrize(("count", "max_rounds"), [(2, 9), (10, 12), (100, 22)])
def test_interior_pages_on_the_way_to_rows_do_not_end_a_lookup(
    deep_world: World, count: int, max_rounds: int, order: str
) -> None:
    """Of each row, first such a page is missing and then its leaf: three levels of the table, and two of the index."""
    rounds, requests, _ = deep_world.cost(lookups(100, count, order))
    assert rounds <= max_rounds
    assert requests <= 8 + 2 * PER_NEEDED * count


def test_a_join_takes_few_rounds(world: World) -> None:
    rounds, requests, _ = world.cost("SELECT sum(length(body)) FROM small JOIN t ON t.k = small.id WHERE small.id < 60")
    assert rounds <= 10
    assert requests <= 80


@pytest.mark.parametrize("query", ["SELECT body FROM t WHERE id = 777", "SELECT text FROM small WHERE id = 3210"])
def test_one_row_takes_one_request_of_one_group(world: World, query: str) -> None:
    rounds, requests, read = world.cost(query)
    assert (rounds, requests) == (1, 1)
    assert read <= 17 * 4096


def test_one_row_of_an_index_takes_two(world: World) -> None:
    rounds, requests, read = world.cost("SELECT body FROM t WHERE k = 777")
    assert (rounds, requests) == (2, 2)
    assert read <= 2 * 17 * 4096


def test_rows_anywhere_in_a_small_table_read_the_rest_of_it(world: World) -> None:
    """The third miss below one page of the tree brings its other children."""
    numbers = ", ".join(str(1 + (number * 1237) % SMALL_ROWS) for number in range(60))
    rounds, requests, _ = world.cost(f"SELECT count(text) FROM small WHERE id IN ({numbers})")
    assert rounds <= 4
    assert requests <= 12


def test_a_small_cache_is_not_filled_with_what_may_come(world: World) -> None:
    _, requests, read = world.cost(lookups(100, 60), 100 * 4096)
    assert requests <= 2 + PER_NEEDED * 60
    assert read <= (2 + PER_NEEDED * 60) * 17 * 4096


def damaged(kind: int, missed: int, rest: bytes) -> bytes:
    """Return a page of 512 bytes that is what its first byte says in nothing but its rightmost child."""
    page = bytearray((rest * 512)[:512])
    page[0] = kind
    page[8:12] = missed.to_bytes(4, "big")
    return bytes(page)


@given(st.lists(st.binary(min_size=1, max_size=64), min_size=4, max_size=4), st.integers(2, 9))
@example([b"\xff"] * 4, 5)
def test_damaged_pages_lead_nowhere_and_break_nothing(rests: list[bytes], missed: int) -> None:
    """SQLite reports the damage when it reads the page itself."""
    with tempfile.TemporaryDirectory() as directory:
        cache = PageCache(directory)
        walks = Walks(cache)
        for pgno, (kind, rest) in enumerate(zip((5, 2, 10, 5), rests, strict=True), start=20):
            page = damaged(kind, missed, rest)
            cache.write(Pgno(pgno), page)
            walks.note(Pgno(pgno), page)
        for _ in range(5):
            assert len(walks.after(Pgno(missed)).pages) <= MAX_AHEAD
        cache.close()
