"""Large results: memory holds a part of them, and they end where they should."""

from __future__ import annotations

import base64
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

import sldb
from lambda_handlers.host import Host
from lambda_handlers.wire import Action, Reply, Request, SldbError
from sldb.client import Client
from sldb.targets import local
from sldb.targets.remote import RemoteTarget
from tests.fakes.databases.service import container
from tests.fakes.stores.faulty import PresigningStore
from tests.fakes.stores.memory import memory_store
from tests.sldb.dbapi.conftest import Connect

COUNT = 1500
ROWS = f"""WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n LIMIT {COUNT})
    SELECT i, hex(zeroblob(1000)) || i FROM n"""  # 3 MB


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "HELD_BYTES", 100_000)


class FunctionTarget(RemoteTarget):
    """A function in this process, with little room in a reply, and a store that breaks connections as it is told."""

    name = "function"

    def __init__(self, *, has_urls: bool) -> None:
        super().__init__(lambda _: None)
        store = memory_store()
        self.store = PresigningStore(store) if has_urls else store
        self.service = container(self.store, host=Host(), reply_limit_bytes=200_000)
        self.parts = 0  # of rows, read
        self.breaks_after: list[int] = []  # parts, for each try

    def _decoded(self, database: str, event: dict[str, Any], read: Any) -> Any:
        if "action" in event:
            self._count()
            return read(self.service.act(Action.decode(event)))
        return read(self.service.reply(Request.decode(event)).encode())

    def _download(self, url: str) -> Iterator[bytes]:
        body = b"".join(self.store.download(url))  # type: ignore[union-attr]  # it has URLs
        left = self.breaks_after.pop(0) if self.breaks_after else 1 << 30
        for start in range(0, len(body), 1000):
            if not left:
                raise OSError("reset")
            left -= 1
            self.parts += 1
            yield body[start : start + 1000]

    def _count(self) -> None:
        self.parts += 1

    def close(self) -> None:
        self.service.close()


@pytest.fixture(params=["local", "urls", "parts"])
def large(request: pytest.FixtureRequest, connect: Connect) -> Iterator[sldb.Connection]:
    """A connection to targets of all kinds."""
    if request.param == "local":
        yield connect(create=True)
        return
    target = FunctionTarget(has_urls=request.param == "urls")
    yield sldb.Connection(Client(target))
    target.close()


@pytest.fixture
def broken() -> Iterator[tuple[sldb.Connection, FunctionTarget]]:
    target = FunctionTarget(has_urls=True)
    yield sldb.Connection(Client(target)), target
    target.close()


def numbers(cursor: sldb.Cursor) -> list[int]:
    return [number for number, _ in cursor]


def test_all_rows_come_in_their_order(large: sldb.Connection) -> None:
    assert numbers(large.execute(ROWS)) == list(range(1, COUNT + 1))
    assert len(large.execute(ROWS).fetchall()) == COUNT


def test_memory_holds_a_part_of_them(connect: Connect) -> None:
    connection = connect(create=True)
    connection.execute("SELECT 1")  # what is imported first
    tracemalloc.start()
    assert sum(1 for _ in connection.execute(ROWS)) == COUNT
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 1_500_000, peak_bytes


def test_of_a_function_only_what_is_fetched_is_read(broken: tuple[sldb.Connection, FunctionTarget]) -> None:
    connection, target = broken
    cursor = connection.execute(ROWS)
    assert (cursor.fetchone()[0], target.parts) == (1, 1)
    cursor.close()
    assert target.parts == 1


def test_statements_between_change_nothing(large: sldb.Connection) -> None:
    with large:
        large.execute("CREATE TABLE t (n, filler)")
        large.execute(f"INSERT INTO t {ROWS}")
    with large:
        large.execute("UPDATE t SET n = n + 10")
        one, other = large.execute("SELECT n, filler FROM t"), large.execute("SELECT -n, filler FROM t")
        assert (one.fetchone()[0], other.fetchone()[0]) == (11, -11)
        large.execute("DELETE FROM t")
        assert numbers(one) == list(range(12, COUNT + 11))
        assert numbers(other) == list(range(-12, -COUNT - 11, -1))
    assert large.execute("SELECT count(*) FROM t").fetchone() == (0,)


def test_a_cursor_is_given_up_half_way(large: sldb.Connection) -> None:
    cursor = large.cursor()
    for _ in range(2):
        assert cursor.execute(ROWS).fetchmany(700)[-1][0] == 700
    cursor.close()
    with pytest.raises(sldb.ProgrammingError):
        cursor.fetchone()
    other = large.execute(ROWS)
    assert other.fetchone()[0] == 1
    large.close()
    with pytest.raises(sldb.ProgrammingError):
        other.fetchone()


def test_a_broken_connection_is_made_again(broken: tuple[sldb.Connection, FunctionTarget]) -> None:
    connection, target = broken
    target.breaks_after = [3, 0, 6, 0, 9]
    assert numbers(connection.execute(ROWS)) == list(range(1, COUNT + 1))
    assert target.breaks_after == []


def test_rows_that_do_not_come_are_an_error_and_no_end(broken: tuple[sldb.Connection, FunctionTarget]) -> None:
    connection, target = broken
    target.breaks_after = [5, 0, 0, 0]
    cursor = connection.execute(ROWS)
    with pytest.raises(sldb.OperationalError, match="cannot be read from the store"):
        cursor.fetchall()
    with pytest.raises(sldb.InterfaceError, match="behind an error"):
        cursor.fetchone()
    with pytest.raises(sldb.InterfaceError, match="behind an error"):
        cursor.fetchall()
    assert connection.execute("SELECT 1").fetchone() == (1,)


def test_other_rows_than_before_are_an_error(broken: tuple[sldb.Connection, FunctionTarget]) -> None:
    connection, target = broken
    target.breaks_after = [5]
    cursor = connection.execute(ROWS)
    cursor.fetchone()
    real = target.store.download  # type: ignore[union-attr]
    changed = base64.b64decode(CHANGED)
    target.store.download = lambda url: iter([changed]) if not target.breaks_after else real(url)  # type: ignore[union-attr]
    with pytest.raises(sldb.OperationalError, match="changed"):
        cursor.fetchall()


CHANGED = base64.b64encode(__import__("gzip").compress(b'[2, "other"]\n' * COUNT))


def test_a_converter_that_fails_ends_no_result(connect: Connect) -> None:
    connection = connect(create=True, detect_types=sldb.PARSE_COLNAMES)
    cursor = connection.execute("SELECT 'x' AS 'n [timestamp]' UNION ALL SELECT '2026-11-27 10:00:00'")
    for _ in range(2):
        with pytest.raises(sldb.InterfaceError):
            cursor.fetchone()


def test_errors_of_the_target_pass() -> None:
    """A reply is read as before by what knows no streams."""
    target = FunctionTarget(has_urls=True)
    client = Client(target)
    reply: Reply = client.execute(Request.decode({"query": ROWS}))
    assert len(reply.rows) == COUNT
    target.breaks_after = [1] * 3
    with pytest.raises(SldbError):
        client.execute(Request.decode({"query": ROWS}))
    target.close()
