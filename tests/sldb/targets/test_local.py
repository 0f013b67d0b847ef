"""The target over a directory: the lock of another process, as a client that waits sees it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lambda_handlers.host import Host
from lambda_handlers.locks.file import FileLock
from lambda_handlers.wire import Request, Statement
from sldb.client import Client
from sldb.targets.local import LocalTarget
from tests.fakes.terminal import pty
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
