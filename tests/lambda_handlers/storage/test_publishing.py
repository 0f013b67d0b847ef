"""What writers leave for those who come cold: few files, whatever happened between two commits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

import pytest

from lambda_handlers.log import Log
from lambda_handlers.storage.commit import Conflict
from lambda_handlers.storage.folding import MAX_FILES, UNIT
from lambda_handlers.storage.freshness import RETENTION_FLOOR_SECONDS
from lambda_handlers.storage.log import chain
from lambda_handlers.storage.log.keys import FOLD_LEVEL, LtxName, head_key, parse_ltx_key, snapshot, transaction
from lambda_handlers.storage.pages import copies
from lambda_handlers.storage.pages.head import Head
from lambda_handlers.storage.publishing import HEAD_EVERY
from lambda_handlers.storage.upkeep.compaction import MAX_FILES_ABOVE_BASE
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import Engine, compact
from tests.fakes.stores.faulty import FaultyStore, clash, lose_answer, lose_request, refuse
from tests.fakes.stores.memory import memory_store

MAX_AT_ALL = 1 + MAX_FILES_ABOVE_BASE + MAX_FILES + UNIT - 1  # the base, merges, folds, transactions since


class World:
    def __init__(self, directory: Path) -> None:
        self.clock = Clock()
        self.store = FaultyStore(memory_store())
        self.directory = directory
        self.engines: list[Engine] = []
        first = self.engine()
        first.write("CREATE TABLE t (n INTEGER PRIMARY KEY, v)", "CREATE TABLE big (x)")
        first.write(
            "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO t SELECT i, 0 FROM n"
        )
        first.write("INSERT INTO big VALUES (randomblob(3000000))")

    def engine(self) -> Engine:
        engine = Engine(self.store, self.directory, Clock(seed=len(self.engines)).host())
        object.__setattr__(engine.replica._host, "now", self.clock.now)
        self.engines.append(engine)
        return engine

    def maintain(self) -> None:
        Maintenance(self.store, self.clock.host(), Log("error"), 30).run(self.clock.time + 900, "main")

    def names(self) -> list[LtxName]:
        return [name for info in self.store.list_objects("main/") if (name := parse_ltx_key("main", info.key))]

    def folds(self) -> list[LtxName]:
        return [name for name in self.names() if name.level == FOLD_LEVEL]

    def head(self) -> Head:
        head = Head.decode(self.store.get(head_key("main")), "main")
        assert head
        return head

    def close(self) -> None:
        for engine in self.engines:
            engine.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


@pytest.mark.parametrize("seed", range(4))
def test_a_cold_reader_never_needs_many_files(world: World, seed: int) -> None:
    """Two writers that take turns, and passes of maintenance that come when they like."""
    chance = Random(seed)
    writers = [world.engine(), world.engine()]
    most = 0
    for number in range(500):
        world.clock.time += chance.random() * 3
        writer = writers[0] if chance.random() < 0.9 else writers[1]
        writer.write(f"UPDATE t SET v = v + 1 WHERE n = {chance.randint(1, 500)}")
        if chance.random() < 0.01:
            world.maintain()
        head = world.head() if number > UNIT else None
        if head and number % 5 == 0:
            files = len(head.files) + writer.replica.txid - head.txid
            most = max(most, files)
            assert chain.plan([file.name for file in head.files]).reach == head.txid
    assert most <= MAX_AT_ALL


def test_a_fold_begins_where_an_older_one_does(world: World) -> None:
    """A pass that ends in the middle of a fold moves where folds are counted from; none is left out for that."""
    writer = world.engine()
    for _ in range(UNIT + 5):
        writer.write("UPDATE t SET v = v + 1 WHERE n = 1")
    world.maintain()
    for _ in range(3 * UNIT):
        writer.write("UPDATE t SET v = v + 1 WHERE n = 2")
    plan = chain.plan(world.names())
    assert [name for name in plan.files if name.level == 0 and name.min_txid > 3] == []


@pytest.mark.parametrize("fault", [lose_request, lose_answer, refuse, clash])
@pytest.mark.parametrize("verb", ["create", "replace"])
def test_what_cannot_be_published_changes_nothing_else(world: World, fault: object, verb: str) -> None:
    """Folds and heads are for speed: a commit is acknowledged without them, and readers find everything."""
    writer, reader = world.engine(), world.engine()
    for number in range(1, 3 * UNIT + 1):
        world.store.forget_plans()
        if verb == "create":
            world.store.plan("create", lambda _key, act: act(), fault, fault)  # type: ignore[arg-type]  # the commit works
        else:
            world.store.plan("replace", fault, fault)  # type: ignore[arg-type]  # a step is a function
        assert writer.write("UPDATE t SET v = v + 1 WHERE n = 7") == number + 3
    world.store.forget_plans()
    for engine in (reader, world.engine()):
        engine.replica.refresh()
        assert engine.rows("SELECT v FROM t WHERE n = 7") == [(3 * UNIT,)]
        assert engine.is_sound()


def test_the_commit_does_not_wait_for_its_fold(world: World) -> None:
    due: list[Callable[[], None]] = []
    writer = Engine(world.store, world.directory, world.clock.host(), later=due.append)
    while writer.replica.txid < UNIT:
        due.clear()
        writer.write("UPDATE t SET v = v + 1 WHERE n = 1")
    txid = writer.replica.txid
    assert world.folds() == []
    due.pop()()
    assert [name.max_txid for name in world.folds()] == [world.head().txid] == [txid]


@pytest.mark.parametrize("change", ["commit", "refresh"])
def test_a_copy_changes_only_once_its_fold_is_made(world: World, change: str) -> None:
    """The fold has the pages of its last transaction, and none of a later one."""
    due: list[Callable[[], None]] = []
    writer, other = Engine(world.store, world.directory, world.clock.host(), later=due.append), world.engine()
    while writer.replica.txid < UNIT:
        due.clear()
        writer.write("UPDATE t SET v = v + 1 WHERE n = 1")
    txid = writer.replica.txid
    if change == "refresh":
        other.write("UPDATE t SET v = -1 WHERE n = 1")
        writer.replica.refresh()
    else:
        writer.replica.announce(2)
    assert [name.max_txid for name in world.folds()] == [txid]
    due.pop()()  # has been done
    assert [name.max_txid for name in world.folds()] == [txid]
    past = world.engine()
    past.replica.open_at(txid)
    assert past.rows("SELECT v FROM t WHERE n = 1") != [(-1,)]


def test_a_head_of_somebody_else_is_not_set_back(world: World) -> None:
    slow, fast = world.engine(), world.engine()
    for _ in range(UNIT):
        slow.write("UPDATE t SET v = v + 1 WHERE n = 1")
    for _ in range(2 * UNIT):
        fast.write("UPDATE t SET v = v + 1 WHERE n = 1")
    seen = world.head().txid
    for _ in range(UNIT):
        slow.write("UPDATE t SET v = v + 1 WHERE n = 1")
        assert world.head().txid >= seen


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[1, 2]", b"\xff\xfe", b'{"version": 99}', b'{"version": 1, "txid": "x"}']
)
def test_a_head_that_is_none_is_ignored(world: World, body: bytes) -> None:
    world.engine().write("UPDATE t SET v = 1 WHERE n = 1")
    world.store.put(head_key("main"), body)
    cold = world.engine()
    cold.replica.refresh()
    assert cold.rows("SELECT v FROM t WHERE n = 1") == [(1,)]


def test_a_head_that_names_files_which_are_not_there(world: World) -> None:
    writer = world.engine()
    for _ in range(2 * UNIT):
        writer.write("UPDATE t SET v = v + 1 WHERE n = 1")
    folds = [file.name for file in world.head().files if file.name.level]
    assert folds
    world.store.delete(folds[0].key("main"))
    cold = world.engine()
    cold.replica.refresh()
    assert cold.rows("SELECT v FROM t WHERE n = 1") == [(2 * UNIT,)]


def write_and_take_away(world: World, writer: Engine, directory: Path) -> int:
    """Transactions after the head, of which only a snapshot is left, as retention leaves it; the newest txid."""
    head = world.head()
    for _ in range(HEAD_EVERY - 1):
        writer.write("UPDATE t SET v = v + 1 WHERE n = 1")
    newest = writer.replica.txid
    compact(world.store, snapshot(newest), directory)
    for txid in range(head.txid + 1, newest + 1):
        world.store.delete(transaction(txid).key("main"))
    assert world.head() == head
    return newest


def written_up_to_a_head(world: World) -> Engine:
    writer = world.engine()
    while not (writer.replica.txid and world.head().txid == writer.replica.txid):
        writer.write("UPDATE t SET v = v + 1 WHERE n = 1")
    return writer


def test_a_head_of_long_ago_is_not_followed(world: World, tmp_path: Path) -> None:
    """The line is `is_fresh(head.checked_at, now)` in LogFollower._follow_head: what came after it may be gone. That
    the answer to the question for the next transaction is not believed either would end well, and cost more."""
    writer = written_up_to_a_head(world)
    newest = write_and_take_away(world, writer, tmp_path)
    world.clock.time += RETENTION_FLOOR_SECONDS
    cold = world.engine()
    world.store.calls.clear()
    cold.replica.refresh()
    assert cold.replica.txid == newest
    assert world.store.verbs().count("list_objects") == 1


def test_a_copy_that_came_by_a_head_is_as_old_as_that(world: World, tmp_path: Path) -> None:
    """The line is `self._freshness.known_at = head.checked_at` in LogFollower._follow_head."""
    writer = written_up_to_a_head(world)
    world.clock.time += RETENTION_FLOOR_SECONDS / 2 - 60
    reader = world.engine()
    world.store.calls.clear()
    reader.replica.refresh()
    assert "list_objects" not in world.store.verbs()
    newest = write_and_take_away(world, writer, tmp_path)
    world.clock.time += 120
    reader.replica.refresh()
    assert reader.replica.txid == newest


@pytest.mark.parametrize("by", [100, -1])
def test_a_writer_puts_no_head_with_a_size_that_it_knows_to_be_wrong(world: World, by: int) -> None:
    head = world.head()
    wrong = tuple(replace(file, size=file.size + by) for file in head.files)
    world.store.put(head_key("main"), replace(head, files=wrong).encode("main"))
    writer = world.engine()
    while world.head().txid == head.txid:
        writer.write("UPDATE t SET v = v + 1 WHERE n = 1")
    sizes = {info.key: info.size for info in world.store.list_objects("main/")}
    assert [file.size for file in world.head().files] == [sizes[file.name.key("main")] for file in world.head().files]


def small_with_a_base(world: World) -> Engine:
    writer = world.engine()
    writer.write("DELETE FROM big", "INSERT INTO big VALUES (randomblob(300000))")
    writer.vacuum()
    world.maintain()
    return writer


def cold_keys(world: World) -> list[str]:
    """The keys that a cold reader asks for."""
    cold = world.engine()
    world.store.calls.clear()
    cold.replica.refresh()
    keys = [key for _, key in world.store.calls]
    assert cold.rows("SELECT v FROM t WHERE n = 1") == world.engines[1].rows("SELECT v FROM t WHERE n = 1")
    return keys


def test_a_cold_reader_needs_few_requests_at_any_moment(world: World) -> None:
    """The head; its base and the next transactions. All else is in the head."""
    writer = small_with_a_base(world)
    for _ in range(3 * UNIT):
        writer.write("UPDATE t SET v = v + 1 WHERE n = 1")
        keys = cold_keys(world)
        assert keys[0] == head_key("main")
        assert sum(key.startswith("main/0000/") for key in keys) == HEAD_EVERY
        assert len(keys) <= 1 + 1 + HEAD_EVERY


def test_the_list_of_an_old_head_goes_with_its_files(world: World) -> None:
    writer = small_with_a_base(world)
    for number in range(2 * HEAD_EVERY):
        writer.write("UPDATE t SET v = v + 1 WHERE n = 1")
        world.clock.time += RETENTION_FLOOR_SECONDS
        keys = cold_keys(world)
        assert keys.count("main/") == 1, number
        assert len(keys) <= 1 + 1 + 1 + HEAD_EVERY


@pytest.mark.parametrize("copies_bytes", [copies.MAX_COPIES_BYTES, 2000])
def test_many_large_transactions_before_any_pass(
    world: World, monkeypatch: pytest.MonkeyPatch, copies_bytes: int
) -> None:
    """Their page maps are in the head, and in the atlas once there are too many for it."""
    monkeypatch.setattr(copies, "MAX_COPIES_BYTES", copies_bytes)
    writer = world.engine()
    for number in range(50):
        writer.write("INSERT INTO big VALUES (randomblob(300000))", "UPDATE t SET v = v + 1")
        if number % 7 == 0:
            assert len(cold_keys(world)) <= 12
    assert any(file.in_atlas for file in world.head().files) == (copies_bytes == 2000)
    assert len(cold_keys(world)) <= 12


def test_no_commit_follows_a_head_with_copies_of_what_is_gone(world: World) -> None:
    """The line is `if newest < txid` in CommitChecks.check_listed."""
    writer = written_up_to_a_head(world)
    gone = writer.replica.txid
    world.store.delete(transaction(gone).key("main"))
    reader = world.engine()
    reader.replica.refresh()
    assert reader.replica.txid == gone
    with pytest.raises(Conflict):
        reader.write("UPDATE t SET v = 9 WHERE n = 1", refresh=False)
    assert not {name for name in world.names() if name.max_txid >= gone}
