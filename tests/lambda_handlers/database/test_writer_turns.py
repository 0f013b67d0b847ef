"""Without a lock: what takes long announces itself and is let through, and no writer waits for longer than it must."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from lambda_handlers.database import writer_turns
from lambda_handlers.host import Host
from lambda_handlers.locks.s3 import ObjectLock
from lambda_handlers.storage import announcements
from lambda_handlers.storage.log import kinds
from lambda_handlers.storage.log.keys import parse_ltx_key, snapshot, transaction
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Header
from lambda_handlers.storage.log.ltx_decoder import Decoder
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.protocol import ObjectStore, Unavailable
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases import sqlite_files
from tests.fakes.databases.engine import Engine, compact
from tests.fakes.databases.past import act, image, state
from tests.fakes.databases.service import container as new_container
from tests.fakes.databases.service import run
from tests.fakes.databases.sqlite_files import Recipe
from tests.fakes.stores.faulty import FaultyStore, lose_answer, lose_request, meanwhile, refuse
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.uploads import upload
from tests.fakes.waiting import wait_until

WRITERS = 8
SMALL = Recipe(4096, False, "none", 50, 100, 0, False, False, False, False, 0, 1)


@pytest.fixture
def store() -> ObjectStore:
    return memory_store()


@pytest.fixture
def container() -> Iterator[Callable]:
    made = []

    def make(*args, **settings):
        made.append(new_container(*args, **settings))
        return made[-1]

    yield make
    for service in made:
        service.close()


def announce(store: ObjectStore, tmp_path, clock: Clock, seconds: int = 10) -> Header:
    engine = Engine(store, tmp_path, clock.host())
    try:
        engine.replica.refresh()
        return engine.replica.announce(seconds)
    finally:
        engine.close()


def kinds_of(service, limit: int = 100) -> list[str | None]:
    """Oldest first."""
    return [line["kind"] for line in act(service, "history", limit=limit)["transactions"]][::-1]


def test_what_is_announced_is_in_the_node_id():
    for seconds in (0, 1, 30, 255):
        node_id = kinds.announcement_id(seconds, b"\xff" * 8)
        assert kinds.of_node_id(node_id) is Kind.ANNOUNCEMENT
        assert kinds.announced_seconds(node_id) == seconds
        assert node_id < 1 << 63
    assert len({kinds.announcement_id(7, number.to_bytes(8, "big")) for number in range(100)}) == 100


def test_an_announcement_changes_nothing(container, store, tmp_path):
    clock = Clock()
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a); INSERT INTO t VALUES (1)")
    before, whole = state(store), image(store)
    header = announce(store, tmp_path, clock, seconds=0)
    body = store.get(transaction(2).key("main"))
    assert len(body) == 131
    assert list(Decoder([body], "key").frames()) == []
    assert (header.max_txid, header.commit) == (2, 2)
    assert (state(store), image(store)) == (before, whole)
    for one in (service, container(store, host=clock.host())):
        assert run(one, "SELECT a FROM t").txid == 2
        assert run(one, "SELECT a FROM t", at=2).rows == [(1,)]
    assert not act(service, "restore", at=1)["changed"]
    compact(store, snapshot(2), tmp_path)
    assert image(store) == whole
    assert run(service, "INSERT INTO t VALUES (2) RETURNING a").txid == 3
    assert kinds_of(service) == ["SEVERAL", "announcement", "INSERT"] or kinds_of(service)[1:] == [
        "announcement",
        "INSERT",
    ]
    assert state(store)[0] == ("sound", True)


def test_if_txid_holds_behind_an_announcement(container, store, tmp_path):
    clock = Clock()
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a)")
    announce(store, tmp_path, clock, seconds=0)
    cold = container(store, host=clock.host())
    assert run(cold, "INSERT INTO t VALUES (1)", if_txid=1).txid == 3
    announce(store, tmp_path, clock, seconds=0)
    assert act(service, "restore", at=1, if_txid=3)["txid"] == 5
    announce(store, tmp_path, clock, seconds=0)
    for wrong in (0, 4, 7):
        with pytest.raises(SldbError) as caught:
            run(service, "DELETE FROM t", if_txid=wrong)
        assert caught.value.code == "conflict"
        with pytest.raises(SldbError) as caught:
            act(service, "drop_database", if_txid=wrong)
        assert caught.value.code == "conflict"
    assert run(service, "INSERT INTO t VALUES (2)", if_txid=5).txid == 7


def waited(clock: Clock) -> float:
    return sum(clock.sleeps)


@pytest.mark.parametrize("is_warm", [True, False])
@pytest.mark.parametrize("what", ["write", "action"])
def test_a_writer_waits_for_what_was_announced(container, store, tmp_path, is_warm, what):
    clock = Clock()
    service, other = container(store, host=clock.host()), container(store, host=Clock().host())
    run(other, "CREATE TABLE t (a)")
    if is_warm:
        run(service, "SELECT 1")
    started = clock.time
    announce(store, tmp_path, clock)
    clock.at(started + 4, lambda: Engine(store, tmp_path).write("INSERT INTO t VALUES ('announced')"))
    if what == "write":
        assert run(service, "INSERT INTO t VALUES ('mine')").txid == 4
        assert run(service, "SELECT a FROM t").rows == [("announced",), ("mine",)]
    else:
        assert act(service, "restore", at=1)["txid"] == 4
    assert 4 <= clock.time - started <= 4 + writer_turns.MAX_PAUSE_SECONDS


@pytest.mark.parametrize("transactions", [14, 15, 30])
def test_an_announcement_in_a_merged_file_is_one(container, store, tmp_path, transactions):
    """Every 16th transaction is folded with those before it, and a cold writer begins with the fold."""
    clock = Clock()
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a)")
    for number in range(2, transactions + 1):
        run(service, f"INSERT INTO t VALUES ({number})")
    announce(store, tmp_path, clock)
    started = clock.time
    cold = container(store, host=clock.host())
    assert run(cold, "INSERT INTO t VALUES (0)").txid == transactions + 2
    assert 10 <= clock.time - started <= 11


def test_nobody_waits_to_read(container, store, tmp_path):
    clock = Clock()
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a)")
    announce(store, tmp_path, clock)
    assert run(service, "SELECT count(*) FROM t").rows == [(0,)]
    assert run(service, "INSERT INTO t VALUES (1) RETURNING a", dry_run=True).rows == [(1,)]
    assert clock.sleeps == []


@pytest.mark.parametrize(
    ("ahead", "least", "most"),
    [(0, 10, 11), (3600, 10, 11), (-4, 6, 7), (-3600, 0, 0)],
    ids=["right", "an hour ahead", "4 s behind", "an hour behind"],
)
def test_who_announced_and_died_is_waited_for_no_longer_than_he_said(container, store, tmp_path, ahead, least, most):
    """Whatever his clock says."""
    clock, his = Clock(), Clock()
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a)")
    his.time = clock.time + ahead
    if ahead < 0:
        clock.time -= ahead  # the log's own time is no later than his
    announce(store, tmp_path, his)
    started = clock.time
    assert run(service, "INSERT INTO t VALUES (1)").txid == 3
    assert least <= clock.time - started <= most


def test_nobody_is_waited_for_longer_than_is_right(container, store, tmp_path):
    clock = Clock()
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a)")
    announce(store, tmp_path, clock, seconds=255)
    started = clock.time
    run(service, "INSERT INTO t VALUES (1)", timeout=900)
    assert announcements.MAX_SECONDS <= clock.time - started <= announcements.MAX_SECONDS + 1
    announce(store, tmp_path, clock, seconds=30)
    started = clock.time
    run(service, "INSERT INTO t VALUES (1)", timeout=8)
    assert 3 <= clock.time - started <= 5  # half of its time


def test_a_damaged_answer_about_it_makes_nobody_wait(container, store, tmp_path):
    clock = Clock()
    faulty = FaultyStore(store)
    run(container(store), "CREATE TABLE t (a)")
    service = container(faulty, host=clock.host())
    announce(store, tmp_path, clock)
    run(service, "SELECT 1")
    faulty.plan("get_range", lambda _key, act: act()[:-1])
    assert run(service, "INSERT INTO t VALUES (1)").txid == 3
    assert waited(clock) == 0


def losing(other, service_clock: Clock, seconds: float, times: int):
    """Steps of `create`: so long it takes, and each time another writer is first."""

    def step() -> None:
        service_clock.time += seconds
        run(other, "INSERT INTO t VALUES ('other')")

    return [meanwhile(step)] * times


def test_what_takes_long_and_lost_a_race_announces_itself(container, store):
    clock, faulty = Clock(), FaultyStore(store)
    other = container(store, host=clock.host())
    run(other, "CREATE TABLE t (a)")
    run(other, "INSERT INTO t VALUES (1)")
    service = container(faulty, host=clock.host())
    faulty.plan("create", *losing(other, clock, 2.0, 1))
    assert act(service, "restore", at=1)["txid"] == 5
    assert kinds_of(service) == ["CREATE", "INSERT", "INSERT", "announcement", "restore"]
    body = store.get(transaction(4).key("main"))
    assert kinds.announced_seconds(Header.decode(body, "key").node_id) == 6


def test_without_a_lost_race_nothing_is_announced(container, store):
    clock, faulty = Clock(), FaultyStore(store)
    service = container(faulty, host=clock.host())
    run(service, "CREATE TABLE t (a)")

    def slowly(_key, act):
        clock.time += 20
        return act()

    faulty.plan("create", *[slowly] * 9)
    act(service, "rename_database", to="new")
    assert kinds_of(service) == ["CREATE", "drop database"]


def test_with_a_lock_nothing_is_announced(container, store, tmp_path):
    clock, faulty = Clock(), FaultyStore(store)
    other = container(store, host=clock.host())
    run(other, "CREATE TABLE t (a)")
    run(other, "INSERT INTO t VALUES (1)")
    service = container(faulty, ObjectLock(store, clock.host(), max_age_seconds=90, retry_seconds=1), host=clock.host())
    faulty.plan("create", *losing(other, clock, 2.0, 5))
    assert act(service, "restore", at=1)["txid"] == 8
    assert "announcement" not in kinds_of(service)


@pytest.mark.parametrize("step", [lose_answer, lose_request, refuse])
def test_an_announcement_that_goes_wrong_harms_nobody(container, store, step):
    clock, faulty = Clock(), FaultyStore(store)
    other = container(store, host=clock.host())
    run(other, "CREATE TABLE t (a)")
    run(other, "INSERT INTO t VALUES (1)")
    service = container(faulty, host=clock.host())
    faulty.plan("create", *losing(other, clock, 2.0, 1), *[step] * (1 if step is refuse else 3))
    reply = act(service, "restore", at=1)
    assert reply["changed"]
    assert [kind for kind in kinds_of(service) if kind != "announcement"][-1] == "restore"
    assert run(service, "SELECT * FROM t").rows == []


def test_what_fails_after_all_is_taken_back(container, store, tmp_path):
    """The others need not wait until it would have ended."""
    clock, faulty = Clock(), FaultyStore(store)
    other = container(store, host=clock.host())
    run(other, "CREATE TABLE t (a)")
    run(other, "INSERT INTO t VALUES (1)")
    service = container(faulty, host=clock.host())
    works = lambda _key, act: act()  # noqa: E731
    head = lose_request  # of transaction 4, the announcement
    faulty.plan("create", *losing(other, clock, 9.0, 1), works, head, *[lose_request] * 3)
    with pytest.raises(SldbError) as caught:
        act(service, "restore", at=1)
    assert caught.value.code == "store_error"
    assert kinds_of(service)[-2:] == ["announcement", "announcement"]
    clock.sleeps.clear()
    run(container(store, host=clock.host()), "INSERT INTO t VALUES (2)")
    assert waited(clock) == 0


def test_two_that_announce_come_one_after_the_other(container, store, tmp_path):
    """The second waits for the first, though both have lost."""
    clock, faulty = Clock(), FaultyStore(store)
    other = container(store, host=clock.host())
    run(other, "CREATE TABLE t (a)")
    run(other, "INSERT INTO t VALUES (1)")
    started = clock.time

    def announced_meanwhile() -> None:
        clock.time += 1
        run(other, "INSERT INTO t VALUES ('other')")
        announce(store, tmp_path, clock)
        clock.at(clock.time + 3, lambda: Engine(store, tmp_path, clock.host()).write("INSERT INTO t VALUES ('first')"))

    faulty.plan("create", meanwhile(announced_meanwhile))
    act(container(faulty, host=clock.host()), "restore", at=1)
    assert [kind for kind in kinds_of(other)[2:] if kind != "unknown"][-2:] == ["announcement", "restore"]
    assert kinds_of(other).count("announcement") == 2
    assert clock.time - started < 10


# Steady writers


class Slow(FaultyStore):
    """A store to which what takes long is slow: so long that another writer commits meanwhile, if one is at work."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__(store)
        self.commits = threading.Semaphore(0)
        self.waits = 0

    def create(self, key: str, body: bytes) -> str:
        self._take_long(key, body)
        return super().create(key, body)

    def assemble(self, key, parts):
        self._take_long(key, None)
        return super().assemble(key, parts)

    def _take_long(self, key: str, body: bytes | None) -> None:
        name = parse_ltx_key("main", key)
        if (
            name is None
            or name.level
            or (body and kinds.of_node_id(Header.decode(body, key).node_id) is Kind.ANNOUNCEMENT)
        ):
            return
        while self.commits.acquire(blocking=False):
            pass
        self.waits += 1
        self.commits.acquire(timeout=1.0)


