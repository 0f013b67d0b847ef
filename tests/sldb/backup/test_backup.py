"""Backups between two stores, with everything that may happen meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.host import Host
from lambda_handlers.service import Service
from lambda_handlers.storage.log.keys import LtxName, parse_ltx_key, snapshot, transaction
from lambda_handlers.store.directory import DirectoryStore
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import Action, SldbError
from sldb.backup.backup import back_up, databases_in, restore, verify_backup
from sldb.backup.copying import Copied, Source
from sldb.backup.installing import install
from sldb.backup.manifest import Manifest, list_backups, read_manifest
from tests.fakes.databases.engine import compact
from tests.fakes.databases.service import container, run
from tests.fakes.immediate_call import ImmediateCall
from tests.fakes.stores.faulty import Act, FaultyStore, lose_answer, meanwhile
from tests.fakes.stores.memory import memory_store

HOST = Host(now=lambda: 1_800_000_000.0, start=ImmediateCall)  # one call after the other: a test counts them


class Killed(BaseException):
    """The end of the process."""


class MortalStore(FaultyStore):
    """A store on which the process dies at a call that changes it, before or after its effect."""

    def __init__(self, store: ObjectStore, calls_left: int, *, after: bool) -> None:
        super().__init__(store)
        self._left, self._after = calls_left, after

    def _meet(self, verb: str, key: str, act: Act) -> Any:
        if not verb.startswith("create"):
            return act()
        self._left -= 1
        if self._left < 0:
            if self._after and self._left == -1:
                act()
            raise Killed
        return act()


@pytest.fixture
def source() -> ObjectStore:
    return memory_store()


def write(store: ObjectStore, *statements: str, database: str = "main") -> None:
    service = container(store)
    for statement in statements:
        run(service, statement, database=database)
    service.close()


def rows(store: ObjectStore, query: str = "SELECT a FROM t ORDER BY a", database: str = "main", **more: Any) -> Any:
    service = container(store)
    try:
        return run(service, query, database=database, **more).results[0].rows
    finally:
        service.close()


def transactions(store: ObjectStore, database: str) -> list[dict[str, Any]]:
    service: Service = container(store)
    try:
        return list(service.act(Action("history", database, {"limit": 1000}))["transactions"])
    finally:
        service.close()


def history(store: ObjectStore, database: str = "main") -> list[tuple[int, str]]:
    return [(each["txid"], each["time"]) for each in transactions(store, database)]


def kinds(store: ObjectStore, database: str = "main") -> list[str | None]:
    return [each["kind"] for each in transactions(store, database)]


def fill(store: ObjectStore, count: int = 5) -> None:
    write(store, "CREATE TABLE t (a)", *(f"INSERT INTO t VALUES ({number})" for number in range(count)))


def files(store: ObjectStore, database: str = "main") -> set[LtxName]:
    names = (parse_ltx_key(database, info.key) for info in store.list_objects(f"{database}/"))
    return {name for name in names if name is not None}


def saved(source: ObjectStore, target: ObjectStore, **more: Any) -> tuple[Manifest, Copied]:
    return back_up(Source(source, "main", **more), target, "here", host=HOST)


def brought_back(backup: ObjectStore, target: ObjectStore, name: str = "main") -> Copied:
    manifest = read_manifest(backup, list_backups(backup, "main")[-1])
    return restore(backup, manifest, target, name, host=HOST)


@pytest.fixture(params=["memory", "directory"])
def backup(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    return memory_store() if request.param == "memory" else DirectoryStore(tmp_path / "backup")


def test_a_database_comes_back_with_its_history_and_its_times(source: ObjectStore, backup: ObjectStore) -> None:
    fill(source)
    compacted = snapshot(4)
    with_past = history(source)
    manifest, copied = saved(source, backup)
    assert (copied.txid, copied.new_files, manifest.has_history) == (6, len(files(source)), True)
    verify_backup(backup, manifest)
    assert rows(backup) == [(number,) for number in range(5)]  # a backup can be read where it is
    target = memory_store()
    brought_back(backup, target, "again")
    assert history(target, "again") == with_past
    assert kinds(target, "again") == kinds(source) == [*["INSERT"] * 5, "CREATE"]
    assert rows(target, database="again") == [(number,) for number in range(5)]
    for txid, time in with_past:
        expected = rows(source, at=txid) if txid > 1 else []
        assert rows(target, database="again", at=txid) == expected
        assert rows(target, database="again", at=time) == expected
    write(target, "INSERT INTO t VALUES (99)", database="again")
    assert rows(target, database="again")[-1] == (99,)
    assert compacted not in files(target, "again")


def test_a_second_backup_copies_what_is_new(source: ObjectStore, backup: ObjectStore, tmp_path: Path) -> None:
    fill(source)
    first, _ = saved(source, backup)
    assert saved(source, backup)[1].new_files == 0
    write(source, "INSERT INTO t VALUES (7)")
    compact(source, snapshot(3), tmp_path)
    second, copied = saved(source, backup)
    assert copied.new_files == 2
    source.delete(transaction(2).key("main"))  # the snapshot replaces it
    third, _ = saved(source, backup)
    assert [len(each.files) for each in (first, second, third)] == [6, 8, 7]
    for manifest in (first, second, third):
        verify_backup(backup, manifest)
    target = memory_store()
    restore(backup, first, target, "main", host=HOST)
    assert rows(target) == [(number,) for number in range(5)]  # as it was then
    assert [name.txid for name in list_backups(backup)] == [6, 7, 7]  # the clock stands still: nothing new, no other


def test_the_newest_state_alone_has_no_history(source: ObjectStore, backup: ObjectStore, tmp_path: Path) -> None:
    fill(source)
    compact(source, snapshot(5), tmp_path)
    manifest, copied = saved(source, backup, only_newest=True)
    assert {file.name for file in copied.files} == {snapshot(5), transaction(6)}
    assert not manifest.has_history
    target = memory_store()
    brought_back(backup, target)
    assert rows(target) == [(number,) for number in range(5)]
    with pytest.raises(SldbError, match="copy of another"):
        rows(target, at=3)


def test_writers_and_maintenance_go_on(source: ObjectStore, tmp_path: Path) -> None:
    fill(source)
    busy, backup = FaultyStore(source), memory_store()

    def interfere() -> None:
        write(source, "INSERT INTO t VALUES (50)")
        compact(source, snapshot(4), tmp_path)
        source.delete(transaction(3).key("main"))

    busy.plan("get", meanwhile(interfere))
    manifest, _ = saved(busy, backup)
    verify_backup(backup, manifest)
    assert manifest.name.txid == 7  # of the second listing
    assert rows(backup)[-1] == (50,)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_backup_that_is_killed_anywhere_goes_on(source: ObjectStore, after: bool) -> None:
    fill(source, 3)
    backup, kills = memory_store(), 0
    for calls in range(20):
        try:
            saved(source, MortalStore(backup, calls % 3, after=after))
        except Killed:
            kills += 1
        else:
            break
    assert kills > 2 or after
    manifest, _ = saved(source, backup)
    verify_backup(backup, manifest)
    assert rows(backup) == [(0,), (1,), (2,)]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_restore_that_is_killed_anywhere_is_never_half_there(source: ObjectStore, after: bool) -> None:
    fill(source, 3)
    for calls in range(5):  # the mark and four files
        target = memory_store()
        with pytest.raises(Killed):
            install(Source(source, "main"), MortalStore(target, calls, after=after), "main", host=HOST)
        if target_has_all(target):
            continue
        if files(target):  # reserved: neither read nor written
            for statement in ("SELECT a FROM t", "CREATE TABLE other (b)"):
                with pytest.raises(SldbError, match="copy of another"):
                    write(target, statement)
        install(Source(source, "main"), target, "main", host=HOST)
        assert rows(target) == [(0,), (1,), (2,)]
        assert history(target) == history(source)


def target_has_all(target: ObjectStore) -> bool:
    return replaced_first(4) <= files(target)


def replaced_first(newest: int) -> set[LtxName]:
    return {LtxName(1, 1, 1), *(transaction(txid) for txid in range(2, newest + 1))}


def test_lost_answers_are_read_back(source: ObjectStore) -> None:
    fill(source, 3)
    target = FaultyStore(memory_store())
    target.plan("create", *[lose_answer] * 6)
    install(Source(source, "main"), target, "main", host=HOST)
    assert rows(target.store) == [(0,), (1,), (2,)]


def damage(store: ObjectStore, key: str, change: Callable[[bytes], bytes]) -> None:
    body = store.get(key)
    store.delete(key)
    store.create(key, change(body))


@pytest.mark.parametrize("change", [lambda body: body[:-1], lambda body: body[:150] + b"x" + body[151:]])
def test_damage_is_found(source: ObjectStore, change: Callable[[bytes], bytes]) -> None:
    fill(source)
    backup, key = memory_store(), transaction(3).key("main")
    manifest, _ = saved(source, backup)
    damage(backup, key, change)
    with pytest.raises(SldbError) as caught:
        verify_backup(backup, manifest)
    assert (caught.value.code, caught.value.details["key"]) == ("corrupt", key)
    target = memory_store()
    with pytest.raises(SldbError, match=key):
        brought_back(backup, target)
    damage(source, key, change)
    other = memory_store()
    with pytest.raises(SldbError, match=key):
        saved(source, other)
    assert list_backups(other) == []


def test_an_intact_file_of_another_database_is_found(source: ObjectStore) -> None:
    fill(source)
    backup, other = memory_store(), memory_store()
    manifest, _ = saved(source, backup)
    write(other, "CREATE TABLE t (a)", *["INSERT INTO t VALUES ('no')"] * 5)
    key = transaction(3).key("main")
    damage(backup, key, lambda body: other.get(key))
    with pytest.raises(SldbError, match="000003"):
        verify_backup(backup, manifest)


def test_an_existing_database_is_never_overwritten(source: ObjectStore) -> None:
    fill(source)
    backup, target = memory_store(), memory_store()
    saved(source, backup)
    write(target, "CREATE TABLE mine (a)")
    before = files(target)
    with pytest.raises(SldbError) as caught:
        brought_back(backup, target)
    assert (caught.value.code, files(target)) == ("exists", before)
    brought_back(backup, target, "other")
    write(target, "INSERT INTO t VALUES (8)", database="other")
    with pytest.raises(SldbError, match="already"):
        brought_back(backup, target, "other")
    assert rows(target, database="other")[-1] == (8,)


def test_a_database_of_one_transaction_is_not_overwritten_either(source: ObjectStore) -> None:
    write(source, "CREATE TABLE t (a)")
    backup = memory_store()
    saved(source, backup)
    write(source, "INSERT INTO t VALUES (1)")
    others = memory_store()
    write(others, "CREATE TABLE mine (a)")
    for target in (source, others):
        before = files(target)
        with pytest.raises(SldbError) as caught:
            brought_back(backup, target)
        assert (caught.value.code, files(target)) == ("exists", before)
    assert brought_back(backup, source, "other").new_files == 1
    assert brought_back(backup, source, "other").new_files == 0  # a repeated command


def test_a_backup_of_another_database_of_the_same_name_is_left_alone(source: ObjectStore) -> None:
    fill(source)
    backup, other = memory_store(), memory_store()
    saved(source, backup)
    write(other, "CREATE TABLE mine (a)")
    with pytest.raises(SldbError, match="other bytes") as caught:
        saved(other, backup)
    assert "another place" in caught.value.hint


def test_a_manifest_of_a_later_version_or_a_damaged_one_is_refused(source: ObjectStore) -> None:
    fill(source)
    backup = memory_store()
    manifest, _ = saved(source, backup)
    from lambda_handlers.shared.sealed_json import seal

    for change, code in (
        (lambda body: seal({"version": 2}, manifest.name.key), "unsupported"),
        (lambda body: body[:-1], "corrupt"),
    ):
        damage(backup, manifest.name.key, change)
        with pytest.raises(SldbError) as caught:
            read_manifest(backup, manifest.name)
        assert caught.value.code == code


def test_a_branch_and_an_unfinished_copy(source: ObjectStore) -> None:
    fill(source)
    service = container(source)
    service.act(Action("branch", "main", {"as": "copy"}))
    service.close()
    backup = memory_store()
    manifest, _ = back_up(Source(source, "copy"), backup, "here", host=HOST)
    target = memory_store()
    restore(backup, manifest, target, "copy", host=HOST)
    assert rows(target, database="copy") == [(number,) for number in range(5)]
    assert databases_in(source) == ["copy", "main"]
    for name in files(source, "copy"):
        if name != transaction(1):
            source.delete(name.key("copy"))
    with pytest.raises(SldbError, match="copy of another"):
        back_up(Source(source, "copy"), backup, "here", host=HOST)
