"""Commands against the emulated AWS, in this process, without terminal, network or the user's files; and clients over
directories.

The bundle of the emulated AWS is the server's code without its packages: the end-to-end tests run what is in it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import boto3
import pytest

from sldb.client import Client
from sldb.targets.local import LocalTarget
from tests.sldb.deploy.commands import Commands

NewClient = Callable[[], Client]


@pytest.fixture
def sldb(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Commands]:
    from sldb.emulator import Emulator

    with Emulator() as aws:
        for name in [name for name in os.environ if name.startswith(("AWS_", "SLDB_"))]:
            monkeypatch.delenv(name)
        for name, value in aws.environment().items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr("sldb.deploy.bundle.archive.fetch", lambda pins, platform, cache: [])
        boto3.DEFAULT_SESSION = None
        yield Commands(aws, capsys)
        boto3.DEFAULT_SESSION = None


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
