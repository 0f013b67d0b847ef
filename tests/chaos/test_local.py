"""The local target under chaos: several processes over one directory, killed and frozen at random."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambda_handlers.directory_store import DirectoryStore
from sldb.targets.local import LocalTarget
from tests.chaos.bookkeeping import CREATE
from tests.chaos.checker import Verdict, check
from tests.chaos.crowd import Crowd, disturb

CLIENTS = 4
TIMEOUT_SECONDS = 2.0
pytestmark = pytest.mark.timeout(3600)


@pytest.fixture
def databases(tmp_path: Path) -> Iterator[LocalTarget]:
    target = LocalTarget(tmp_path / "databases")
    target.send(CREATE)
    yield target
    target.close()


def judge(crowd: Crowd, target: LocalTarget, tmp_path: Path) -> Verdict:
    verdict = check(crowd.attempts(), target.send, DirectoryStore(target.directory), tmp_path / "replayed")
    print(f"{crowd.kills} clients killed, {crowd.freezes} frozen: {verdict}")
    assert crowd.complaints() == ""
    assert verdict.violations == ()
    assert verdict.outcomes["acknowledged"] > 0
    return verdict


def test_clients_that_are_killed(databases: LocalTarget, tmp_path: Path, seconds: float, chance: random.Random) -> None:
    with Crowd(databases.name, tmp_path / "clients", CLIENTS, TIMEOUT_SECONDS, chance) as crowd:

        def kill() -> None:
            crowd.kill_one()
            crowd.keep_up()

        disturb(seconds, kill, (0.1, 0.8), chance)
    verdict = judge(crowd, databases, tmp_path)
    assert set(verdict.errors) <= {"lock_timeout"}  # a slow machine may let somebody wait so long
    assert crowd.kills > 0


def test_clients_that_are_frozen(databases: LocalTarget, tmp_path: Path, seconds: float, chance: random.Random) -> None:
    """Whoever stops with the lock keeps it: it is the operating system's. The others are told, and nothing is lost."""
    with Crowd(databases.name, tmp_path / "clients", CLIENTS, timeout_seconds=0.5, chance=chance) as crowd:
        frozen: deque[int] = deque()

        def freeze_or_thaw() -> None:
            if len(frozen) == CLIENTS - 1 or (frozen and chance.random() < 0.5):
                crowd.thaw(frozen.popleft())
            elif (pid := crowd.freeze_one()) is not None:
                frozen.append(pid)

        disturb(seconds, freeze_or_thaw, (0.05, 0.7), chance)
    verdict = judge(crowd, databases, tmp_path)
    assert set(verdict.errors) <= {"lock_timeout", "query_timeout", "conflict"}
    assert crowd.freezes > 0
