"""The target over a directory: Ctrl-C, and the lock of another process, as a client that waits sees it."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

import pytest

from lambda_handlers.host import Host
from lambda_handlers.locks.file import FileLock
from lambda_handlers.wire import Request, SldbError, Statement
from sldb.cancelling import TooLate
from sldb.client import Client
from sldb.targets.local import LocalTarget
from sldb.write_outcome import message
from tests.fakes.terminal import pty
from tests.fakes.waiting import wait_until
from tests.lambda_handlers.locks.test_file import process_that_holds


def test_the_lock_of_another_process_has_a_holder(tmp_path: Path) -> None:
    target = LocalTarget(tmp_path)
    assert target.lock_holder("main") is None
    with process_that_holds(tmp_path) as (process, lock_id):
        holder = target.lock_holder("main")
        assert holder is not None
        assert (holder.lock_id, holder.owner, holder.doing) == (lock_id, f"process {process.pid}", "import users")


def test_the_own_lock_is_none_to_wait_for(tmp_path: Path) -> None:
    target, lock = LocalTarget(tmp_path), FileLock(tmp_path, Host())
    held = lock.acquire("main", Host().now() + 5, "INSERT users")
    assert target.lock_holder("main") is None
    lock.release(held.lock_id, "main")
    assert target.lock_holder("main") is None


@pytest.mark.long
def test_a_write_on_a_terminal_says_for_whom_it_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pty, "_PROGRESS", re.compile("(?!)"))
    directory = tmp_path / "db"
    client = Client(LocalTarget(directory))
    client.execute(Request((Statement("CREATE TABLE t (a)"),)))
    client.close()
    with process_that_holds(directory):
        arguments = ("--local", str(directory), "query", "INSERT INTO t VALUES (1)", "--timeout", "4")
        shown = pty.on_terminal(tmp_path, *arguments)
    assert shown.status == 75
    assert re.search(r"waiting for the lock: import users, \d+ s\x1b\[K", shown.text)
    assert "\r\x1b[Kerror: database main is locked by process" in shown.text


ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0"


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
@pytest.mark.parametrize(
    ("sql", "said"),
    [
        (f"INSERT INTO t {ENDLESS}", "the request was cancelled; nothing was applied"),
        (ENDLESS, "the request was cancelled; nothing was changed"),
    ],
)
def test_ctrl_c_stops_a_request_and_tells_its_outcome(tmp_path: Path, sql: str, said: str) -> None:
    client = Client(LocalTarget(tmp_path))
    client.execute(Request((Statement("CREATE TABLE t (a)"),)))
    press_when_running()
    with pytest.raises(SldbError) as caught:
        client.execute(Request((Statement(sql),)))
    assert (caught.value.code, caught.value.exit_code, message(caught.value)) == ("cancelled", 130, said)
    assert FileLock(tmp_path, Host()).holders() == []
    assert client.execute(Request((Statement("INSERT INTO t VALUES (1)"),))).txid == 2
    client.close()


@pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
def test_ctrl_c_after_the_commit_tells_what_was_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = LocalTarget(tmp_path)
    client = Client(target)
    client.execute(Request((Statement("CREATE TABLE t (a)"),)))
    release = FileLock.release

    def pressed(lock: FileLock, lock_id: str, database: str) -> bool:
        os.kill(os.getpid(), signal.SIGINT)
        target._interrupts.sleep(0.0)
        target._interrupts.now()
        return release(lock, lock_id, database)

    monkeypatch.setattr(FileLock, "release", pressed)
    with pytest.raises(TooLate) as caught:
        client.execute(Request((Statement("INSERT INTO t VALUES (1)"),)))
    monkeypatch.undo()
    assert str(caught.value) == "the request was over before it could be cancelled: 1 row changed · txid 2"
    assert client.execute(Request((Statement("SELECT a FROM t"),))).rows == [(1,)]
    client.close()


def press_when_running() -> None:
    """Press Ctrl-C while the engine runs, from another thread."""
    main = threading.main_thread().ident
    assert main is not None

    def press() -> None:
        wait_until(lambda: _is_in_engine(sys._current_frames()[main]), "that SQLite runs")
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press).start()


def _is_in_engine(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.endswith("sql/execution.py"):
            return True
        frame = frame.f_back
    return False
