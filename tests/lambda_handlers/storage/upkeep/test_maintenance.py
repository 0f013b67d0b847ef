"""Maintenance: passes that are due, their lease, their removals, and passes that are killed."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from lambda_handlers.actions.clone_mark import mark
from lambda_handlers.storage.commit import PageChanges
from lambda_handlers.storage.folding import UNIT
from lambda_handlers.storage.log import ltx, work_items
from lambda_handlers.storage.log.keys import LtxName, transaction, work_key
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from lambda_handlers.storage.upkeep.lease import LEASE_SECONDS
from lambda_handlers.storage.upkeep.maintenance import LIST_SECONDS
from lambda_handlers.storage.upkeep.retention import FLOOR_SECONDS
from lambda_handlers.store.protocol import Unavailable
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.lambda_handlers.storage.upkeep.passes import DAY, RETENTION_DAYS, World


def test_a_database_that_nobody_writes_to_costs_nothing(world: World) -> None:
    world.write(3)
    for _ in range(2):  # the first sweep, and what it says at its end
        world.maintain()
    asked: list[tuple[str, str]] = []
    world.store.before = lambda verb, key: asked.append((verb, key))
    world.clock.time += 60
    assert world.maintain() == []
    assert asked == [("get_with_tag", "_sweep/maintenance.json"), ("list_objects", "_work/")]
    world.write(UNIT)
    assert world.maintain() != []


def waiting(world: World, count: int) -> list[str]:
    """Databases with work items, the last one waiting longest."""
    world.write(3)
    for _ in range(2):  # the first sweep, and what it says at its end
        world.maintain()
    names = [f"db-{number}" for number in range(count)]
    for name in reversed(names):
        world.store.create(transaction(1).key(name), world.store.get(transaction(1).key("main")))
        world.store.create(work_key(name, 1), b"")
        world.clock.time += 10
    return names


def slow(world: World, seconds: float) -> None:
    """Let each pass take so long."""

    def spend(verb: str, key: str) -> None:
        if verb == "create" and key.endswith("/maintenance.json"):
            world.clock.time += seconds

    world.store.before = spend


def test_the_longest_wait_comes_first_and_the_next_run_goes_on(world: World) -> None:
    names = waiting(world, 6)
    slow(world, 400)
    assert [report["database"] for report in world.maintain()] == names[:2:-1]
    world.maintenance = world.container()
    assert [report["database"] for report in world.maintain()] == names[2::-1]
    assert world.maintain() == []


def test_a_run_lists_again_and_leaves_out_what_another_one_has_done(world: World) -> None:
    names = waiting(world, 4)
    other, done = world.container(), list[str]()

    def overtake(verb: str, key: str) -> None:
        if verb == "replace" and key.endswith("/maintenance.json"):
            world.store.before = lambda _verb, _key: None
            world.clock.time += LIST_SECONDS + 1
            done.extend(report.database for report in other.run(world.clock.time + 900))

    world.store.before = overtake
    assert [report["database"] for report in world.maintain()] == names[-1:]
    assert done == names[-2::-1]


def test_a_damaged_database_holds_no_other_one_up(world: World) -> None:
    names = waiting(world, 3)
    world.store.put(transaction(1).key(names[-1]), b"damaged")
    world.store.create(transaction(3).key(names[-1]), b"after a gap")
    for _ in range(2):
        reports = {report["database"]: report.get("error") for report in world.maintain()}
        assert reports.pop(names[-1])
        assert set(reports.values()) <= {None}
        world.clock.time += 60
    assert [one.database for one in work_items.find(world.store)] == names[-1:]  # type: ignore[arg-type]  # a Timed


def test_a_work_item_of_no_database_makes_none_and_goes_after_a_day(world: World) -> None:
    world.store.create(work_key("gone", 5), b"")
    assert world.maintain() == []
    assert world.store.deleted == []
    world.clock.time += DAY + 1
    assert world.maintain() == []
    assert world.store.deleted == [work_key("gone", 5)]
    assert "gone" not in world.store.list_directories("")


def test_retention_takes_what_is_old_and_keeps_what_it_promises(world: World) -> None:
    images = {}
    for txid in range(1, 61):
        world.write(1)
        images[txid] = world.writer.image()
        world.clock.time += DAY / 10  # six days
        world.maintain()
    first_kept = 60 - int(RETENTION_DAYS * 10) + 1
    assert world.images(*range(first_kept, 61)) == {txid: images[txid] for txid in range(first_kept, 61)}
    assert transaction(1).key("main") in world.store.deleted
    assert len(world.names()) < 60
    with pytest.raises(SldbError) as caught:
        world.images(2)
    assert caught.value.code == "not_found"


def test_nothing_younger_than_the_floor_is_removed(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.maintenance.retention_days = 0
    world.write(50)
    world.maintain()
    world.clock.time += FLOOR_SECONDS - 1
    world.maintain("main")
    assert world.removed == []
    world.clock.time += 2
    world.maintain("main")
    assert transaction(5).key("main") in world.store.deleted
    assert world.images(50)[50] == world.writer.image()
    world.close()


def test_a_clock_that_is_ahead_removes_nothing_early(world: World) -> None:
    """Ages are told by the store's clock alone: the lease that was just written says what time it is there."""
    world.maintenance.retention_days = 0
    world.write(50)
    ahead = Clock(world.clock.time + 30 * DAY)
    world.maintenance.host = ahead.host()
    world.maintenance.run(ahead.time + 900)
    assert world.removed == []


