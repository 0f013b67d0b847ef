"""A client over a directory; each database name begins a database of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from sldb.client import Client
from sldb.targets.local import LocalTarget

NewClient = Callable[[], Client]


@pytest.fixture(scope="module")
def new_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewClient]:
    """Makes a client of a database that nobody has written to."""
    target = LocalTarget(tmp_path_factory.mktemp("db"))
    numbers = count()
    yield lambda: Client(target, f"db-{next(numbers)}")
    target.close()


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    client = Client(LocalTarget(tmp_path / "db"))
    yield client
    client.close()
