"""Times of commits where a writer's clock is wrong, and the store's is right."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import apsw
import pytest

from lambda_handlers.locks.build import build_lock
from lambda_handlers.locks.none import NoLock
from lambda_handlers.locks.protocol import WriteLock
from lambda_handlers.locks.s3 import ObjectLock
from lambda_handlers.service import Service
from lambda_handlers.settings import Settings
from lambda_handlers.shared.lock_holder import lock_key
from lambda_handlers.storage.log.keys import transaction
from lambda_handlers.storage.log.ltx import Header
from lambda_handlers.store.protocol import ObjectInfo
from lambda_handlers.store_clock import StoreClock
from tests.fakes.clock import Clock
from tests.fakes.databases.past import act
from tests.fakes.databases.service import run
from tests.fakes.stores.faulty import FaultyStore
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed
from tests.fakes.stores.uploads import upload

HOUR, DAY, YEAR = 3600.0, 86_400.0, 365 * 86_400.0
AHEAD = (61.5, 900.0, HOUR, DAY, 3 * YEAR)
INSERT = "INSERT INTO t VALUES (1)"


class World:
    """A store with a right clock, and containers whose clocks are wrong by so much."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.store = FaultyStore(Timed(memory_store(), self.clock))
        self._made: list[Service] = []

    def container(self, wrong: float = 0.0, lock: Callable[..., WriteLock] | None = None) -> tuple[Service, Clock]:
        its, store_clock = Clock(self.clock.time + wrong, seed=len(self._made) + 1), StoreClock()
        writers = lock(self.store, its.host(), store_clock) if lock else NoLock(its.host())
        settings = Settings("s3://bucket", lock="s3" if lock else "none", log_level="error", temp_dir=gettempdir())
        service = Service(settings, its.host(), self.store, writers, store_clock)
        self._made.append(service)
        return service, its

    def stamps(self, *txids: int) -> list[float]:
        """Seconds after the store's time now."""
        keys = [transaction(txid).key("main") for txid in txids]
        return [Header.decode(self.store.get(key), key).timestamp_ms / 1000 - self.clock.time for key in keys]

    def close(self) -> None:
        for service in self._made:
            service.close()


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


def object_lock(store: Any, host: Any, clock: StoreClock) -> WriteLock:
    return ObjectLock(store, host, max_age_seconds=90, retry_seconds=1, clock=clock)


def legacy(world: World, ahead: float, count: int = 2) -> None:
    """Transactions that a clock stamped which was ahead, without any store's time: the table, and rows."""
    service, _ = world.container(ahead)
    run(service, "CREATE TABLE t (a)", request_id="create")
    for number in range(count):
        run(service, INSERT, request_id=f"ahead {number}")


# What is known of the store's time


def test_nothing_is_known_at_first() -> None:
    clock = StoreClock()
    assert clock.latest(5.0) is None
    assert clock.corrected(5.0) == 5.0


@pytest.mark.parametrize(
    ("ahead", "corrected"), [(-HOUR, 0), (-5, 0), (5, 0), (60, 0), (61.5, 60.5), (3 * YEAR, 3 * YEAR - 1)]
)
def test_more_than_a_minute_ahead_is_taken_back(ahead: float, corrected: float) -> None:
    clock = StoreClock()
    clock.observe_date(1000.0, sent_at=1000.0 + ahead)
    assert clock.corrected(1010.0 + ahead) == 1010.0 + ahead - corrected


@pytest.mark.parametrize("step", [-DAY, -3601.0, 3601.0, 3 * YEAR])
def test_what_was_told_before_a_step_is_not_believed(step: float) -> None:
    clock = StoreClock()
    clock.observe_date(1000.0, sent_at=1000.0 + HOUR)
    assert clock.latest(1000.0 + HOUR + step) is None


def test_the_date_of_an_object_tells_once_and_only_if_it_was_written_here() -> None:
    clock = StoreClock()
    clock.observe_listed("a", 50.0)
    assert clock.latest(100.0) is None
    clock.record_write("a", 100.0)
    clock.observe_listed("a", 50.0)
    assert clock.latest(100.0) == 51.0
    clock.observe_listed("a", 20.0)
    assert clock.latest(100.0) == 51.0


@pytest.mark.parametrize(
    ("found", "latest"), [(900.0, 901.0), (900.4, 901.4), (990.0, 991.0), (10.0, 901.0), (None, None)]
)
def test_a_date_that_takes_the_clock_back_needs_a_second_one(found: float | None, latest: float | None) -> None:
    clock = StoreClock()
    clock.record_write("a", 1000.0)
    clock.observe_listed("a", 900.0)
    assert clock.latest(1000.0) is None
    asked: list[str] = []
    for _ in range(2):
        clock.confirm(lambda key: asked.append(key) or found)
    assert (clock.latest(1000.0), asked) == (latest, ["a"])


# Commits


