"""A head that is damaged, belongs elsewhere, is older than this code or newer than another's, says nothing; and one
that says the wrong thing with a right checksum is not enough to write on, nor for a copy that has stood still."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.storage.freshness import RETENTION_FLOOR_SECONDS
from lambda_handlers.storage.log.keys import LtxName, head_key, snapshot, transaction
from lambda_handlers.storage.pages.head import Head, HeadFile
from lambda_handlers.storage.replica import Conflict
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import Engine, compact
from tests.fakes.stores.faulty import FaultyStore, answers
from tests.fakes.stores.memory import memory_store

BASE, ABOVE = HeadFile(snapshot(5), 4711, is_mapped=True, in_atlas=True), HeadFile(transaction(6), 120, is_mapped=False)
HEAD = Head(6, 1_790_000_000.5, 5, (BASE, ABOVE))
# As commit e2673fc put it.
VERSION_1 = (
    b'{"version":1,"txid":6,"checked_at":1790000000.5,"folds_from":5,'
    b'"files":[[9,1,5,4711,true,true],[0,6,6,120,false,false]]}'
)


def decoded_by_version_1(data: bytes) -> tuple[int, float, int, list[LtxName]] | None:
    """What the code of commit e2673fc made of a head, line by line."""
    try:
        body: Any = json.loads(data)
        if body["version"] != 1:
            return None
        names = [LtxName(int(level), int(low), int(high)) for level, low, high, _size, _mapped, _atlas in body["files"]]
        return int(body["txid"]), float(body["checked_at"]), int(body["folds_from"]), names
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def test_what_is_put_is_read() -> None:
    assert Head.decode(HEAD.encode("main"), "main") == HEAD


def test_no_flipped_bit_is_believed() -> None:
    body = HEAD.encode("main")
    for bit in range(8 * len(body)):
        damaged = bytearray(body)
        damaged[bit // 8] ^= 1 << bit % 8
        assert Head.decode(bytes(damaged), "main") is None


def test_the_head_of_another_database_is_none() -> None:
    assert Head.decode(HEAD.encode("main"), "other") is None


def test_a_head_of_the_version_before_is_none() -> None:
    """It has no checksum. The next writer or pass puts one."""
    assert decoded_by_version_1(VERSION_1) == (6, 1_790_000_000.5, 5, [snapshot(5), transaction(6)])
    assert Head.decode(VERSION_1, "main") is None


def test_this_head_is_none_to_the_version_before() -> None:
    assert decoded_by_version_1(HEAD.encode("main")) is None


@pytest.mark.parametrize(
    "wrong",
    [
        replace(HEAD, txid=4),  # the byte that lost an acknowledged write
        replace(HEAD, txid=5),
        replace(HEAD, txid=7),
        replace(HEAD, files=()),
        replace(HEAD, files=(ABOVE,)),
        replace(HEAD, files=(BASE, HeadFile(transaction(7), 120, is_mapped=False))),
        replace(HEAD, txid=0, files=()),
        replace(HEAD, files=(HeadFile(LtxName(10, 1, 6), 1, is_mapped=False),)),
        replace(HEAD, files=(HeadFile(LtxName(9, 0, 6), 1, is_mapped=False),)),
    ],
)
def test_a_head_whose_files_do_not_lead_to_its_transaction_is_none(wrong: Head) -> None:
    assert Head.decode(wrong.encode("main"), "main") is None


# What a head can do


class World:
    """A copy that stood at 4 and slept, while others went on to 40 and retention took 5 to 38."""

    def __init__(self, directory: Path) -> None:
        self.clock = Clock()
        self.store = FaultyStore(memory_store())
        self._directory = directory
        self.engines: list[Engine] = []
        writer, self.sleeper = self.engine(), self.engine()
        writer.write("CREATE TABLE t(n INTEGER PRIMARY KEY)")
        for number in range(2, 41):
            writer.write(f"INSERT INTO t VALUES ({number})")
            if number == 4:
                self.sleeper.replica.refresh()
                self.before = self.true_head()
            self.clock.time += 1
        compact(self.store, snapshot(38), directory)
        self.clock.time += 2 * RETENTION_FLOOR_SECONDS
        for info in list(self.store.list_objects("main/0001/")):
            self.store.delete(info.key)
        for txid in range(1, 39):
            self.store.delete(transaction(txid).key("main"))
        self.store.put(head_key("main"), self.true_head().encode("main"))

    def engine(self) -> Engine:
        engine = Engine(self.store, self._directory, self.clock.host())
        self.engines.append(engine)
        return engine

    def true_head(self) -> Head:
        """As a pass would put it now."""
        listed = {info.key: info.size for info in self.store.list_objects("main/")}
        names = [snapshot(38), *(transaction(txid) for txid in range(1, 41))]
        files = [
            HeadFile(name, listed[name.key("main")], is_mapped=False) for name in names if name.key("main") in listed
        ]
        return Head(files[-1].name.max_txid, self.clock.time, 0, tuple(files))

    def numbers(self, engine: Engine) -> list[object]:
        return [n for (n,) in engine.rows("SELECT n FROM t ORDER BY n")]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    for engine in world.engines:
        engine.close()


def one_byte(world: World) -> bytes:
    """The damage that lost a write: `"txid":40,` becomes `"txid":4 ,`."""
    body = world.store.get(head_key("main"))
    assert body.count(b'"txid":40,') == 1
    return body.replace(b'"txid":40,', b'"txid":4 ,')


def one_byte_of_version_1(world: World) -> bytes:
    fields = json.loads(world.store.get(head_key("main")))
    del fields["crc32"]
    return json.dumps({**fields, "version": 1, "txid": 4}, separators=(",", ":")).encode()


def rolled_back(world: World) -> bytes:
    """A head that was right at 4, and says that it was just looked at: whoever put it back, or by which clock."""
    return replace(world.before, checked_at=world.clock.time).encode("main")


def served_late(world: World) -> bytes:
    return world.before.encode("main")


WRONG = [one_byte, one_byte_of_version_1, rolled_back, served_late]


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("is_stored", [True, False])
def test_a_copy_that_slept_loses_no_write_to_a_wrong_head(
    world: World, wrong: Callable[[World], bytes], is_stored: bool
) -> None:
    """Where it stands, transaction 5 is not there any more: created again, it would be in no chain."""
    body = wrong(world)
    if is_stored:
        world.store.put(head_key("main"), body)
    else:
        world.store.plan("get_with_tag", answers((body, '"tag"')))
    world.sleeper.replica.refresh()
    assert world.numbers(world.sleeper) == list(range(2, 41))
    assert world.sleeper.write("INSERT INTO t VALUES (99)") == 41


@pytest.mark.parametrize("wrong", WRONG)
def test_a_cold_writer_loses_no_write_to_a_wrong_head(world: World, wrong: Callable[[World], bytes]) -> None:
    """Its first commit lists: the line is `self.check_listed()` in CommitChecks.time_to_commit."""
    world.store.put(transaction(4).key("main"), b"")  # what the wrong head names may even be there
    world.store.put(head_key("main"), wrong(world))
    cold = world.engine()
    for _ in range(3):
        try:
            txid = cold.write("INSERT INTO t VALUES (99)")
            break
        except Conflict:
            continue
    assert txid == 41
    assert world.numbers(cold) == [*range(2, 41), 99]


def test_a_cold_writer_on_files_that_are_all_there_loses_no_write(tmp_path: Path) -> None:
    """The head leads to a state that can be read: only what came after it has gone."""
    world = World(tmp_path)
    for txid in range(1, 5):  # as where retention took 5 alone
        world.store.create(transaction(txid).key("main"), world.store.written[transaction(txid).key("main")][0])
    world.store.put(head_key("main"), rolled_back(world))
    cold = world.engine()
    cold.replica.refresh()
    assert cold.replica.txid == 4  # a head that is wrong with a right checksum and a right time is read from once
    with pytest.raises(Conflict, match="40"):
        cold.write("INSERT INTO t VALUES (99)")
    assert cold.write("INSERT INTO t VALUES (99)") == 41
    assert world.numbers(cold) == [*range(2, 41), 99]


def test_the_first_commit_of_a_cold_copy_lists_once(world: World) -> None:
    cold = world.engine()
    cold.replica.refresh()
    world.store.verbs()
    cold.write("INSERT INTO t VALUES (99)", refresh=False)
    assert world.store.verbs().count("list_objects") == 1
    cold.write("INSERT INTO t VALUES (100)")
    assert "list_objects" not in world.store.verbs()


def test_a_copy_that_slept_lists_only_what_came_after(world: World) -> None:
    asked: list[tuple[str, str | None]] = []
    listing = world.store.store.list_objects
    world.store.store.list_objects = lambda prefix, after=None: (asked.append((prefix, after)), listing(prefix, after))[
        1
    ]  # type: ignore[method-assign]  # as a spy
    world.sleeper.replica.refresh()
    assert asked == [("main/", transaction(3).key("main"))]
