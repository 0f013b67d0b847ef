"""Ctrl-C while a request runs on a function: what is cancelled, and what is told of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.host import Host
from lambda_handlers.locks.file import FileLock
from lambda_handlers.wire import Action, Reply, Request, Result, SldbError, Statement
from sldb import cancelling
from sldb.cancelling import TooLate
from sldb.client import Client
from sldb.targets.local import LocalTarget
from tests.fakes.terminal.command import COMMAND, environment
from tests.fakes.waiting import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")

WROTE = Reply((Result((), [], 1),), 7, "main", {"commit_ms": 1.0})
CANCELLED = SldbError("cancelled", "the request was cancelled", applied="no")


class Function:
    """A target whose request runs until it is cancelled; Ctrl-C is pressed while it runs."""

    name = "lambda:f"

    def __init__(self, end: Callable[[], Reply], refusal: SldbError | None = None) -> None:
        self._end = end
        self._refusal = refusal
        self._is_cancelled = threading.Event()
        self.request: Request | None = None
        self.actions: list[Action] = []

    def send(self, request: Request) -> Reply:
        self.request = request
        press_ctrl_c()
        assert self._is_cancelled.wait(60)
        return self._end()

    def act(self, action: Action) -> dict[str, Any]:
        self.actions.append(action)
        if self._refusal is not None:
            raise self._refusal
        self._is_cancelled.set()
        return {"state": "not_applied"}

    def result(self, database: str, request_id: str) -> tuple[dict[str, Any], Reply | None]:
        raise NotImplementedError

    def close(self) -> None:
        self._is_cancelled.set()


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def raises(error: BaseException) -> Callable[[], Reply]:
    def end() -> Reply:
        raise error

    return end


def insert() -> Request:
    return Request((Statement("INSERT INTO t VALUES (1)"),))


def test_a_cancelled_request_tells_that_nothing_was_applied() -> None:
    target, said = Function(raises(CANCELLED)), list[str]()
    with pytest.raises(SldbError) as caught:
        Client(target, on_cancel=said.append).execute(insert())
    assert (caught.value.code, caught.value.exit_code) == ("cancelled", 130)
    assert said == ["cancelling the request; Ctrl-C again stops waiting"]
    assert target.request is not None
    assert target.request.attempt
    named = {"request_id": target.request.request_id, "attempt": target.request.attempt}
    assert target.actions == [Action("cancel", "main", named)]


def test_each_attempt_has_its_name() -> None:
    attempts = set()
    for _ in range(3):
        target = Function(raises(CANCELLED))
        with pytest.raises(SldbError):
            Client(target, on_cancel=lambda _: None).execute(Request((Statement("SELECT 1"),), request_id="same"))
        assert target.request is not None
        assert target.request.request_id == "same"
        attempts.add(target.request.attempt)
    assert len(attempts) == 3


def test_one_that_was_over_tells_what_it_did() -> None:
    written = list[str]()
    target = Function(lambda: WROTE)
    with pytest.raises(TooLate) as caught:
        Client(target, on_write=written.append, on_cancel=lambda _: None).execute(insert())
    assert caught.value.reply is WROTE
    assert str(caught.value) == "the request was over before it could be cancelled: 1 row changed · txid 7"
    assert written == ["main"]


def test_another_error_stands() -> None:
    error = SldbError("store_error", "no answer", applied="unknown")
    with pytest.raises(SldbError) as caught:
        Client(Function(raises(error)), on_cancel=lambda _: None).execute(insert())
    assert caught.value is error


def test_a_function_that_cannot_cancel_is_not_waited_for() -> None:
    target, said = Function(lambda: WROTE, SldbError("bad_request", "action: got 'cancel'")), list[str]()
    with pytest.raises(KeyboardInterrupt) as caught:
        Client(target, on_cancel=said.append).execute(insert())
    target.close()
    assert not isinstance(caught.value, TooLate)
    assert said[1] == "the request could not be cancelled: action: got 'cancel'"


def test_one_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cancelling, "ANSWER_SECONDS", 0.0)
    over = threading.Event()

    def request() -> Reply:
        press_ctrl_c()
        over.wait(60)
        return WROTE

    with pytest.raises(KeyboardInterrupt):
        cancelling.send(request, lambda: None, lambda _: None)
    over.set()


def test_a_second_ctrl_c_does_not_wait() -> None:
    over = threading.Event()

    def request() -> Reply:
        press_ctrl_c()
        over.wait(60)
        return WROTE

    with pytest.raises(KeyboardInterrupt):
        cancelling.send(request, press_ctrl_c, lambda _: None)
    over.set()


def test_without_ctrl_c_a_reply_is_a_reply_and_an_error_an_error() -> None:
    assert cancelling.send(lambda: WROTE, lambda: None, lambda _: None) is WROTE
    with pytest.raises(SldbError, match="cancelled"):
        cancelling.send(raises(CANCELLED), lambda: None, lambda _: None)


def test_outside_of_the_main_thread_nothing_is_started() -> None:
    ran_in = list[threading.Thread]()

    def request() -> Reply:
        ran_in.append(threading.current_thread())
        return WROTE

    thread = threading.Thread(target=lambda: cancelling.send(request, lambda: None, lambda _: None))
    thread.start()
    thread.join()
    assert ran_in == [thread]


@pytest.mark.long
def test_a_process_over_a_directory_is_cancelled_by_another(tmp_path: Path) -> None:
    client = Client(LocalTarget(tmp_path / "db"))
    client.execute(Request((Statement("CREATE TABLE t (a)"),)))
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE i < 0"
    process = subprocess.Popen(
        [*COMMAND, "--local", str(tmp_path / "db"), "query", f"INSERT INTO t {endless}", "--request-id", "r"],
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=environment(tmp_path),
    )
    lock = FileLock(tmp_path / "db", Host())
    wait_until(lock.holders, "that it runs: it has the lock")
    assert client.cancel("r")["state"] == "not_applied"
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert b"the request was cancelled; nothing was applied [cancelled]" in stderr
    assert client.execute(Request((Statement("INSERT INTO t VALUES (1)"),))).txid == 2
    client.close()


def test_a_client_cancels_by_id() -> None:
    target = Function(lambda: WROTE)
    assert Client(target, "other").cancel("r") == {"state": "not_applied"}
    assert target.actions == [Action("cancel", "other", {"request_id": "r"})]
