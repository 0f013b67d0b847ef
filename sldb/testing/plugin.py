"""The plugin of pytest: fixtures with a fresh database. docs/python.md, "In tests".

It is loaded with each run of pytest where sldb is installed, so it imports the rest of sldb when a fixture is used.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

if TYPE_CHECKING:
    from sldb import Connection
    from sldb.testing.stack import Stack

LOCAL, STACK = "local", "stack"


class FreshDatabase:
    """A new database: its `target` and `name`, and ways to reach it."""

    def __init__(self, target: str, name: str) -> None:
        self.target = target
        self.name = name
        self._opened: list[Connection] = []

    def __repr__(self) -> str:
        return f"FreshDatabase({self.target!r}, {self.name!r})"

    @property
    def url(self) -> str:
        """The URL for SQLAlchemy."""
        options = urlencode({"target": self.target, "create": "true"}, safe=":/")
        return f"sqlite+sldb:///{self.name}?{options}"

    def connect(self, **options: Any) -> Connection:
        """Return a connection, which is closed when the test ends. `options`: of `sldb.connect`."""
        import sldb

        connection = sldb.connect(self.target, self.name, **{"create": True, **options})
        self._opened.append(connection)
        return connection

    def close(self) -> None:
        """Close the connections."""
        for connection in self._opened:
            connection.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.getgroup("sldb").addoption(
        "--sldb",
        choices=(LOCAL, STACK),
        default=LOCAL,
        help="where the databases of fixtures are: in a directory (default), or in a stack deployed to an AWS that "
        "runs on this machine, with real functions (needs the extra `emulator`)",
    )


@pytest.fixture(scope="session")
def sldb_stack() -> Iterator[Stack]:
    """Deploy a stack to an emulated AWS, once for all tests. It takes some 10 s."""
    from sldb.testing.stack import deployed

    with deployed() as stack:
        yield stack


@pytest.fixture
def sldb_database(request: pytest.FixtureRequest) -> Iterator[FreshDatabase]:
    """Give the test an empty database of its own."""
    if request.config.getoption("--sldb") == STACK:
        environment = request.getfixturevalue("sldb_stack").environment
        target, name = "lambda", f"test-{uuid.uuid4().hex}"
    else:
        environment, name = {}, "main"
        target = f"local:{request.getfixturevalue('tmp_path_factory').mktemp('sldb')}"
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in environment.items():
            patch.delenv(variable, raising=False) if value is None else patch.setenv(variable, value)
        database = FreshDatabase(target, name)
        try:
            yield database
        finally:
            database.close()


@pytest.fixture
def sldb_connection(sldb_database: FreshDatabase) -> Connection:
    """Connect to an empty database of the test's own."""
    return sldb_database.connect()
