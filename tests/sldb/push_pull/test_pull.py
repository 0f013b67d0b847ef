"""A pull: whole or not at all, from one moment, and on where it stopped."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.host import Host
from lambda_handlers.service import Service
from lambda_handlers.storage.log.keys import LtxName, transaction
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import Action, SldbError
from sldb.client import Client
from sldb.progress.protocol import Silent
from sldb.push_pull import download
from sldb.push_pull.direct import DirectTransport
from sldb.push_pull.download import Downloader, LogFile
from sldb.push_pull.pull import Pull
from sldb.push_pull.transport import FileVanished
from tests.fakes.clock import Clock
from tests.fakes.databases import sqlite_files
from tests.fakes.databases.engine import compact
from tests.fakes.databases.service import container, run
from tests.fakes.immediate_call import ImmediateCall
from tests.fakes.stores.memory import memory_store


class OverService:
    """A target over a container in this process."""

    name = "service"

    def __init__(self, service: Service) -> None:
        self.service = service

    def act(self, action: Action) -> dict[str, Any]:
        return self.service.act(action)

    send = result = close = None


class Transport(DirectTransport):
    """Notes the ranges read, and calls `before` each time."""

    def __init__(self, store: ObjectStore) -> None:
        super().__init__("main", lambda: store)
        self.asked: list[tuple[str, int, int]] = []
        self.before: Callable[[str, int], None] = lambda _file, _start: None

    def read(self, file: str, start: int, length: int) -> bytes:
        self.asked.append((file, start, length))
        self.before(file, start)
        return super().read(file, start, length)


@pytest.fixture
def store() -> ObjectStore:
    return memory_store()


@pytest.fixture
def service(store):
    service = container(store)
    run(service, "CREATE TABLE t (a, b)")
    fill = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300) "
    run(service, fill + "INSERT INTO t SELECT i, randomblob(1000) FROM n")
    run(service, "UPDATE t SET b = 'third' WHERE a = 3")
    yield service
    service.close()


@pytest.fixture(autouse=True)
def _small_ranges(monkeypatch):
    monkeypatch.setattr(download, "RANGE_BYTES", 50_000)
    monkeypatch.setattr(download, "KEPT_SECONDS", 0.0)


@pytest.fixture
def transport(store):
    return Transport(store)


@pytest.fixture
def pull(service, transport, tmp_path):
    def run_it(out: str = "out.db", at: int | str | None = None, *, replace: bool = False) -> dict[str, Any]:
        one = Pull(Client(OverService(service)), transport, Silent(), Host(start=ImmediateCall))  # type: ignore[arg-type]
        return one.run(tmp_path / out, at, replace=replace, check=True)

    return run_it


def rows(path: Path, sql: str = "SELECT count(*), count(DISTINCT b) FROM t") -> Any:
    import sqlite3

    connection = sqlite3.connect(path)
    found = connection.execute(sql).fetchall()
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    return found


def names(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.iterdir())


def test_nothing_is_left_beside_it(pull, tmp_path):
    reply = pull()
    assert rows(tmp_path / "out.db") == [(300, 300)]
    assert (reply["txid"], names(tmp_path)) == (3, ["out.db"])


def test_an_earlier_state(pull, tmp_path):
    assert pull(at=1)["txid"] == 1
    assert rows(tmp_path / "out.db") == [(0, 0)]
    with pytest.raises(SldbError, match="no state at transaction 9"):
        pull("other.db", at=9)
    assert names(tmp_path) == ["out.db"]


def test_a_database_that_is_not_there_or_was_dropped(service, pull, tmp_path):
    service.act(Action("drop_database"))
    with pytest.raises(SldbError, match="was dropped") as caught:
        pull()
    assert caught.value.code == "not_found"
    assert pull(at=3)["txid"] == 3
    assert rows(tmp_path / "out.db") == [(300, 300)]


def test_a_pull_that_is_cut_off_anywhere_goes_on_where_it_stopped(pull, transport, tmp_path):
    class Cut(Exception):
        pass

    def cut(_file: str, _start: int) -> None:
        if len(transport.asked) == 3:
            raise Cut

    transport.before = cut
    read: list[tuple[str, int, int]] = []
    for _ in range(100):
        transport.asked.clear()
        try:
            pull()
        except Cut:
            read += transport.asked[:2]
            assert not (tmp_path / "out.db").exists()
            assert "database" not in names(tmp_path / ".out.db.pull")
        else:
            read += transport.asked
            break
    assert rows(tmp_path / "out.db") == [(300, 300)]
    assert names(tmp_path) == ["out.db"]
    assert len(read) > 6


def test_what_was_read_is_not_read_again(service, pull, transport, tmp_path):
    def fail(file: str, start: int) -> None:
        if start >= 150_000:
            raise SldbError("store_error", "not now")

    transport.before = fail
    with pytest.raises(SldbError, match="not now"):
        pull()
    transport.before = lambda _file, _start: None
    transport.asked.clear()
    run(service, "INSERT INTO t VALUES (1000, 'later')")  # the newest state is another one now
    assert pull()["txid"] == 4
    assert rows(tmp_path / "out.db") == [(301, 301)]
    again = [(file, start) for file, start, _ in transport.asked if file.startswith("0000/0000000000000002")]
    assert min(start for _, start in again) >= 50_000


@pytest.mark.parametrize(("range_seconds", "is_kept"), [(5.0, False), (6.0, True)])
def test_what_arrives_within_seconds_is_not_kept(store, monkeypatch, tmp_path, range_seconds, is_kept):
    """350,000 bytes, four ranges of 50,000 at once: 1.75 times the time of the first one."""
    monkeypatch.setattr(download, "KEPT_SECONDS", 10.0)
    store.put("main/0000/file", body := os.urandom(350_000))
    clock = Clock()

    class Slow:
        def read(self, _file: str, start: int, length: int) -> bytes:
            clock.time += range_seconds / download.RANGES_IN_FLIGHT
            return store.get_range("main/0000/file", start, length)

    one = LogFile("0000/file", len(body))
    downloader = Downloader(Slow(), Host(now=clock.now, start=ImmediateCall), tmp_path)  # type: ignore[arg-type]  # all that is used
    assert b"".join(downloader.chunks(one)) == body
    assert downloader.kept_bytes(one) == (len(body) if is_kept else 0)


def test_a_beginning_of_another_file_is_not_used(service, pull, transport, tmp_path):
    """A file of the same name and size with other bytes: its checksum fails, and all of it is read again."""

    def fail(file: str, start: int) -> None:
        if start >= 150_000:
            raise SldbError("store_error", "not now")

    transport.before = fail
    with pytest.raises(SldbError, match="not now"):
        pull()
    (kept,) = [path for path in (tmp_path / ".out.db.pull").glob("*.kept") if path.stat().st_size > 10_000]
    data = bytearray(kept.read_bytes())
    data[5000] ^= 1
    kept.write_bytes(data)
    transport.before = lambda _file, _start: None
    pull()
    assert rows(tmp_path / "out.db") == [(300, 300)]


def test_files_that_vanish_are_found_elsewhere(store, pull, transport, tmp_path):
    """Maintenance makes a snapshot, and removes the covered files, while the pull is under way."""

    def tidy_up(_file: str, _start: int) -> None:
        if len(transport.asked) == 2:
            compact(store, LtxName(9, 1, 3), tmp_path)
            for txid in (1, 2, 3):
                store.delete(transaction(txid).key("main"))

    transport.before = tidy_up
    assert pull()["txid"] == 3
    assert rows(tmp_path / "out.db") == [(300, 300)]


def test_a_state_that_cannot_be_had_any_more_is_said_to_be_so(service, store, pull, transport, tmp_path):
    def forget(_file: str, _start: int) -> None:
        if len(transport.asked) == 2:
            run(service, "INSERT INTO t VALUES (1, 1)")
            compact(store, LtxName(9, 1, 4), tmp_path)
            for txid in (1, 2, 3):
                store.delete(transaction(txid).key("main"))

    transport.before = forget
    with pytest.raises(SldbError, match="no state at transaction 3") as caught:
        pull()
    assert caught.value.code == "not_found"
    assert not (tmp_path / "out.db").exists()


def test_a_damaged_file_is_named(store, pull, tmp_path):
    key = transaction(2).key("main")
    data = bytearray(store.get(key))
    data[2000] ^= 1
    store.put(key, bytes(data))
    with pytest.raises(SldbError, match=key) as caught:
        pull()
    assert caught.value.code == "corrupt"
    assert not (tmp_path / "out.db").exists()


def test_a_file_gets_its_name_when_its_content_is_on_the_disk(pull, tmp_path, monkeypatch):
    synced: list[tuple[int, bool]] = []
    sync = os.fsync

    def noted(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_size, (tmp_path / "out.db").exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", noted)
    pull()
    assert ((tmp_path / "out.db").stat().st_size, False) in synced


def test_a_content_that_the_disk_refuses_gets_no_name(pull, tmp_path, monkeypatch):
    def refuse(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(SldbError, match="cannot be written: Input/output error"):
        pull()
    assert not (tmp_path / "out.db").exists()


def test_writers_meanwhile_change_nothing(service, pull, transport, tmp_path):
    transport.before = lambda _file, _start: run(service, "DELETE FROM t WHERE a = (SELECT min(a) FROM t)") and None
    assert pull()["txid"] == 3
    assert rows(tmp_path / "out.db") == [(300, 300)]


def test_a_database_that_shrank_and_changed_its_page_size(service, pull, tmp_path):
    run(service, "DELETE FROM t")
    run(service, "VACUUM")
    run(service, "INSERT INTO t VALUES (1, 'after')")
    pull()
    assert (tmp_path / "out.db").stat().st_size < 100_000
    assert rows(tmp_path / "out.db", "SELECT b FROM t") == [("after",)]


def test_a_file_that_is_there_stays_unless_that_is_wanted(pull, tmp_path):
    out = tmp_path / "out.db"
    out.write_text("mine")
    with pytest.raises(SldbError, match="already exists"):
        pull()
    assert out.read_text() == "mine"
    pull(replace=True)
    assert rows(out) == [(300, 300)]


@pytest.mark.parametrize("suffix", ["-wal", "-journal", "-shm"])
def test_what_belongs_to_an_old_file_does_not_come_to_the_new_one(pull, tmp_path, suffix):
    import sqlite3

    out = tmp_path / "out.db"
    old = sqlite3.connect(out, isolation_level=None)
    for statement in ("PRAGMA journal_mode = wal", "CREATE TABLE old (x)", "INSERT INTO old VALUES (1)"):
        old.execute(statement)
    wal = Path(f"{out}-wal").read_bytes()
    old.close()
    out.unlink()
    beside = Path(f"{out}{suffix}")
    beside.write_bytes(wal)
    with pytest.raises(SldbError, match="already exists"):
        pull()
    pull(replace=True)
    assert not beside.exists()
    assert rows(out) == [(300, 300)]


def test_a_file_that_came_to_be_meanwhile_stays(pull, transport, tmp_path):
    out = tmp_path / "out.db"
    transport.before = lambda _file, _start: out.write_text("mine") and None
    with pytest.raises(SldbError, match="was created meanwhile"):
        pull()
    assert out.read_text() == "mine"


def test_a_link_is_followed(pull, tmp_path):
    real = tmp_path / "real.db"
    real.write_text("old")
    (tmp_path / "out.db").symlink_to(real)
    pull(replace=True)
    assert rows(real) == [(300, 300)]
    assert (tmp_path / "out.db").is_symlink()


def test_places_where_no_file_can_be(pull, tmp_path):
    for out, why in (("", "is a directory"), ("none/out.db", "is not a directory")):
        with pytest.raises(SldbError, match=why) as caught:
            pull(out)
        assert caught.value.code == "bad_request"
    assert names(tmp_path) == []


def test_two_pulls_of_one_file_at_once(service, transport, pull, tmp_path):
    reached, goes_on = threading.Event(), threading.Event()

    def wait(_file: str, _start: int) -> None:
        reached.set()
        assert goes_on.wait(30)

    transport.before = wait
    first = threading.Thread(target=pull)
    first.start()
    assert reached.wait(30)
    with pytest.raises(SldbError, match="another sldb pull") as caught:
        pull()
    assert caught.value.code == "conflict"
    goes_on.set()
    first.join()
    assert rows(tmp_path / "out.db") == [(300, 300)]


def test_files_that_keep_vanishing_are_an_error(pull, transport, tmp_path):
    def vanish(file: str, _start: int) -> None:
        raise FileVanished(file)

    transport.before = vanish
    with pytest.raises(SldbError, match="vanish") as caught:
        pull()
    assert caught.value.code == "store_error"
    assert names(tmp_path) == []


def test_the_file_has_the_usual_rights(pull, tmp_path):
    pull()
    mask = os.umask(0)
    os.umask(mask)
    assert (tmp_path / "out.db").stat().st_mode & 0o777 == 0o666 & ~mask
    assert sqlite_files.dump(tmp_path / "out.db")[1] == "ok"