@pytest.mark.parametrize("ahead", AHEAD)
def test_with_the_s3_lock_no_commit_is_stamped_ahead(world: World, ahead: float) -> None:
    service, _ = world.container(ahead, object_lock)
    run(service, "CREATE TABLE t (a)")
    run(service, INSERT)
    act(service, "branch", **{"as": "b"})
    act(service, "restore", at=1)
    assert all(-1 <= stamp <= 61 for stamp in world.stamps(1, 2, 3))


@pytest.mark.parametrize("ahead", AHEAD)
def test_with_the_s3_lock_a_container_that_opened_the_database_before_is_not_ahead(world: World, ahead: float) -> None:
    run(world.container(0, object_lock)[0], "CREATE TABLE t (a)")
    service, _ = world.container(ahead, object_lock)
    run(service, "SELECT * FROM t")
    world.store.verbs()
    run(service, INSERT)
    assert world.store.verbs().count("info") == (2 if ahead > 60 else 1)  # the second confirms the first
    run(service, INSERT)
    assert "info" not in world.store.verbs()
    assert all(-1 <= stamp <= 61 for stamp in world.stamps(2, 3))


@pytest.mark.parametrize("ahead", AHEAD)
def test_with_a_file_lock_no_commit_is_stamped_ahead(tmp_path: Path, ahead: float) -> None:
    its, clock = Clock(time.time() + ahead), StoreClock()
    settings = Settings(f"file://{tmp_path}/db", lock="s3", temp_dir=str(tmp_path))
    lock = build_lock(settings, memory_store(), its.host(), clock)
    service = Service(settings, its.host(), lock=lock, clock=clock)
    run(service, "CREATE TABLE t (a)")
    run(service, INSERT)
    service.close()
    for txid in (1, 2):
        key = transaction(txid).key("main")
        path = tmp_path / "db" / key
        stamped = Header.decode(path.read_bytes(), key).timestamp_ms / 1000
        assert stamped <= os.stat(path).st_mtime + 61


def test_without_a_lock_a_container_knows_from_its_next_list_on(world: World) -> None:
    service, its = world.container(3 * YEAR)
    run(service, "CREATE TABLE t (a)")
    world.clock.time += 2000
    its.time += 2000
    run(service, INSERT)
    assert world.stamps(1)[0] > 2 * YEAR
    assert -1 <= world.stamps(2)[0] <= 1


@pytest.mark.parametrize("lock", [None, object_lock])
def test_a_clock_that_is_right_asks_nothing_more(world: World, lock: Any) -> None:
    service, _ = world.container(0, lock)
    run(service, "CREATE TABLE t (a)")
    run(service, INSERT)
    world.store.verbs()
    run(service, INSERT)
    of_lock = ["replace", "replace"] if lock else []
    assert sorted(world.store.verbs()) == sorted(["create", "replace", *of_lock])  # the head comes with every third one


@pytest.mark.parametrize("wrong", [-50.0, 0.0, 50.0])
def test_within_a_minute_times_do_not_go_back(world: World, wrong: float) -> None:
    run(world.container(50.0)[0], "CREATE TABLE t (a)")
    run(world.container(wrong)[0], INSERT)
    assert world.stamps(1, 2) == pytest.approx([50.0, 50.001], abs=1e-6)


