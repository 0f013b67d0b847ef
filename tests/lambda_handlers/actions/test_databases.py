"""databases: listing, creating, renaming and dropping them. txids never restart."""

from __future__ import annotations

import threading

import pytest

from lambda_handlers.storage.log.keys import snapshot, transaction
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock, host_without_waits
from tests.fakes.databases.engine import compact
from tests.fakes.databases.past import act, image, state
from tests.fakes.databases.service import run
from tests.fakes.stores.faulty import FaultyStore, lose_answer, lose_request, meanwhile, works

DAY = 86_400


@pytest.fixture
def host():
    return host_without_waits()  # a rename waits for other writers


def refused(service, name, database="main", /, **arguments) -> SldbError:
    with pytest.raises(SldbError) as caught:
        act(service, name, database, **arguments)
    return caught.value


def listed(service, **arguments):
    return {one["name"]: one for one in act(service, "databases", **arguments)["databases"]}


def test_none_yet(service, store):
    assert listed(service) == {}
    store.create("locked/head.json", b"{}")
    assert listed(service) == {}


def test_what_is_told(service, store):
    run(service, "CREATE TABLE t (a)")
    run(service, "CREATE TABLE t (a); INSERT INTO t VALUES (1)", database="other")
    found = listed(service)
    assert list(found) == ["main", "other"]
    assert found["main"] == {
        "name": "main",
        "state": "ok",
        "txid": 1,
        "time": act(service, "history")["transactions"][0]["time"],
        "bytes": 8192,
        "stored_bytes": sum(info.size for info in store.list_objects("main/")),
        "page_size": 4096,
        "foreign_keys": True,
    }


@pytest.mark.parametrize("body", [b"", b"x", bytes(200)], ids=["empty", "cut short", "zeros"])
def test_one_that_is_damaged_is_told_among_the_others(service, store, body):
    for name in ("a", "b", "c"):
        run(service, "CREATE TABLE t (a)", database=name)
    key = transaction(1).key("b")
    store.put(key, body)
    found = listed(service)
    assert [found[name]["state"] for name in ("a", "b", "c")] == ["ok", "damaged", "ok"]
    assert set(found["b"]) == {"name", "state", "txid", "stored_bytes", "problem"}
    assert found["b"]["txid"] == 1
    assert key in found["b"]["problem"]


def test_a_store_that_does_not_answer_is_no_damage(container, store):
    faulty = FaultyStore(store)
    service = container(faulty)
    run(service, "CREATE TABLE t (a)")
    faulty.plan("get", lose_request)
    assert refused(service, "databases").code == "store_error"
    run(service, "CREATE TABLE large AS SELECT randomblob(100000) AS a")
    faulty.plan("get_range", lose_request)
    assert refused(service, "databases").code == "store_error"


def test_a_large_file_that_is_damaged_or_not_there_now_is_told_among_the_others(container, store):
    """Its header is whole: it is only the setting that takes more of it."""
    faulty = FaultyStore(store)
    service = container(faulty)
    run(service, "CREATE TABLE t (a)", database="other")
    run(service, "CREATE TABLE large AS SELECT randomblob(100000) AS a")
    assert listed(container(faulty))["main"]["foreign_keys"] is True
    faulty.plan("get", works, *[lose_request] * 9)
    assert listed(service)["main"]["foreign_keys"] is None
    faulty.forget_plans()
    key = transaction(1).key("main")
    body = bytearray(store.get(key))
    body[50_000] ^= 1
    store.put(key, bytes(body))
    found = listed(container(store))
    assert (found["main"]["state"], found["other"]["foreign_keys"]) == ("damaged", True)
    assert key in found["main"]["problem"]


def test_created_once(service, store):
    assert act(service, "create_database", "new") == {"database": "new", "txid": 1, "created": True}
    assert act(service, "create_database", "new") == {"database": "new", "txid": 1, "created": False}
    assert run(service, "SELECT count(*) FROM sqlite_schema", database="new").rows == [(0,)]
    assert run(service, "CREATE TABLE t (a)", database="new").txid == 2
    assert refused(service, "create_database", "new").code == "exists"
    assert [line["kind"] for line in act(service, "history", "new")["transactions"]] == ["CREATE", "create database"]
    assert state(store, "new")[0] == ("sound", True)


