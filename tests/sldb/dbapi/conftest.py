"""Connections to databases in one directory, each to a database that nobody has written to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

import sldb
from lambda_handlers.wire import Action, Reply, Request
from sldb.client import Client
from sldb.targets.local import LocalTarget
from sldb.targets.protocol import ReadRows, StreamingTarget

Connect = Callable[..., sldb.Connection]


class CountingTarget:
    """A target that keeps the requests sent to it, and fails as it is told."""

    def __init__(self, target: StreamingTarget) -> None:
        self._target = target
        self.name = target.name
        self.sent: list[Request] = []
        self.before: Callable[[Request], None] = lambda request: None  # called with each request
        self.after: Callable[[Request], None] = lambda request: None  # called before its reply is returned

    def send(self, request: Request) -> Reply:
        raise AssertionError("the driver streams")

    def stream(self, request: Request) -> tuple[Reply, ReadRows]:
        self.sent.append(request)
        self.before(request)
        reply, read = self._target.stream(request)
        self.after(request)
        return reply, read

    def act(self, action: Action) -> dict[str, Any]:
        return self._target.act(action)

    def result(self, database: str, request_id: str) -> tuple[dict[str, Any], Reply | None]:
        return self._target.result(database, request_id)

    def close(self) -> None:
        pass

    def count(self) -> int:
        """Return the number of requests since the last call."""
        sent, self.sent = len(self.sent), []
        return sent


@pytest.fixture(scope="module")
def local_target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalTarget]:
    target = LocalTarget(tmp_path_factory.mktemp("databases"))
    yield target
    target.close()


@pytest.fixture
def target(local_target: LocalTarget) -> CountingTarget:
    return CountingTarget(local_target)


_numbers = count()


@pytest.fixture
def connect(target: CountingTarget) -> Connect:
    """Connects to one new database, as often as it is called."""
    name = f"db-{next(_numbers)}"
    return lambda **options: sldb.Connection(Client(target, name), **options)


@pytest.fixture
def connection(connect: Connect, target: CountingTarget) -> sldb.Connection:
    """A connection with the table t (id, name), as its only one."""
    made = connect()
    made.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, name VARCHAR(20) UNIQUE)")
    target.count()
    return made
