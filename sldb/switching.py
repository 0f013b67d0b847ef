"""The synchronous driver under asyncio: in a greenlet of the event loop's thread, or in a thread of its own.

In a greenlet, `wait` gives a coroutine to the event loop and returns its result, while other tasks run. So there is
no second driver: only the transport beneath differs (`sldb.targets.https_async`).
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


class Runner(Protocol):
    async def run(self, function: Callable[[], T]) -> T:
        """Return the result of a synchronous function."""

    async def aside(self, function: Callable[[], T]) -> T:
        """Do the same as `run`, while another call of it is not over."""

    def close(self) -> None:
        """End what the runner has."""


class Threads:
    """A thread for one connection, and another one for `aside`."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(2, thread_name_prefix="sldb")

    async def run(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function)

    aside = run

    def close(self) -> None:
        self._pool.shutdown(wait=False)


class Greenlets:
    async def run(self, function: Callable[[], T]) -> T:
        from greenlet import getcurrent, greenlet

        inner = greenlet(function, getcurrent())
        inner.gr_context = getcurrent().gr_context
        made: Any = inner.switch()
        while not inner.dead:
            try:
                result = await made
            except BaseException:  # noqa: BLE001 - the driver gets it where it waits
                made = inner.throw(*sys.exc_info())
            else:
                made = inner.switch(result)
        returned: T = made
        return returned

    aside = run

    def close(self) -> None:
        """Do nothing."""


def wait(awaitable: Awaitable[T]) -> T:
    """Return the result of an awaitable, inside a function run by `Greenlets`."""
    from greenlet import getcurrent

    parent = getcurrent().parent
    assert parent is not None
    result: T = parent.switch(awaitable)
    return result