def test_dropped_and_brought_back(container, store):
    clock = Clock(start=1_790_000_000)
    service = container(store, host=clock.host(), retention_days=7)
    run(service, "CREATE TABLE t (a); INSERT INTO t VALUES (1)", database="x")
    reply = act(service, "drop_database", "x")
    assert reply == {
        "database": "x",
        "txid": 2,
        "restore_at": 1,
        "until": "2026-09-28T14:13:20.001Z",
        "dropped": True,
    }
    assert act(service, "drop_database", "x") == {**reply, "dropped": False}
    assert listed(service) == {}
    assert listed(service, all=True)["x"]["state"] == "dropped"
    assert listed(service, all=True)["x"]["until"] == reply["until"]
    for other in (service, container(store, host=clock.host(), retention_days=7)):
        with pytest.raises(SldbError) as caught:
            run(other, "SELECT * FROM t", database="x")
        assert caught.value.code == "not_found"
        assert "dropped by transaction 2, at 2026-09-21T14:13:20.001Z" in caught.value.message
        assert "until 2026-09-28T14:13:20.001Z, sldb restore --database x --at 1" in caught.value.hint
        with pytest.raises(SldbError, match="dropped"):
            run(other, "SELECT 1", database="x")
    assert run(service, "SELECT a FROM t", database="x", at=1).rows == [(1,)]
    assert act(service, "restore", "x", at=1)["txid"] == 3
    assert run(service, "SELECT a FROM t", database="x").rows == [(1,)]
    assert state(store, "x", at=1) == state(store, "x")


def test_a_dropped_name_begins_anew_and_goes_on_counting(container, service, store):
    run(service, "PRAGMA page_size = 512; CREATE TABLE t (a); INSERT INTO t VALUES (zeroblob(9000))", database="x")
    act(service, "drop_database", "x")
    other = container(store)
    assert run(other, "CREATE TABLE u (b); INSERT INTO u VALUES (2)", database="x").txid == 3
    assert run(service, "SELECT b FROM u", database="x").rows == [(2,)]
    assert act(service, "restore", "x", at=1)["changed"]
    assert image(store, "x") == image(store, "x", at=1)
    act(service, "restore", "x", at=3)
    assert state(store, "x") == state(store, "x", at=3)
    act(service, "restore", "x", at=2)  # to the moment when it was dropped
    assert listed(service) == {}
    assert act(service, "create_database", "x") == {"database": "x", "txid": 7, "created": True}


@pytest.mark.parametrize("sql", ["SELECT 1", "INSERT INTO t VALUES (1)", "DELETE FROM nothing"])
def test_a_restore_to_a_dropped_state_is_a_drop(container, store, sql):
    service, other = container(store), container(store)
    run(service, "CREATE TABLE t (a)", database="x")
    act(service, "drop_database", "x")
    run(other, "CREATE TABLE u (b)", database="x")
    act(service, "restore", "x", at=2)
    for one in (service, other):
        with pytest.raises(SldbError, match="database x was dropped by transaction 4, ") as caught:
            run(one, sql, database="x")
        assert (caught.value.code, caught.value.details["txid"]) == ("not_found", 4)
        with pytest.raises(SldbError, match="dropped by transaction 4, ") as caught:
            run(one, "CREATE TABLE v (c)", database="x", create=False)
        assert caught.value.details["creatable"]
    assert refused(service, "branch", "x", **{"as": "y"}).details["txid"] == 4
    assert run(other, "CREATE TABLE v (c)", database="x").txid == 5
    assert run(service, "SELECT name FROM sqlite_schema WHERE name NOT LIKE '\\_%' ESCAPE '\\'", database="x").rows == [
        ("v",)
    ]


def test_a_writer_that_knew_the_database_is_told(container, store):
    service, other = container(store), container(store)
    run(service, "CREATE TABLE t (a)", database="x")
    run(other, "SELECT 1", database="x")
    act(service, "drop_database", "x")
    with pytest.raises(SldbError) as caught:
        run(other, "INSERT INTO t VALUES (1)", database="x")
    assert "dropped" in caught.value.message


def test_drop_protects_a_newer_write(service):
    run(service, "CREATE TABLE t (a)", database="x")
    run(service, "INSERT INTO t VALUES (1)", database="x")
    assert refused(service, "drop_database", "x", if_txid=1).code == "conflict"
    assert refused(service, "drop_database", "nothing").code == "not_found"
    assert act(service, "drop_database", "x", if_txid=2)["dropped"]


def test_renamed(service, store):
    run(service, "CREATE TABLE t (a); INSERT INTO t VALUES (1)", database="x")
    run(service, "INSERT INTO t VALUES (2)", database="x")
    reply = act(service, "rename_database", "x", to="y")
    assert {name: reply[name] for name in ("database", "to", "txid", "dropped_by")} == {
        "database": "x",
        "to": "y",
        "txid": 2,
        "dropped_by": 3,
    }
    assert act(service, "rename_database", "x", to="y") == reply
    assert list(listed(service)) == ["y"]
    assert run(service, "SELECT a FROM t", database="y").rows == [(1,), (2,)]
    assert refused(service, "rename_database", "x", to="z").code == "not_found"
    assert refused(service, "rename_database", "nothing", to="z").code == "not_found"
    run(service, "DELETE FROM t", database="y")
    assert refused(service, "rename_database", "x", to="y").code == "exists"
    assert state(store, "y", at=2) == state(store, "x", at=2)