class Crowd:
    """Writers that write as fast as they can, each its own container and a counter of its own."""

    def __init__(self, make, store: ObjectStore, slow: Slow, count: int) -> None:
        self.done = [0] * count
        self.failures: list[SldbError] = []
        self._store, self._slow = store, slow
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write, args=(number, make(store))) for number in range(count)]

    def _write(self, number: int, service) -> None:
        while not self._stop.is_set():
            try:
                run(service, "UPDATE counters SET n = n + 1 WHERE id = ?", [number], timeout=60)
            except SldbError as error:
                if "dropped" in error.message or "no such table" in error.message:
                    return
                self.failures.append(error)
            else:
                self.done[number] += 1
                self._slow.commits.release()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            wait_until(lambda: self.failures or min(self.done) >= 2, "two commits of each writer")
            assert not self.failures
            yield
        finally:
            self._stop.set()
            for thread in self._threads:
                thread.join(60)


def done_within(tries: int, service, name: str, arguments: dict) -> dict:
    """A rename whose look around showed no writer, on a busy machine, is told so, and begun again."""
    for _ in range(tries - 1):
        try:
            return act(service, name, "main", **arguments)
        except SldbError as error:
            if "written to while it was being renamed" not in error.message:
                raise
            act(service, "drop_database", arguments["to"])
    return act(service, name, "main", **arguments)


