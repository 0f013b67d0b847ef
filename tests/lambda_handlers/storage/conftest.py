from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.storage import publishing
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import Engine
from tests.fakes.stores.faulty import FaultyStore
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> FaultyStore:
    """Its objects are dated by the clock."""
    return FaultyStore(Timed(memory_store(), clock))


@pytest.fixture
def no_head_due(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that count the requests of a commit alone."""
    monkeypatch.setattr(publishing, "HEAD_EVERY", 1000)


@pytest.fixture
def engine(store: FaultyStore, clock: Clock, tmp_path: Path) -> Iterator[Callable[..., Engine]]:
    """One more container on the same store, with the same clock; closed at the end."""
    engines: list[Engine] = []
    # Chance must differ between containers: the node id is all that tells their transactions apart.
    hosts = (Clock(seed=number) for number in range(1, 1 << 30))

    def make(**options: Any) -> Engine:
        host = next(hosts).host()
        options.setdefault("host", type(host)(now=clock.now, sleep=clock.sleep, entropy=host.entropy))
        engines.append(Engine(store, tmp_path / f"container-{len(engines)}", **options))
        return engines[-1]

    yield make
    for one in engines:
        one.close()