def test_page_maps_go_before_their_files(world: World) -> None:
    world.maintenance.retention_days = 0
    world.writer.write("CREATE TABLE big(x)", "INSERT INTO big VALUES (randomblob(900000))")
    world.writer.write("UPDATE big SET x = randomblob(900000)")
    world.maintain("main")
    world.clock.time += FLOOR_SECONDS + 1
    world.maintain("main")
    for txid in (1, 2):
        file, page_map = transaction(txid).key("main"), transaction(txid).page_map_key("main")
        assert world.store.deleted.index(page_map) < world.store.deleted.index(file)


def test_stale_uploads_go_and_foreign_objects_stay(world: World) -> None:
    world.write(1)
    for key in ("main/uploads/a/1", "main/readme.txt", "main/0000/notes", "other/readme.txt"):
        world.store.create(key, b"x")
    world.clock.time += DAY + 1
    world.maintain()
    assert world.removed == ["main/uploads/a/1"]


def test_two_at_once_do_the_work_once(world: World) -> None:
    world.write(40)
    other = world.container()
    reports: list[object] = []

    def interfere(verb: str, key: str) -> None:
        if verb == "create_from":
            world.store.before = lambda _verb, _key: None
            reports.extend(other.run(world.clock.time + 900))

    world.store.before = interfere
    (report,) = world.maintain()
    assert reports == []
    assert report["snapshot"] == 40


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.long) for seed in (1, 2))])
def test_killed_at_any_call_the_next_one_goes_on(tmp_path: Path, seed: int) -> None:
    for calls in range(60):
        world = World(tmp_path)
        world.maintenance.retention_days = 0
        world.writer.write("CREATE TABLE big(x)", "INSERT INTO big VALUES (randomblob(200000))")
        world.writer.write("CREATE TABLE t(n INTEGER PRIMARY KEY, body)")
        world.write(18 + 15 * seed)
        if seed:
            world.maintain()
            world.clock.time += FLOOR_SECONDS + 1
            world.write(6)
        image, newest = world.writer.image(), world.writer.replica.txid
        world.store.calls_left = calls
        world.maintain("main")
        done = world.store.calls_left
        world.store.calls_left = None
        assert world.images(newest) == {newest: image}
        cold = world.engine()
        cold.replica.refresh()
        assert cold.image() == image
        world.clock.time += LEASE_SECONDS + 1
        world.maintenance = world.container()
        (report,) = world.maintain("main")
        assert "error" not in report
        assert world.images(newest) == {newest: image}
        world.write(1)
        world.close()
        if done:
            return
    raise AssertionError("a pass takes more than 60 calls")


