"""Ctrl-C and the engine in this process: noticed where it can be answered, never lost, never doubled."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from lambda_handlers.wire import Request, SldbError, Statement
from sldb.client import Client
from sldb.targets.interrupts import Interrupts
from sldb.targets.local import LocalTarget

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
ENDLESS = "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n"


def press_ctrl_c() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_it_waits_for_the_next_look_at_the_time() -> None:
    interrupts = Interrupts()
    steps = []
    with pytest.raises(KeyboardInterrupt), interrupts.noted():  # noqa: PT012 - the block is what is tested
        press_ctrl_c()
        steps.append("goes on")
        interrupts.now()
        steps.append("not reached")
    assert steps == ["goes on"]
    assert interrupts.now() > 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_it_is_raised_at_the_end_if_nobody_looked() -> None:
    with pytest.raises(KeyboardInterrupt), Interrupts().noted():
        press_ctrl_c()


def test_it_ends_a_sleep() -> None:
    interrupts = Interrupts()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), interrupts.noted():  # noqa: PT012 - the block is what is tested
        threading.Timer(0.05, press_ctrl_c).start()
        interrupts.sleep(60)
    assert time.monotonic() - started < 60


def test_other_threads_and_other_handlers_are_left_alone() -> None:
    interrupts = Interrupts()
    mine = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts.noted():
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            press_ctrl_c()
    finally:
        signal.signal(signal.SIGINT, mine)
    thread = threading.Thread(target=lambda: interrupts.noted().__enter__())
    thread.start()
    thread.join()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_endless_statement_ends_and_the_database_goes_on(tmp_path: Path) -> None:
    client = Client(LocalTarget(tmp_path))
    client.execute(Request((Statement("create table t(a)"),)))
    timer = threading.Timer(0.3, press_ctrl_c)
    timer.start()
    with pytest.raises(SldbError) as caught:
        client.execute(Request((Statement(f"insert into t values (1); {ENDLESS}"),)))
    assert (caught.value.code, caught.value.details["applied"]) == ("cancelled", "no")
    assert client.execute(Request((Statement("select count(*) from t"),))).rows == [(0,)]
    client.execute(Request((Statement("insert into t values (2)"),)))
    assert client.execute(Request((Statement("select a from t"),))).rows == [(2,)]
    client.close()