def test_renamed_onto_a_dropped_one_and_back(service, store):
    run(service, "CREATE TABLE t (a); INSERT INTO t VALUES (1)", database="x")
    act(service, "rename_database", "x", to="y")
    reply = act(service, "rename_database", "y", to="x")
    assert (reply["at"], reply["txid"], reply["dropped_by"]) == (1, 3, 2)
    assert {**act(service, "rename_database", "y", to="x"), "bytes": 0} == {**reply, "bytes": 0}
    assert state(store, "x") == state(store, "x", at=1)
    assert list(listed(service)) == ["x"]
    act(service, "drop_database", "x")
    assert "dropped" in refused(service, "rename_database", "y", to="x").message


def test_renamed_onto_another(service, store):
    for name in ("x", "y"):
        run(service, f"CREATE TABLE {name} (a)", database=name)
    assert refused(service, "rename_database", "x", to="y").code == "exists"
    assert refused(service, "rename_database", "x", to="x").code == "bad_request"
    assert sorted(listed(service)) == ["x", "y"]


@pytest.mark.parametrize("number", range(7))
@pytest.mark.parametrize("step", [lose_request, lose_answer])
def test_a_rename_that_is_stopped_goes_on(container, store, number, step):
    faulty = FaultyStore(store)
    service = container(faulty)
    run(service, "CREATE TABLE t (a)", database="x")
    run(service, "INSERT INTO t VALUES (1)", database="x")
    faulty.plan("create", *[works] * number, *[step] * 20)
    try:
        act(service, "rename_database", "x", to="y")
    except SldbError as error:
        assert error.code == "store_error"  # noqa: PT017 - either outcome is right
    faulty.forget_plans()
    act(container(store), "rename_database", "x", to="y")
    assert list(listed(container(store))) == ["y"]
    assert state(store, "y") == state(store, "x", at=2)


@pytest.mark.parametrize("merged", ["x", "y", "both"])
def test_a_rename_that_is_stopped_goes_on_where_files_were_merged(container, store, tmp_path, merged):
    """A copy of one file is no proof that its newest transaction brought every page."""
    service = container(store)
    run(service, "CREATE TABLE t (a); INSERT INTO t VALUES (hex(randomblob(9000)))", database="x")
    run(service, "CREATE TABLE u (a)", database="x")
    act(service, "branch", "x", **{"as": "y"})
    for name in ("x", "y") if merged == "both" else merged:
        compact(store, snapshot(2), tmp_path, name)
    act(container(store), "rename_database", "x", to="y")
    assert list(listed(container(store))) == ["y"]
    assert state(store, "y") == state(store, "x", at=2)


def test_a_rename_onto_a_dropped_name_believes_no_single_size(container, store):
    """The second try finds what the first one brought, and asks how large it is: one digit of the answer is another."""
    service = container(store)
    run(service, "CREATE TABLE t (a)", database="x")
    run(service, "CREATE TABLE old (a)", database="y")
    act(service, "drop_database", "y")
    act(service, "branch", "x", **{"as": "y"})
    faulty = FaultyStore(store)
    faulty.plan("size", *[lambda _key, act: act() + 100] * 20)
    act(container(faulty), "rename_database", "x", to="y")
    assert list(listed(container(store))) == ["y"]


def test_written_to_while_it_is_renamed(container, store):
    faulty = FaultyStore(store)
    service, other = container(faulty), container(store)
    run(service, "CREATE TABLE t (a)", database="x")
    run(service, "INSERT INTO t VALUES (1)", database="x")
    drop = works, works, works, works, meanwhile(lambda: run(other, "INSERT INTO t VALUES (2)", database="x"))
    faulty.plan("create", *drop)
    error = refused(service, "rename_database", "x", to="y")
    assert error.code == "conflict"
    assert "written to while" in error.message
    assert run(other, "SELECT count(*) FROM t", database="x").rows == [(2,)]


def test_the_tombstone_stays(service, store):
    run(service, "CREATE TABLE t (a)", database="x")
    act(service, "drop_database", "x")
    assert snapshot(2).key("x") in [info.key for info in store.list_objects("x/")]
    for txid in (1, 2):
        store.delete(transaction(txid).key("x"))
    assert listed(service, all=True)["x"]["state"] == "dropped"
    assert run(service, "CREATE TABLE t (a)", database="x").txid == 3


def test_writers_of_two_databases_do_not_wait_for_each_other(container, store):
    """One database per table, each with its own lock: while one is written to, so is the other."""
    faulty = FaultyStore(store)
    slow, fast = container(faulty), container(store)
    committing, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        committing.set()
        assert go_on.wait(20)

    faulty.plan("create", meanwhile(hold))
    writer = threading.Thread(target=lambda: run(slow, "CREATE TABLE orders (a)", database="orders"))
    writer.start()
    assert committing.wait(20)
    assert run(fast, "CREATE TABLE users (a)", database="users").txid == 1
    go_on.set()
    writer.join(20)
    assert sorted(listed(fast)) == ["orders", "users"]
