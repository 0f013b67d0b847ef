"""Maintenance against a plain model: whatever passes, crashes and clocks do, every transaction that retention promises
reads as it was, and the newest state always does."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from lambda_handlers.actions.clone_mark import mark
from lambda_handlers.log import Log
from lambda_handlers.storage.commit import PageChanges
from lambda_handlers.storage.log import ltx
from lambda_handlers.storage.log.keys import LtxName, atlas_key, head_key, parse_ltx_key, transaction
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from lambda_handlers.storage.pages import atlas
from lambda_handlers.storage.pages.head import Head
from lambda_handlers.storage.upkeep.compaction import MAX_FILES_ABOVE_BASE, cheapest_runs
from lambda_handlers.storage.upkeep.maintenance import FULL_PASS_SECONDS, LEASE_SECONDS, Maintenance
from lambda_handlers.storage.upkeep.retention import FLOOR_SECONDS
from lambda_handlers.store.protocol import NotFound, ObjectInfo, Unavailable
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import Engine
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed

ROWS_OF_A_KILOBYTE = ", ".join(["(randomblob(1000))"] * 3000)
DAY = 86_400.0
RETENTION_DAYS = 2.0


class World:
    def __init__(self, directory: Path) -> None:
        self.clock = Clock()
        self.store = Timed(memory_store(), self.clock)
        self.directory = directory
        self.engines: list[Engine] = []
        self.writer = self.engine()
        self.maintenance = self.container()

    def container(self) -> Maintenance:
        """The scheduled function, cold."""
        return Maintenance(self.store, self.clock.host(), Log("error"), RETENTION_DAYS)  # type: ignore[arg-type]

    def engine(self) -> Engine:
        engine = Engine(self.store, self.directory, self.clock.host())  # type: ignore[arg-type]
        self.engines.append(engine)
        return engine

    def maintain(self, only: str | None = None) -> list[dict[str, Any]]:
        return [report.encode() for report in self.maintenance.run(self.clock.time + 900, only)]

    def write(self, count: int = 1) -> None:
        for _ in range(count):
            self.writer.replica.refresh()
            table = "CREATE TABLE IF NOT EXISTS t(n INTEGER PRIMARY KEY, body)"
            self.writer.write(table, "INSERT INTO t(body) VALUES (randomblob(300))")

    def images(self, *txids: int) -> dict[int, bytes]:
        engine, images = self.engine(), {}
        for txid in txids:
            engine.replica.open_at(txid)
            images[txid] = engine.image()
        return images

    def names(self) -> list[LtxName]:
        return sorted(name for info in self.store.list_objects("main/") if (name := parse_ltx_key("main", info.key)))

    def close(self) -> None:
        for engine in self.engines:
            engine.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


def test_after_a_pass_few_files_are_read(world: World) -> None:
    world.writer.write("CREATE TABLE big(x)", "INSERT INTO big VALUES (randomblob(900000))")
    world.writer.write("CREATE TABLE t(n INTEGER PRIMARY KEY, body)")
    world.write(130)
    before = world.writer.image()
    (report,) = world.maintain()
    assert report["merged"] > 0
    assert report["snapshot"] is None

    cold = world.engine()
    asked: list[tuple[str, str]] = []
    world.store.before = lambda verb, key: asked.append((verb, key))
    cold.replica.refresh()
    world.store.before = lambda _verb, _key: None

    assert cold.image() == before
    assert "list_objects" not in [verb for verb, _ in asked]
    assert len(asked) <= 1 + 1 + 1 + MAX_FILES_ABOVE_BASE  # the head, the base's map, the next transaction, the rest


# The atlas

LARGE = ("CREATE TABLE big(n INTEGER PRIMARY KEY, x)", f"INSERT INTO big(x) VALUES {ROWS_OF_A_KILOBYTE}")
A_ROW = "SELECT x FROM big WHERE n = 1700"


@pytest.fixture
def bound(world: World) -> World:
    """One whose files have an atlas."""
    world.writer.write(*LARGE)
    world.write(130)
    world.maintain()
    return world


def cold_row(world: World) -> tuple[object, list[str]]:
    """What a cold reader finds, and the verbs that it asks with."""
    cold, asked = world.engine(), []
    world.store.before = lambda verb, _key: asked.append(verb)
    cold.replica.refresh()
    (row,) = cold.rows(A_ROW)
    world.store.before = lambda _verb, _key: None
    assert cold.image() == world.writer.image()
    return row, asked


def head_files(world: World) -> list[tuple[bool, bool]]:
    head = Head.decode(world.store.get(head_key("main")), "main")
    assert head is not None
    return [(file.is_mapped, file.in_atlas) for file in head.files]


def test_after_a_pass_a_cold_row_takes_four_requests(bound: World) -> None:
    """The head; the next transaction and the atlas; and the row."""
    row, asked = cold_row(bound)
    assert (row,) == tuple(bound.writer.rows(A_ROW))
    assert sorted(asked) == ["get", "get_range", "get_range", "get_with_tag"]


def test_what_writers_put_keeps_telling_of_the_atlas(bound: World) -> None:
    before = head_files(bound)
    assert len(before) > 1
    assert {in_atlas for _, in_atlas in before} == {True}
    bound.write(40)
    after = head_files(bound)
    assert after[: len(before)] == before
    assert len(after) > len(before)
    assert not any(in_atlas for _, in_atlas in after[len(before) :])
    _, asked = cold_row(bound)
    assert asked.count("get") == 1 + len(after) - len(before)


def test_little_that_is_new_makes_no_new_atlas(bound: World) -> None:
    """An atlas is as large as the page maps of all that is there."""
    before = bound.store.get(atlas_key("main"))
    bound.clock.time += 60
    bound.writer.write("UPDATE big SET x = 1 WHERE n = 1")
    bound.maintain()
    assert bound.store.get(atlas_key("main")) == before
    assert [in_atlas for _, in_atlas in head_files(bound)][-1] is False
    cold_row(bound)


def test_much_that_is_new_makes_one(bound: World) -> None:
    bound.clock.time += 60
    bound.writer.write("UPDATE big SET x = randomblob(1000) WHERE n % 5 = 0")
    bound.maintain()
    assert {in_atlas for _, in_atlas in head_files(bound)} == {True}
    assert len(cold_row(bound)[1]) == 4


def test_a_small_chain_needs_none(world: World) -> None:
    world.writer.write("CREATE TABLE big(x)", "INSERT INTO big VALUES (randomblob(900000))")
    world.write(130)
    world.maintain()
    with pytest.raises(NotFound):
        world.store.get(atlas_key("main"))


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda _body: b"", id="empty"),
        pytest.param(lambda body: body[:40], id="cut short"),
        pytest.param(lambda body: body[:-1000], id="the last map cut short"),
        pytest.param(lambda body: body[:200] + bytes([body[200] ^ 1]) + body[201:], id="a bit flipped"),
        pytest.param(lambda _body: atlas.encode({transaction(4711): b"?"}, "main"), id="of other files"),
        pytest.param(None, id="gone"),
    ],
)
def test_an_atlas_that_says_nothing_costs_requests_only(bound: World, spoil: Callable[[bytes], bytes] | None) -> None:
    key = atlas_key("main")
    if spoil is None:
        bound.store.delete(key)
    else:
        bound.store.put(key, spoil(bound.store.get(key)))
    row, asked = cold_row(bound)
    assert (row,) == tuple(bound.writer.rows(A_ROW))
    assert 4 < len(asked) <= 4 + 1 + MAX_FILES_ABOVE_BASE


# What a pass makes


def test_a_snapshot_comes_when_the_rest_weighs_as_much(world: World) -> None:
    world.write(40)
    (report,) = world.maintain()
    assert report["snapshot"] == 40
    assert LtxName(9, 1, 40) in world.names()
    world.write(1)
    (report,) = world.maintain("main")
    assert report["snapshot"] is None
    assert world.images(40, 41, 7)[41] == world.writer.image()


def test_what_is_little_waits_until_it_is_due(world: World) -> None:
    world.writer.write("CREATE TABLE big(x)", "INSERT INTO big VALUES (randomblob(900000))")
    world.write(7)
    world.maintain()
    world.write(7)
    world.clock.time += 60
    (report,) = world.maintain()
    assert report["merged"] == 0
    world.clock.time += FULL_PASS_SECONDS
    (report,) = world.maintain()
    assert report["merged"] > 0


def test_a_size_that_a_list_tells_wrongly_is_not_passed_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The line is `_are_sized` in Compactor.run."""
    world.writer.write("CREATE TABLE b(x)", "INSERT INTO b VALUES (randomblob(100000))")
    world.maintain("main")
    world.write()
    wrong, real, real_size = transaction(2).key("main"), world.store.list_objects, world.store.size

    def damaged(prefix: str, after: str | None = None) -> Iterator[ObjectInfo]:
        return (replace(info, size=info.size + (info.key == wrong)) for info in real(prefix, after))

    def head() -> Head:
        found = Head.decode(world.store.get(head_key("main")), "main")
        assert found is not None
        return found

    with monkeypatch.context() as patched:
        patched.setattr(world.store, "list_objects", damaged)
        patched.setattr(world.store, "size", lambda key: real_size(key) + (key == wrong))  # as wrong, by chance
        world.maintain("main")
    assert head().txid == 1
    world.maintain("main")
    assert head().txid == 2
    sizes = {info.key: info.size for info in real("main/")}
    assert [file.size for file in head().files] == [sizes[file.name.key("main")] for file in head().files]


