"""The driver for asyncio: the connection and cursor of `sldb.dbapi`, whose calls are awaited. docs/python.md.

    import sldb.aio
    async with await sldb.aio.connect("https://db.example.com") as connection:
        async for number, name in await connection.execute("SELECT id, name FROM test"):
            …

There is one driver. Over https it runs in the thread of the event loop, each call in a greenlet (the extra `aio`):
where it waits for the network, the loop goes on (`sldb.targets.https_async`). Over other targets, with IAM and through
a proxy, each call runs in a thread of the connection's own. Calls on one connection run one after the other; tasks that
want transactions of their own need connections of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import sldb
from sldb.dbapi.adapting import Parameters
from sldb.dbapi.connecting import connect_by
from sldb.dbapi.connection import MAX_TRIES, retries
from sldb.switching import Greenlets, Runner, Threads

if TYPE_CHECKING:
    from types import TracebackType

T = TypeVar("T")

_ROWS_AT_ONCE = 256  # fetched by one call while a cursor is iterated


class Connecting:
    """A connection that is awaited, or opened by `async with`; then it is closed at the end."""

    def __init__(self, open_: Callable[[], Awaitable[Connection]]) -> None:
        self._open = open_
        self._connection: Connection | None = None

    def __await__(self) -> Generator[Any, None, Connection]:
        return self._open().__await__()

    async def __aenter__(self) -> Connection:
        self._connection = await self._open()
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._connection is not None
        await self._connection.close()


def connect(target: str = "lambda", database: str = "main", token: str | None = None, **options: Any) -> Connecting:
    """Return a connection to be awaited, or for `async with`. Takes what `sldb.connect` takes."""

    async def open_() -> Connection:
        runner, open_sync = runner_for(target)
        try:
            made = await runner.run(lambda: open_sync(target, database, token, **options))
        except BaseException:
            runner.close()
            raise
        return Connection(made, runner)

    return Connecting(open_)


def runner_for(target: str) -> tuple[Runner, Callable[..., sldb.Connection]]:
    """Return the runner for connections to a target, and the function that opens one."""
    if target.startswith(("https://", "http://")):
        from sldb.targets import https_async

        if https_async.takes(target):
            return Greenlets(), partial(connect_by, https_async.prepare)
    return Threads(), sldb.connect


class Connection:
    """A connection like `sldb.Connection`; `sync` is the one beneath, for its attributes."""

    def __init__(self, sync: sldb.Connection, runner: Runner) -> None:
        self.sync = sync
        self._runner = runner
        self._turn = asyncio.Lock()

    async def call(self, function: Callable[[], T]) -> T:
        """Return the result of a function that uses the connection beneath. If the task is cancelled meanwhile, the
        running request is stopped, and the call ends before the task does."""
        async with self._turn:
            running = asyncio.ensure_future(self._runner.run(function))
            try:
                return await asyncio.shield(running)
            except asyncio.CancelledError:
                await self._stop(running)
                raise

    async def _stop(self, running: asyncio.Future[Any]) -> None:
        if not running.done():
            await asyncio.gather(self._runner.aside(self.sync.interrupt), running, return_exceptions=True)

    @property
    def in_transaction(self) -> bool:
        return self.sync.in_transaction

    @property
    def txid(self) -> int | None:
        return self.sync.txid

    @property
    def total_changes(self) -> int:
        return self.sync.total_changes

    def cursor(self) -> Cursor:
        return Cursor(self, self.sync.cursor())

    async def execute(self, sql: str, parameters: Parameters = (), /) -> Cursor:
        return await self.cursor().execute(sql, parameters)

    async def executemany(self, sql: str, many: Iterable[Parameters], /) -> Cursor:
        return await self.cursor().executemany(sql, many)

    async def executescript(self, script: str, /) -> Cursor:
        return await self.cursor().executescript(script)

    async def commit(self) -> None:
        await self.call(self.sync.commit)

    async def rollback(self) -> None:
        await self.call(self.sync.rollback)

    async def run(self, function: Callable[[Connection], Awaitable[T]], *, tries: int = MAX_TRIES) -> T:
        """Call a coroutine function inside a transaction, as `sldb.Connection.run` does."""
        for attempt in retries(tries):
            await self.call(self.sync.begin)
            try:
                result = await function(self)
                await self.commit()
            except BaseException as error:
                await self.rollback()
                if not attempt.may_retry(error):
                    raise
            else:
                return result
            await asyncio.sleep(attempt.pause_seconds)
        raise AssertionError  # the last attempt returns or raises

    async def interrupt(self) -> None:
        await self._runner.aside(self.sync.interrupt)

    async def history(self, limit: int = 20) -> list[dict[str, Any]]:
        return await self.call(lambda: self.sync.history(limit))

    async def branch(self, name: str, at: int | str | None = None) -> dict[str, Any]:
        return await self.call(lambda: self.sync.branch(name, at))

    def at(self, moment: int | str) -> Connection:
        return Connection(self.sync.at(moment), type(self._runner)())  # which its own close() ends

    async def close(self) -> None:
        if not self.sync.is_closed:
            await self.call(self.sync.close)
            self._runner.close()

    async def __aenter__(self) -> Connection:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Commit after a block without an exception, else roll back. The connection stays open."""
        await self.call(lambda: self.sync.__exit__(kind, error, trace))


class Cursor:
    """A cursor like `sldb.Cursor`; `sync` is the one beneath."""

    def __init__(self, connection: Connection, sync: sldb.Cursor) -> None:
        self.connection = connection
        self.sync = sync
        self.arraysize = sync.arraysize

    @property
    def description(self) -> Any:
        return self.sync.description

    @property
    def rowcount(self) -> int:
        return self.sync.rowcount

    @property
    def stats(self) -> dict[str, Any]:
        return self.sync.stats

    async def lastrowid(self) -> int | None:
        """Return the rowid of the last row inserted. Inside a transaction it is asked for here."""
        return await self.connection.call(lambda: self.sync.lastrowid)

    async def execute(self, sql: str, parameters: Parameters = (), /) -> Cursor:
        await self.connection.call(lambda: self.sync.execute(sql, parameters))
        return self

    async def executemany(self, sql: str, many: Iterable[Parameters], /) -> Cursor:
        await self.connection.call(lambda: self.sync.executemany(sql, many))
        return self

    async def executescript(self, script: str, /) -> Cursor:
        await self.connection.call(lambda: self.sync.executescript(script))
        return self

    async def fetchone(self) -> Any:
        return await self.connection.call(self.sync.fetchone)

    async def fetchmany(self, size: int | None = None) -> list[Any]:
        wanted = self.arraysize if size is None else size
        return await self.connection.call(lambda: self.sync.fetchmany(wanted))

    async def fetchall(self) -> list[Any]:
        return await self.connection.call(self.sync.fetchall)

    async def __aiter__(self) -> AsyncIterator[Any]:
        while rows := await self.fetchmany(_ROWS_AT_ONCE):
            for row in rows:
                yield row

    async def close(self) -> None:
        await self.connection.call(self.sync.close)

    async def __aenter__(self) -> Cursor:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