@pytest.mark.parametrize("wrong", [-2 * HOUR, -4 * DAY, 3 * YEAR])
def test_one_wrong_date_of_the_lock_takes_no_clock_along(
    world: World, wrong: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the log's time goes back with the clock, and requests are forgotten."""
    first, last = world.container()[0], world.container()[0]
    run(first, "CREATE TABLE t (a)")
    run(first, INSERT, request_id="one")
    timed = world.store.store
    listed = timed.list_objects

    def damaged(prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        for info in listed(prefix, after):
            yield replace(info, modified_at=info.modified_at + wrong) if info.key == lock_key("main") else info

    with monkeypatch.context() as patch:
        patch.setattr(timed, "list_objects", damaged)
        run(world.container(0, object_lock)[0], INSERT)
    run(last, INSERT)
    run(last, INSERT, request_id="one")
    assert run(last, "SELECT count(*) FROM t").rows == [(3,)]
    assert all(-1 <= stamp <= 1 for stamp in world.stamps(3, 4))


# After a commit whose clock was ahead


@pytest.mark.parametrize("ahead", [HOUR, 3 * YEAR])
@pytest.mark.parametrize("lock", [None, object_lock])
def test_the_next_write_has_its_own_time_again(world: World, lock: Any, ahead: float) -> None:
    legacy(world, ahead)
    world.clock.time += 100
    service, _ = world.container(0, lock)
    run(service, INSERT)
    run(service, INSERT)
    assert all(-1 <= stamp <= 1 for stamp in world.stamps(4, 5))
    assert run(service, "SELECT count(*) FROM t", at="2027-01-15T08:02:00Z").txid == 5  # a moment later


def test_a_warm_copy_that_meets_it_lists_once(world: World) -> None:
    warm, _ = world.container()
    run(warm, "CREATE TABLE t (a)")
    other, _ = world.container(3 * YEAR)
    run(other, INSERT)
    world.store.verbs()
    run(warm, INSERT)
    assert world.store.verbs().count("list_objects") == 1
    run(warm, INSERT)
    assert "list_objects" not in world.store.verbs()
    assert -1 <= world.stamps(3)[0] <= 1


@pytest.mark.parametrize("behind", [HOUR, 3 * YEAR])
def test_a_clock_that_is_behind_does_not_take_the_log_back(world: World, behind: float) -> None:
    run(world.container()[0], "CREATE TABLE t (a)")
    run(world.container(-behind)[0], INSERT)
    assert world.stamps(1, 2) == pytest.approx([0.0, 0.001], abs=1e-6)


@pytest.mark.parametrize("wrong", [-3 * YEAR, 3 * YEAR])
def test_one_date_that_is_wrong_takes_no_clock_along(world: World, wrong: float) -> None:
    run(world.container()[0], "CREATE TABLE t (a)")
    late, _ = world.container(-HOUR)
    run(late, "SELECT * FROM t")
    key = transaction(1).key("main")
    world.store.store._written[key] += wrong  # type: ignore[attr-defined]  # a Timed
    for _ in range(3):
        run(late, INSERT)
    assert all(-HOUR <= stamp <= 1 for stamp in world.stamps(2, 3, 4))


@pytest.mark.parametrize("behind", [HOUR, 3 * YEAR])
def test_a_clock_that_is_behind_has_its_requests_remembered(world: World, behind: float) -> None:
    right, late = world.container()[0], world.container(-behind)[0]
    run(right, "CREATE TABLE t (a)")
    run(late, INSERT, request_id="late")
    for number in range(2):
        run(right, INSERT, request_id=f"right {number}")
        for service in (right, late):
            run(service, INSERT, request_id="late")
    assert run(right, "SELECT count(*) FROM t").rows == [(3,)]


@pytest.mark.parametrize("ahead", [HOUR, 3 * YEAR])
def test_no_request_is_applied_twice_when_the_time_goes_back(world: World, ahead: float) -> None:
    legacy(world, ahead)
    service, _ = world.container()
    for _ in range(3):
        run(service, INSERT, request_id="back")
        for request_id in ("ahead 0", "ahead 1", "back"):
            run(service, INSERT, request_id=request_id)
            assert act(service, "result", request_id=request_id)["state"] == "applied"
    assert run(service, "SELECT count(*) FROM t").rows == [(3,)]


def test_an_entry_is_never_later_than_its_transaction(world: World) -> None:
    for number, wrong in enumerate((0.0, 50.0, 3 * YEAR, -HOUR, 0.0, 900.0, -20.0)):
        service, _ = world.container(wrong, object_lock)
        run(service, "CREATE TABLE IF NOT EXISTS t (a)")
        reply = run(service, INSERT, request_id=f"request {number}")
        newest = run(service, "SELECT max(recorded_at) FROM _sldb_requests").rows[0][0]
        assert newest <= world.stamps(reply.txid)[0] + world.clock.time
        world.clock.time += 5


def test_what_records_nothing_does_not_take_the_log_back(world: World) -> None:
    """Else what is recorded in it would be later than its newest transaction, and not believed."""
    legacy(world, DAY)
    service, _ = world.container()
    run(service, "VACUUM")
    assert world.stamps(4)[0] >= DAY
    assert act(service, "result", request_id="ahead 1")["state"] == "applied"
    run(service, INSERT)
    assert -1 <= world.stamps(5)[0] <= 1


def test_what_holds_another_state_has_its_own_time(world: World, tmp_path: Path) -> None:
    service, _ = world.container()
    run(service, "CREATE TABLE t (a)", request_id="first")
    run(world.container(DAY)[0], INSERT, request_id="ahead")
    act(service, "restore", at=1)
    run(world.container(DAY)[0], INSERT, request_id="ahead again")
    act(service, "drop_database")
    run(world.container(DAY)[0], "CREATE TABLE t (a)")
    write_database(tmp_path / "pushed.db")
    act(service, "push_commit", **upload(world.store, tmp_path / "pushed.db", "main"))
    assert all(stamp >= DAY for stamp in world.stamps(2, 4, 6))
    assert all(-1 <= stamp <= 1 for stamp in world.stamps(3, 5, 7))


def test_a_state_of_then_is_not_older_than_what_is_recorded_in_it(world: World) -> None:
    legacy(world, DAY)
    service, _ = world.container()
    run(service, INSERT, request_id="back")
    act(service, "restore", at=3)
    assert world.stamps(5)[0] >= DAY
    for _ in range(2):
        run(service, INSERT, request_id="ahead 1")
    assert run(service, "SELECT count(*) FROM t").rows == [(2,)]
    run(service, INSERT, request_id="again")
    run(service, INSERT, request_id="ahead 1")
    assert run(service, "SELECT count(*) FROM t").rows == [(3,)]
    assert -1 <= world.stamps(6)[0] <= 1


def write_database(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE pushed (a); INSERT INTO pushed VALUES (1)")
    connection.close()