@pytest.fixture(params=["directory", "s3"])
def real_store(request, tmp_path):
    return DirectoryStore(tmp_path / "store") if request.param == "directory" else request.getfixturevalue("s3_store")


@pytest.mark.long
@pytest.mark.sampled
@pytest.mark.parametrize("what", ["push", "rename_database", "restore"])
def test_what_takes_long_gets_through_among_steady_writers(container, real_store, tmp_path, what):
    count = WRITERS if isinstance(real_store, DirectoryStore) else 3
    setup = container(real_store)
    run(setup, "CREATE TABLE counters (id INTEGER PRIMARY KEY, n)")
    for number in range(count):
        run(setup, "INSERT INTO counters VALUES (?, 0)", [number])
    begun = run(setup, "SELECT 1").txid
    slow = Slow(real_store)
    service = container(slow)
    crowd = Crowd(container, real_store, slow, count)
    path = tmp_path / "in.db"
    sqlite_files.make(path, SMALL).close()
    arguments = {
        "push": lambda: ("push_commit", upload(real_store, path)),
        "rename_database": lambda: ("rename_database", {"to": "new"}),
        "restore": lambda: ("restore", {"at": begun}),
    }[what]()
    with crowd.at_work():
        reply = done_within(3, service, *arguments)
        if what == "restore":  # the writers go on
            seen = list(crowd.done)
            wait_until(
                lambda: crowd.failures or all(now > then for now, then in zip(crowd.done, seen, strict=True)),
                "one more commit of each writer",
            )
    assert crowd.failures == []
    assert slow.waits <= 6
    checked = container(real_store)
    if what == "rename_database":
        counted = run(checked, "SELECT n FROM counters ORDER BY id", database="new").rows
        assert [n for (n,) in counted] == crowd.done
        assert reply["dropped_by"] == reply["at"] + 1
    elif what == "push":
        before = run(checked, "SELECT n FROM counters ORDER BY id", at=reply["before"]).rows
        assert [n for (n,) in before] == crowd.done
    else:
        assert reply["changed"]
    assert state(real_store, "new" if what == "rename_database" else "main")[0] == ("sound", True)


def test_a_writer_that_always_loses_is_let_through_at_last(container, store):
    """Twenty lost races are the end: before that others give way."""
    clock, faulty = Clock(), FaultyStore(store)
    other = container(store, host=Host())
    run(other, "CREATE TABLE t (a)")
    service = container(faulty, host=clock.host())
    faulty.plan(
        "create", *[meanwhile(lambda: run(other, "INSERT INTO t VALUES ('other')"))] * writer_turns.OF_REQUEST.quick
    )
    reply = run(service, "INSERT INTO t VALUES ('mine')")
    assert reply.txid == 2 + writer_turns.OF_REQUEST.quick + 1
    assert kinds_of(service)[-2:] == ["announcement", "INSERT"]


def test_no_answer_about_an_announcement_makes_nobody_wait(container, store, tmp_path):
    clock = Clock()
    faulty = FaultyStore(store)
    run(container(store), "CREATE TABLE t (a)")
    service = container(faulty, host=clock.host())
    announce(store, tmp_path, clock)
    run(service, "SELECT 1")

    def gone(key, _act):
        raise Unavailable(key, "no answer")

    faulty.plan("get_range", gone)
    assert run(service, "INSERT INTO t VALUES (1)").txid == 3
