"""Commands against the emulated AWS, in this process, without terminal, network or the user's files; and clients over
directories.

The bundle of the emulated AWS is the server's code without its packages: the end-to-end tests run what is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest

from sldb.client import Client
from sldb.targets.local import LocalTarget
from tests.sldb.commands import Commands

NewClient = Callable[[], Client]


@pytest.fixture
def sldb(capsys: pytest.CaptureFixture[str]) -> Iterator[Commands]:
    from tests.fakes.aws.emulated import emulated_aws

    with emulated_aws() as aws:
        yield Commands(aws, capsys)


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
