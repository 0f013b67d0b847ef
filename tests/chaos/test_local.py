"""The local target under chaos: several processes over one directory, killed and frozen at random."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import pytest

from lambda_handlers.store.directory import DirectoryStore
from sldb.targets.local import LocalTarget
from tests.chaos.bookkeeping import COUNTS, CREATE, entry
from tests.chaos.checker import Verdict, check
from tests.chaos.crowd import ROOT, Crowd, disturb
from tests.chaos.small_disk import fill, needs_mount, small_disk

CLIENTS = 4
TIMEOUT_SECONDS = 2.0


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

        crowd.wait_for_work()
        disturb(seconds, kill, (0.1, 0.8), chance)
    verdict = judge(crowd, databases, tmp_path)
    assert set(verdict.errors) <= {"lock_timeout"}  # a slow machine may let somebody wait so long
    assert crowd.kills > 0


def test_clients_that_are_frozen(databases: LocalTarget, tmp_path: Path, seconds: float, chance: random.Random) -> None:
    """A frozen client keeps its lock: it is the operating system's. The others get an error, and nothing is lost."""
    with Crowd(databases.name, tmp_path / "clients", CLIENTS, timeout_seconds=0.5, chance=chance) as crowd:
        frozen: deque[int] = deque()

        def freeze_or_thaw() -> None:
            if len(frozen) == CLIENTS - 1 or (frozen and chance.random() < 0.5):
                crowd.thaw(frozen.popleft())
            elif (pid := crowd.freeze_one()) is not None:
                frozen.append(pid)

        crowd.wait_for_work()
        disturb(seconds, freeze_or_thaw, (0.05, 0.7), chance)
    verdict = judge(crowd, databases, tmp_path)
    assert set(verdict.errors) <= {"lock_timeout", "query_timeout", "conflict"}
    assert crowd.freezes > 0


@needs_mount
def test_a_full_disk_under_the_databases(tmp_path: Path, seconds: float, chance: random.Random) -> None:
    """It fills up and gets room again, again and again; the log goes on where it was."""
    with small_disk(tmp_path / "databases", size_kib=65536) as directory:
        target = LocalTarget(directory)
        target.send(CREATE)
        with Crowd(target.name, tmp_path / "clients", CLIENTS, TIMEOUT_SECONDS, chance) as crowd:
            crowd.wait_for_work()

            def fill_or_free() -> None:
                ballast = directory / ".ballast"
                if ballast.exists():
                    ballast.unlink()
                else:
                    fill(directory, but_kib=chance.choice((0, 4, 8, 40)))

            disturb(seconds, fill_or_free, (0.1, 0.8), chance)
            (directory / ".ballast").unlink(missing_ok=True)
        verdict = judge(crowd, target, tmp_path)
        target.close()
    assert set(verdict.errors) <= {"store_error", "lock_timeout", "conflict"}
    assert verdict.errors["store_error"] > 0


@needs_mount
def test_a_full_disk_under_the_temporary_files(
    databases: LocalTarget, tmp_path: Path, seconds: float, chance: random.Random
) -> None:
    with small_disk(tmp_path / "small", size_kib=65536) as directory:
        environment = {**os.environ, "TMPDIR": str(directory)}
        with Crowd(databases.name, tmp_path / "clients", CLIENTS, TIMEOUT_SECONDS, chance, environment) as crowd:
            crowd.wait_for_work()

            def fill_or_free() -> None:
                ballast = directory / ".ballast"
                if ballast.exists():
                    ballast.unlink()
                else:
                    fill(directory, but_kib=chance.choice((0, 4, 12, 40)))

            disturb(seconds, fill_or_free, (0.1, 0.8), chance)
    verdict = judge(crowd, databases, tmp_path)
    assert set(verdict.errors) <= {"too_large", "lock_timeout", "conflict"}
    assert verdict.errors["too_large"] > 0


HOLD_THE_LOCK = """
import sys, time
from pathlib import Path
from lambda_handlers.host import Host
from lambda_handlers.locks.file import FileLock

FileLock(Path(sys.argv[1]), Host()).acquire("main", time.time() + 10, "INSERT entries")
print("held", flush=True)
time.sleep(3600)
"""


def test_recovery_after_a_crashed_holder(databases: LocalTarget) -> None:
    """The lock ends with its process, and whoever waits gets it. (How often it looks is tested with the lock.)"""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_THE_LOCK, str(databases.directory)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    waiting = threading.Thread(target=databases.send, args=(entry("waited", 10),))
    waiting.start()
    waiting.join(0.5)
    assert waiting.is_alive()
    crashed_at = time.monotonic()
    holder.kill()
    waiting.join()
    print(f"file lock: recovered {time.monotonic() - crashed_at:.2f} s after the crash")
    holder.wait()
    holder.stdout.close()
    assert databases.send(COUNTS).rows == [(1, 1)]
