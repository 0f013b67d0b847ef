"""The driver for asyncio, over a directory and over HTTP: the same to its users, with threads and without."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest

import sldb
import sldb.aio
from sldb.switching import Greenlets, Threads
from sldb.targets.https_async import takes
from tests.fakes.local_http import served

TOKEN = "0123456789abcdef"
Open = Callable[..., sldb.aio.Connecting]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
            patch.delenv(name)
        with served(tmp_path_factory.mktemp("served"), TOKEN) as server:
            yield f"http://127.0.0.1:{server.port}"


@pytest.fixture(params=["http", "local"])
def connect(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens connections to one new database."""
    if request.param == "local":
        return lambda **options: sldb.aio.connect(f"local:{tmp_path}", **options)
    address, name = request.getfixturevalue("address"), f"db-{os.urandom(4).hex()}"
    return lambda **options: sldb.aio.connect(address, name, TOKEN, create=True, **options)


def run(main: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(main, 60))


async def filled(connection: sldb.aio.Connection) -> None:
    async with connection:
        await connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT)")
        await connection.executemany("INSERT INTO t (name) VALUES (?)", [("a",), ("b",)])


def test_statements_and_rows(connect: Open) -> None:
    async def main() -> None:
        async with connect() as connection:
            await filled(connection)
            cursor = await connection.execute("SELECT id, name FROM t WHERE id < :n", {"n": 9})
            assert [column[0] for column in cursor.description] == ["id", "name"]
            assert [row async for row in cursor] == [(1, "a"), (2, "b")]
            async with connection.cursor() as other:
                await other.execute("INSERT INTO t (name) VALUES ('c')")
                assert (await other.lastrowid(), other.rowcount) == (3, 1)
            assert connection.in_transaction
            await connection.rollback()
            assert await (await connection.execute("SELECT count(*) FROM t")).fetchone() == (2,)
            assert [one["txid"] for one in await connection.history(limit=1)] == [connection.txid]
            with pytest.raises(sldb.OperationalError, match="nowhere"):
                await connection.execute("SELECT * FROM nowhere")
        with pytest.raises(sldb.ProgrammingError, match="closed"):
            await connection.execute("SELECT 1")

    run(main())


def test_a_view_of_the_past_is_closed_by_itself(connect: Open) -> None:
    async def main() -> None:
        async with connect() as connection:
            await filled(connection)
            past = connection.at(0 if connection.txid is None else connection.txid - 1)
            await past.close()
            assert await (await connection.execute("SELECT count(*) FROM t")).fetchone() == (2,)
            await connection.rollback()

    run(main())


def test_run_repeats_what_was_overtaken(connect: Open) -> None:
    async def main() -> None:
        connection, other = await connect(), await connect()
        await filled(connection)
        calls = 0

        async def rename(inside: sldb.aio.Connection) -> int:
            nonlocal calls
            calls += 1
            (count,) = await (await inside.execute("SELECT count(*) FROM t")).fetchone()
            if calls == 1:
                await other.execute("DELETE FROM t WHERE id = 2")
                await other.commit()
            await inside.execute("UPDATE t SET name = ?", (f"of {count}",))
            return int(count)

        assert await connection.run(rename) == 1
        assert calls == 2
        assert await (await other.execute("SELECT name FROM t")).fetchall() == [("of 1",)]
        with pytest.raises(ZeroDivisionError):
            await connection.run(divides)
        assert not connection.in_transaction
        await connection.close()
        await other.close()

    run(main())


async def divides(inside: sldb.aio.Connection) -> None:
    await inside.execute("DELETE FROM t")
    raise ZeroDivisionError


ENDLESS = "WITH RECURSIVE n (i) AS (VALUES (1) UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


def test_a_cancelled_task_stops_its_statement(connect: Open) -> None:
    async def main() -> None:
        async with connect(timeout=50) as connection:
            await filled(connection)
            task = asyncio.ensure_future(connection.execute(ENDLESS))
            while connection.sync._session._running is None:
                await asyncio.sleep(0.01)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert await (await connection.execute("SELECT count(*) FROM t")).fetchone() == (2,)

    run(main())


def test_over_http_there_are_no_threads_and_tasks_wait_together(address: str) -> None:
    async def main() -> None:
        async with sldb.aio.connect(address, "together", TOKEN, create=True) as first:
            await filled(first)
            connections = [await sldb.aio.connect(address, "together", TOKEN) for _ in range(5)]
            seen: set[str] = set()

            async def count(connection: sldb.aio.Connection) -> None:
                cursor = await connection.execute("SELECT count(*) FROM t")
                seen.update(thread.name for thread in threading.enumerate())
                assert await cursor.fetchone() == (2,)

            await asyncio.gather(*map(count, connections))
            assert not [name for name in seen if name.startswith(("sldb", "asyncio"))], "only those of the server"
            for connection in connections:
                await connection.close()

    run(main())


def test_rows_too_many_for_memory_come_over_http(address: str) -> None:
    """The body is in chunks, or of a known length."""

    async def main() -> None:
        async with sldb.aio.connect(address, "large", TOKEN, create=True) as connection:
            rows = await connection.execute(f"{ENDLESS.replace('count(*)', 'i, hex(zeroblob(600))')} LIMIT 2000")
            assert [row[0] async for row in rows] == list(range(1, 2001))

    run(main())


@pytest.mark.parametrize(
    ("answer", "error"),
    [(b"", "reach"), (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", "reach"), (b"no HTTP\r\n\r\n", "reach")],
)
def test_what_is_no_answer_is_an_error(answer: bytes, error: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(100)
            writer.write(answer)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        monkeypatch.setattr("sldb.targets.https.BACKOFF_SECONDS", 0.0)
        monkeypatch.setattr("sldb.targets.remote.SETTLE_SECONDS", 0.0)
        connection = await sldb.aio.connect(f"http://127.0.0.1:{port}", token=TOKEN, read_only=True)
        with pytest.raises(sldb.OperationalError, match=error):
            await connection.execute("SELECT 1")
        await connection.close()
        server.close()
        refused = await sldb.aio.connect(f"http://127.0.0.1:{port}", token=TOKEN)
        with pytest.raises(sldb.OperationalError) as caught:
            await refused.execute("INSERT INTO t VALUES (1)")
        assert caught.value.applied == "no"
        await refused.close()

    run(main())


def test_who_runs_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("https_proxy", raising=False)
    monkeypatch.delenv("HTTPS_PROXY", raising=False)
    kinds: list[tuple[str, dict[str, str], type]] = [
        ("https://db.example.com", {}, Greenlets),
        ("local:x", {}, Threads),
        ("lambda", {}, Threads),
        ("https://db.example.com", {"SLDB_HTTP_AUTH": "iam"}, Threads),
        ("https://db.example.com", {"https_proxy": "http://proxy:1"}, Threads),
    ]
    for target, variables, kind in kinds:
        with monkeypatch.context() as patch:
            for name, value in variables.items():
                patch.setenv(name, value)
            runner, _ = sldb.aio.runner_for(target)
            assert (type(runner), takes(target)) == (kind, kind is Greenlets)
            runner.close()


_: Awaitable[sldb.aio.Connection] = sldb.aio.connect("local:x")  # for type checkers
