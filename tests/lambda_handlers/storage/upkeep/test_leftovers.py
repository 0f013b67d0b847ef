"""Objects of no database: the age for their removal, and nothing else goes."""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path

import pytest

from lambda_handlers import deadlock_fix
from lambda_handlers.host import Host
from lambda_handlers.log import Log
from lambda_handlers.storage.log.keys import move_key, reply_key, rows_key, sweep_clock_key
from lambda_handlers.storage.upkeep.leftovers import MOVES_SECONDS, PAUSE_SECONDS, ROWS_SECONDS, Leftovers
from lambda_handlers.store.directory import DirectoryStore
from tests.fakes.clock import Clock
from tests.fakes.databases.service import container, run
from tests.fakes.stores.faulty import FaultyStore, lose_request
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed

ROWS, OF_BUCKET, SLICE = rows_key("0" * 16, "main"), rows_key("1" * 16), move_key("a" * 16, 0)
OTHERS = ("main/0000/0000000000000001-0000000000000001.ltx", reply_key("0" * 16), "_streams/x", "_keys/transactions")


def keys(store: Timed) -> set[str]:
    return {info.key for info in store.list_objects("")}


@pytest.mark.parametrize(
    ("age", "removed"),
    [
        (ROWS_SECONDS, set()),
        (ROWS_SECONDS + 1, {ROWS, OF_BUCKET}),
        (MOVES_SECONDS, {ROWS, OF_BUCKET}),
        (MOVES_SECONDS + 1, {ROWS, OF_BUCKET, SLICE}),
        (1e9, {ROWS, OF_BUCKET, SLICE}),
    ],
)
def test_each_kind_goes_at_its_age(age: float, removed: set[str]) -> None:
    clock = Clock()
    store = Timed(memory_store(), clock)
    every = {ROWS, OF_BUCKET, SLICE, *OTHERS}
    for key in every:
        store.create(key, b"x")
    clock.time += age
    count = Leftovers(store, Clock().host(), Log("error")).remove()  # type: ignore[arg-type]
    assert (count, keys(store) - {sweep_clock_key()}) == (len(removed), every - removed)


def test_it_looks_now_and_then() -> None:
    clock = Clock()
    store = Timed(memory_store(), clock)
    store.create(ROWS, b"x")
    clock.time += ROWS_SECONDS
    leftovers = Leftovers(store, clock.host(), Log("error"))  # type: ignore[arg-type]
    assert leftovers.remove() == 0
    clock.time += PAUSE_SECONDS - 1
    assert leftovers.remove() == 0  # too early
    clock.time += 1
    assert leftovers.remove() == 1


def test_a_store_that_does_not_answer_is_asked_again_later(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    store = FaultyStore(Timed(memory_store(), clock))  # type: ignore[arg-type]  # it forwards all verbs
    store.create(ROWS, b"x")
    clock.time += ROWS_SECONDS + 1
    store.plan("list_objects", lose_request)
    leftovers = Leftovers(store, clock.host(), Log("error"))
    assert leftovers.remove() == 0
    assert json.loads("".join(capsys.readouterr()))["event"] == "leftovers"
    clock.time += PAUSE_SECONDS
    assert leftovers.remove() == 1


def test_the_scheduled_function_removes_them_from_a_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = DirectoryStore(tmp_path)
    with closing(container(store)) as service:
        run(service, "CREATE TABLE t (a)")
    for key in (ROWS, SLICE, rows_key("2" * 16, "main")):
        store.create(key, b"x")
    written = Host().now() - MOVES_SECONDS - 60
    for key in (ROWS, SLICE):
        os.utime(tmp_path / key, (written, written))
    monkeypatch.setenv("SLDB_STORE", tmp_path.as_uri())
    monkeypatch.setenv("SLDB_LOCK", "s3")
    assert deadlock_fix.handler({})["statusCode"] == 200
    left = {info.key for prefix in ("_replies/", "_moves/") for info in store.list_objects(prefix)}
    assert left == {rows_key("2" * 16, "main")}
