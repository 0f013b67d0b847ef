"""A database whose requests are limited in size, as the function's are, and a small file to import."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lambda_handlers.host import Host
from sldb.client import Client
from tests.fakes.targets.limited_target import LimitedTarget
from tests.sldb.transfer.loading import PEOPLE


@pytest.fixture
def clock() -> list[float]:
    return [1_000_000.0]


@pytest.fixture
def client(tmp_path: Path, clock: list[float]) -> Iterator[Client]:
    client = Client(LimitedTarget(tmp_path / "db", Host(now=lambda: clock[0])))
    yield client
    client.close()


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(PEOPLE)
    return path