class Machine(RuleBasedStateMachine):
    """Writers, passes that are killed or not, time, drops and other page sizes, against images by txid."""

    @initialize()
    def begin(self) -> None:
        self.directory = tempfile.TemporaryDirectory()
        self.world = World(Path(self.directory.name))
        self.images: dict[int, bytes] = {}
        self.times: dict[int, float] = {}
        self.warm = self.world.engine()

    @rule(count=st.integers(1, 20), size=st.integers(1, 3000))
    def write(self, count: int, size: int) -> None:
        for _ in range(count):
            self.world.writer.write(
                "CREATE TABLE IF NOT EXISTS t(n INTEGER PRIMARY KEY, body)",
                f"INSERT INTO t(body) VALUES (randomblob({size}))",
            )
            self._note()

    @rule()
    def shrink(self) -> None:
        writer = self.world.writer
        writer.replica.refresh()
        if writer.replica.page_count > 3:
            writer.write("DELETE FROM t WHERE n % 3 > 0")
            self._note()
            writer.vacuum()
            self._note()

    @rule()
    def drop(self) -> None:
        replica = self.world.writer.replica
        replica.refresh()
        if replica.page_count:
            replica.commit(PageChanges(replica.page_size, 0, tuple))
            self._note()

    @rule(hours=st.sampled_from([0.01, 0.3, 1.1, 20, 60]))
    def wait(self, hours: float) -> None:
        self.world.clock.time += hours * 3600

    @rule(calls=st.none() | st.integers(0, 40), is_cold=st.booleans())
    def maintain(self, calls: int | None, is_cold: bool) -> None:
        if is_cold:
            self.world.maintenance = self.world.container()
        self.world.store.calls_left = calls
        try:
            self.world.maintain("main")
        except Unavailable:
            assert calls is not None
        self.world.store.calls_left = None

    @rule(data=st.data())
    def look_back(self, data: st.DataObject) -> None:
        if self.images:
            promised = [t for t, at in self.times.items() if at > self.world.clock.time - RETENTION_DAYS * DAY]
            txid = data.draw(st.sampled_from(promised or [max(self.images)]))
            assert self.world.images(txid) == {txid: self.images[txid]}

    @invariant()
    def the_newest_state_is_there(self) -> None:
        if self.images:
            newest = max(self.images)
            self.warm.replica.refresh()
            cold = self.world.engine()
            cold.replica.refresh()
            for engine in (self.warm, cold):
                assert engine.replica.txid == newest
                assert engine.image() == self.images[newest]
            cold.close()
            self.world.engines.remove(cold)

    def _note(self) -> None:
        txid = self.world.writer.replica.txid
        self.images[txid] = self.world.writer.image()
        self.times[txid] = self.world.clock.time

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.close()
            self.directory.cleanup()


@pytest.mark.parametrize("examples", [10, pytest.param(40, marks=pytest.mark.long)])
def test_every_promised_transaction_reads_as_it_was(examples: int) -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


def test_the_base_of_a_copy_stays_although_a_fold_covers_it(world: World) -> None:
    """Level 0 has each transaction of a fold, but for the first of a copy: where that would lie is its mark."""
    world.write(3)
    first, at_three = transaction(1).key("main"), world.writer.image()
    header, size = world.writer.replica, world.writer.replica.page_size
    pages = [(ltx.Pgno(n + 1), at_three[n * size : (n + 1) * size]) for n in range(header.page_count)]
    fold = ltx.Header(size, header.page_count, 1, 3, header.timestamp_ms)
    world.store.create(LtxName(1, 1, 1).key("main"), world.store.get(first))
    world.store.create(LtxName(1, 1, 3).key("main"), encode_ltx(fold, pages))
    world.store.delete_many([first])
    world.store.create(first, encode_ltx(mark(replace(fold, max_txid=2), "source"), ()))
    before = world.images(2, 3)

    world.clock.time += 2 * FLOOR_SECONDS
    world.maintain("main")
    assert world.images(2, 3) == before
    world.write()
    world.clock.time += RETENTION_DAYS * DAY + 2 * FLOOR_SECONDS
    world.write()
    world.maintain("main")
    world.clock.time += 2 * FLOOR_SECONDS
    world.maintain("main")
    assert transaction(1) not in world.names()
    assert world.images(5).keys() == {5}