def test_a_database_that_nobody_writes_to_costs_one_request(world: World) -> None:
    world.write(3)
    world.maintain()
    asked: list[str] = []
    world.store.before = lambda verb, _key: asked.append(verb)
    world.clock.time += 60
    assert world.maintain() == []
    assert asked == ["size"]
    world.write(1)
    assert world.maintain() != []


def test_heads_stay_young_without_writes(world: World) -> None:
    world.write(3)
    for _ in range(10):
        world.clock.time += 300
        world.maintain()
        head = Head.decode(world.store.get(head_key("main")), "main")
        assert head is not None
        assert world.clock.time - head.checked_at <= FULL_PASS_SECONDS


def test_a_head_that_a_writer_put_meanwhile_is_not_set_back(world: World) -> None:
    world.write(20)

    def interfere(verb: str, key: str) -> None:
        if verb == "get_with_tag" and key == head_key("main"):
            world.store.before = lambda _verb, _key: None
            world.write(13)  # and its writer puts a head at 32

    world.store.before = interfere
    world.maintain()

    head = Head.decode(world.store.get(head_key("main")), "main")
    assert head is not None
    assert head.txid == 32
    cold = world.engine()
    cold.replica.refresh()
    assert cold.image() == world.writer.image()


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
    assert world.store.deleted == []
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
    assert world.store.deleted == []


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
    assert world.store.deleted == ["main/uploads/a/1"]


