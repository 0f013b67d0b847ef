"""Under a pin, statements show the same values whenever and wherever they run; without one, no two runs do."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import apsw
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_handlers.sql.pin import Pin
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store
from tests.lambda_handlers.sql.pinned_statements import (
    FIRST,
    PIN,
    STATEMENTS,
    all_at_once,
    each_from_the_beginning,
    fill,
    runner,
    with_others_between,
)

STORE = memory_store()
fill(STORE)
OTHER_PIN = Pin(b"another seed of some length", 0)
CHANCE = "SELECT random(), hex(randomblob(16)) FROM many"


class Others:
    """Work of other requests, pinned and not, which moves the generator."""

    def __init__(self) -> None:
        self._pinned, self._unpinned = runner(STORE, OTHER_PIN), runner(STORE, None)

    def __enter__(self) -> Others:
        self._runners = [self._pinned.__enter__(), self._unpinned.__enter__()]
        return self

    def __exit__(self, *raised: object) -> None:
        self._pinned.__exit__(None, None, None)
        self._unpinned.__exit__(None, None, None)

    def __call__(self) -> None:
        for one in self._runners:
            one.run("INSERT INTO many VALUES (randomblob(40)), (random())")


@pytest.mark.long
@settings(max_examples=settings().max_examples // 3)
@given(st.lists(st.sampled_from(STATEMENTS), min_size=1, max_size=6))
def test_a_continued_session_and_a_replay_show_what_one_run_shows(queries):
    with Others() as others_of_sldb:

        def others() -> None:
            others_of_sldb()
            apsw.randomness(7)

        at_once = all_at_once(STORE, queries)
        assert with_others_between(STORE, queries, others) == at_once
        assert each_from_the_beginning(STORE, queries, others) == at_once


def test_all_statements_in_order_show_the_same_in_threads_beside_others():
    at_once = all_at_once(STORE, STATEMENTS)
    shown, is_over = [], threading.Event()

    def disturb():
        with Others() as others:
            while not is_over.is_set():
                others()

    disturbing = [threading.Thread(target=disturb) for _ in range(2)]
    running = [threading.Thread(target=lambda: shown.append(all_at_once(STORE, STATEMENTS))) for _ in range(3)]
    for thread in (*disturbing, *running):
        thread.start()
    for thread in running:
        thread.join()
    is_over.set()
    for thread in disturbing:
        thread.join()
    assert shown == [at_once] * 3


def test_what_is_committed_is_the_same_to_the_byte():
    images = []
    for disturbs in (False, True):
        store = memory_store()
        for info in STORE.list_objects(""):
            store.create(info.key, STORE.get(info.key))
        with runner(store) as one, Others() as others:
            for query in STATEMENTS:
                one.run(query)
                if disturbs:
                    others()
            images.append(one.commit())
    assert images[0] == images[1]


def test_statements_of_one_pin_differ_and_so_do_pins():
    with runner(STORE) as one:
        shown = [one.run("SELECT random()") for _ in range(3)]
    assert len(set(map(str, shown))) == 3
    assert all_at_once(STORE, ["SELECT random()"], OTHER_PIN) != all_at_once(STORE, ["SELECT random()"])


def test_a_statement_that_begins_the_writing_sees_the_chance_of_its_place():
    """It is prepared twice: before the transaction begins, and after."""
    values = {}
    for first in ("SELECT 1", "INSERT INTO many VALUES (1)"):
        _, shown = all_at_once(STORE, [first, "INSERT INTO t DEFAULT VALUES RETURNING r, u"])
        values[first] = shown[1]
    assert len(set(map(str, values.values()))) == 1


def test_the_time_is_that_of_the_pin_in_all_its_forms():
    query = (
        "SELECT datetime('now'), CURRENT_TIMESTAMP, CURRENT_DATE, CURRENT_TIME, strftime('%f', 'now'), unixepoch(), "
        "unixepoch('subsec'), round(julianday('now'), 6), time('now', 'subsec'), timediff('now', '2023-11-14')"
    )
    (_, rows, *_), *_ = all_at_once(STORE, [query])
    assert rows == [
        (
            *("2023-11-14 22:13:20", "2023-11-14 22:13:20", "2023-11-14", "22:13:20", "20.123", 1_700_000_000),
            *(1_700_000_000.123, 2460263.425927, "22:13:20.123", "+0000-00-00 22:13:20.123"),
        )
    ]


@pytest.fixture(scope="module")
def service():
    service = container(STORE)
    yield service
    service.close()


def test_a_request_may_bring_a_pin(service):
    pin = {"seed": PIN.seed.hex(), "time": "2023-11-14T23:13:20.123+01:00"}
    query = "INSERT INTO t DEFAULT VALUES RETURNING *; SELECT random(), datetime('now')"
    first, second = (run(service, query, pin=pin, dry_run=True) for _ in range(2))
    assert first.results == second.results
    assert [list(result.rows) for result in first.results] == [
        rows for _, rows, *_ in all_at_once(STORE, query.split(";"))
    ]


def test_without_a_pin_no_request_can_be_predicted(service):
    pin = {"seed": PIN.seed.hex(), "time": "2023-11-14T22:13:20.123Z"}
    seen = []
    for _ in range(3):
        run(service, CHANCE, pin=pin)
        seen.append(run(service, CHANCE).rows)
        seen.append(run(service, CHANCE).rows)
    assert len(set(map(str, seen))) == 6
    clock = run(service, "SELECT datetime('now')").rows
    assert clock > [("2026",)]


PROGRAM = """
import json
from tests.fakes.stores.memory import memory_store
from tests.lambda_handlers.sql.pinned_statements import FIRST, STATEMENTS, all_at_once, fill
store = memory_store()
first = all_at_once(store, [FIRST])
fill(store)
print(json.dumps([repr([first, all_at_once(store, STATEMENTS)]), repr(all_at_once(store, ["SELECT random()"], None))]))
"""


def test_processes_agree_under_a_pin_and_on_nothing_else():
    """The first statement of a fresh process makes the process's first temporary file."""
    root = Path(__file__).parents[3]
    told = [
        json.loads(subprocess.run([sys.executable, "-c", PROGRAM], cwd=root, check=True, capture_output=True).stdout)
        for _ in range(2)
    ]
    here = repr([all_at_once(memory_store(), [FIRST]), all_at_once(STORE, STATEMENTS)])
    assert {pinned for pinned, _ in told} == {here}
    assert told[0][1] != told[1][1]


def test_the_system_keeps_its_own_default_vfs():
    before = apsw.vfs_names()[0]
    all_at_once(STORE, ["SELECT random()"])
    assert apsw.vfs_names()[0] == before != "sldb-seed"
