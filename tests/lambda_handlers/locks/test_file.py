from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lambda_handlers.host import Host
from lambda_handlers.locks.file import FileLock
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock

HOLD = """
import sys, time
from pathlib import Path
from lambda_handlers.host import Host
from lambda_handlers.locks.file import FileLock
lock = FileLock(Path(sys.argv[1]), Host())
print(lock.acquire("main", time.time() + 30, "import users").lock_id, flush=True)
sys.stdin.read()
"""


@contextmanager
def process_that_holds(directory: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-c", HOLD, str(directory)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    environment["PYTHONPATH"] += os.pathsep + str(Path(__file__).parents[3])
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        try:
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def test_a_killed_process_leaves_no_lock(tmp_path: Path) -> None:
    lock = FileLock(tmp_path, Host())
    with process_that_holds(tmp_path) as (process, lock_id):
        assert [holder.lock_id for holder in lock.holders()] == [lock_id]
        with pytest.raises(SldbError, match=rf"by process {process.pid} .*import users") as caught:
            lock.acquire("main", time.time() + 0.1, "")
        assert caught.value.code == "lock_timeout"
        assert caught.value.details["holder"]["lock_id"] == lock_id
        process.send_signal(signal.SIGKILL if os.name == "posix" else signal.SIGTERM)
        process.wait()
        assert lock.holders() == []
        holder = lock.acquire("main", time.time() + 5, "mine")
        assert lock.release(holder.lock_id, "main")


def test_a_living_process_keeps_its_lock(tmp_path: Path) -> None:
    lock = FileLock(tmp_path, Host())
    with process_that_holds(tmp_path) as (process, lock_id):
        with pytest.raises(SldbError, match=f"process {process.pid}, which is alive") as caught:
            lock.release(lock_id, "main")
        assert str(process.pid) in caught.value.hint
        assert lock.holders()


def test_who_had_the_lock_is_not_taken_for_who_has_it(tmp_path: Path) -> None:
    """A waiter may read the file after the next holder locked it and before he wrote his name."""
    lock = FileLock(tmp_path, Clock().host())
    lock.release(lock.acquire("main", 0.0, "").lock_id, "main")
    assert (tmp_path / "main" / "lock").read_bytes() == b""


def test_waits_in_short_steps(tmp_path: Path) -> None:
    clock = Clock()
    FileLock(tmp_path, clock.host()).acquire("main", clock.now(), "")
    with pytest.raises(SldbError):
        FileLock(tmp_path, clock.host()).acquire("main", clock.now() + 1, "")
    assert all(0.010 <= pause <= 0.050 for pause in clock.sleeps[:-1])
    assert len(clock.sleeps) > 20


def test_a_directory_that_cannot_be_written_to_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "main").write_text("a file where the database's directory should be")
    with pytest.raises(SldbError, match="main") as caught:
        FileLock(tmp_path, Host()).acquire("main", time.time(), "")
    assert caught.value.code == "store_error"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": 1}'])
def test_a_holder_that_has_not_said_who_it_is_yet(tmp_path: Path, text: str) -> None:
    clock = Clock()
    lock = FileLock(tmp_path, clock.host())
    holder = lock.acquire("main", clock.now(), "")
    (tmp_path / "main" / "lock").write_text(text)
    (unknown,) = lock.holders()
    assert (unknown.database, unknown.created_at) == ("main", None)
    with pytest.raises(SldbError, match="an unknown writer"):
        lock.acquire("main", clock.now(), "")
    assert lock.release(holder.lock_id, "main")


@pytest.mark.skipif(os.name == "nt", reason="counts what only POSIX lists")
def test_descriptors_are_closed(tmp_path: Path) -> None:
    lock = FileLock(tmp_path, Clock().host())
    before = len(os.listdir("/dev/fd"))
    holder = lock.acquire("main", 0.0, "")
    with pytest.raises(SldbError):
        lock.acquire("main", 0.0, "")
    lock.holders()
    lock.release(holder.lock_id, "main")
    lock.holders()
    assert len(os.listdir("/dev/fd")) == before