def test_a_missing_page_map_is_made(world: World) -> None:
    world.writer.write("CREATE TABLE big(x)", "INSERT INTO big VALUES (randomblob(900000))")
    world.store.delete_many([transaction(1).page_map_key("main")])
    (report,) = world.maintain()
    assert report["page_maps"] == 1
    cold = world.engine()
    cold.replica.refresh()
    assert [layer.is_mapped for layer in cold.replica._pages.layers] == [True]
    assert cold.image() == world.writer.image()


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_damage_is_told_and_nothing_is_made_of_it(world: World, damage: str) -> None:
    world.write(40)
    key = transaction(39).key("main")
    body = world.store.get(key)
    world.store._store.delete(key)
    if damage != "gone":
        world.store.create(key, body[:-30] if damage == "cut" else body[:150] + bytes([body[150] ^ 1]) + body[151:])
    made: list[str] = []
    world.store.before = lambda verb, at: made.append(at) if verb.startswith("create") and at.endswith("ltx") else None
    (report,) = world.maintain()
    assert key in report["error"]
    assert [name for name in made if world_has(world, name)] == []


def world_has(world: World, key: str) -> bool:
    try:
        return bool(world.store._store.get(key))
    except NotFound:
        return False


def test_a_dropped_database_leaves_an_empty_snapshot(world: World) -> None:
    world.write(5)
    replica = world.writer.replica
    replica.refresh()
    replica.commit(PageChanges(replica.page_size, 0, tuple))
    world.maintain("main")
    assert LtxName(9, 1, 6) in world.names()
    for _ in range(4):
        world.clock.time += DAY
        world.maintain("main")
    assert world.names() == [LtxName(9, 1, 6)]
    cold = world.engine()
    cold.replica.refresh()
    assert (cold.replica.txid, cold.replica.page_count) == (6, 0)
    assert cold.write("CREATE TABLE again(x)", page_size=8192) == 7


def test_another_page_size_begins_anew(world: World) -> None:
    """As a push does; what was before has pages of no use."""
    world.write(20)
    replica = world.writer.replica
    replica.refresh()
    replica.commit(PageChanges(512, 3, lambda: ((ltx.Pgno(n), bytes([n]) * 512) for n in (1, 2, 3))))
    world.maintain("main")
    cold = world.engine()
    cold.replica.refresh()
    assert cold.image() == b"".join(bytes([n]) * 512 for n in (1, 2, 3))
    assert len(world.images(20)[20]) % 4096 == 0


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


LEASE = "main/maintenance.json"


def leased(world: World) -> bytes:
    """The lease as it lies there while a pass is under way."""
    seen: list[bytes] = []
    world.store.before = lambda verb, _key: (
        seen.append(world.store._store.get(LEASE)) if verb == "list_objects" else None
    )
    world.maintain("main")
    world.store.before = lambda _verb, _key: None
    return seen[0]


def test_a_lease_that_is_damaged_holds_nobody_up(world: World) -> None:
    world.write(3)
    lease = leased(world)
    for bit in range(8 * len(lease)):
        damaged = bytearray(lease)
        damaged[bit // 8] ^= 1 << bit % 8
        world.store.put(LEASE, bytes(damaged))
        assert world.maintain("main") != [], bytes(damaged)
    world.store.put(LEASE, lease)
    assert world.maintain("main") == []


def test_either_version_waits_for_the_lease_of_the_other(world: World) -> None:
    """As commit e2673fc read one: `0 < expires_at - now <= 960`."""
    world.write(3)
    assert 0 < float(json.loads(leased(world))["expires_at"]) - world.clock.time <= LEASE_SECONDS
    world.store.put(LEASE, b'{"owner": "abc", "expires_at": %f}' % (world.clock.time + LEASE_SECONDS))
    assert world.maintain("main") == []
    world.store.put(LEASE, b'{"owner": "", "expires_at": 0}')
    assert world.maintain("main") != []


@pytest.mark.parametrize("seed", range(3))
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


@pytest.mark.parametrize(
    ("sizes", "most", "runs"),
    [
        ([], 4, []),
        ([5], 4, [(0, 1)]),
        ([9, 9, 9, 9], 4, [(0, 1), (1, 2), (2, 3), (3, 4)]),
        ([100, 9, 3, 1, 1, 1], 4, [(0, 1), (1, 2), (2, 3), (3, 6)]),
        ([1, 1, 100, 1, 1], 4, [(0, 2), (2, 3), (3, 4), (4, 5)]),
    ],
)
def test_the_cheapest_neighbours_are_merged(sizes: list[int], most: int, runs: list[tuple[int, int]]) -> None:
    assert cheapest_runs(sizes, most) == runs


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


def test_every_promised_transaction_reads_as_it_was() -> None:
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
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
