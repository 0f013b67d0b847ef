"""undo and redo go along the writes of a database, do what was looked at, and are done once."""

from __future__ import annotations

import pytest

from lambda_handlers.deadline import Deadline
from lambda_handlers.storage.commit import PageChanges
from lambda_handlers.storage.log.keys import LtxName, transaction
from lambda_handlers.storage.log.kinds import Kind
from lambda_handlers.storage.log.ltx import Pgno
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import compact
from tests.fakes.databases.past import act, image
from tests.fakes.databases.service import container as new_container
from tests.fakes.databases.service import run
from tests.fakes.stores.faulty import FaultyStore, lose_answer, meanwhile


def rows(service) -> list[int]:
    return [row[0] for row in run(service, "SELECT a FROM t ORDER BY a").rows]


def insert(service, value: int) -> int:
    return run(service, f"INSERT INTO t VALUES ({value})", request_id=f"insert {value}").txid


def move(service, name: str, count: int = 1, if_txid: int | None = None):
    if if_txid is None:
        if_txid = act(service, name, steps=count, preview=True)["txid"]
    return act(service, name, steps=count, if_txid=if_txid)


def refused(service, name: str, /, **arguments) -> SldbError:
    with pytest.raises(SldbError) as caught:
        act(service, name, **arguments)
    return caught.value


@pytest.fixture
def filled(service):
    run(service, "CREATE TABLE t (a)")
    for value in (1, 2, 3):
        insert(service, value)
    return service


def test_the_walk_of_the_documentation(filled):
    seen = []
    for name, count in (("undo", 1), ("undo", 1), ("redo", 1), ("insert", 4), ("undo", 1), ("undo", 2)):
        insert(filled, count) if name == "insert" else move(filled, name, count)
        seen.append(rows(filled))
    assert seen == [[1, 2], [1], [1, 2], [1, 2, 4], [1, 2], []]


def test_several_steps_and_back(filled, store):
    preview = act(filled, "undo", steps=3, preview=True)
    assert (preview["txid"], preview["restores"], preview["since"]) == (4, 1, [])
    assert [(line["txid"], line["kind"]) for line in preview["steps"]] == [(4, "INSERT"), (3, "INSERT"), (2, "INSERT")]
    reply = move(filled, "undo", 3)
    assert (reply["txid"], reply["before"], reply["restored"], reply["steps"]) == (5, 4, 1, [4, 3, 2])
    assert image(store) == image(store, at=1)
    assert move(filled, "redo", 2)["steps"] == [2, 3]
    assert rows(filled) == [1, 2]
    assert move(filled, "redo")["restored"] == 4
    assert image(store) == image(store, at=4)


def test_the_history_names_the_state(filled):
    move(filled, "undo")
    act(filled, "restore", at=1)
    newest, before, *_ = act(filled, "history")["transactions"]
    assert (newest["kind"], newest["restored"], before["kind"], before["restored"]) == ("restore", 1, "undo", 3)


def test_a_restore_is_a_write(filled):
    act(filled, "restore", at=1)
    assert move(filled, "undo")["steps"] == [5]
    assert rows(filled) == [1, 2, 3]


def test_a_write_drops_the_undone_steps(filled):
    move(filled, "undo")
    insert(filled, 9)
    error = refused(filled, "redo", preview=True)
    assert (error.code, error.details["available"]) == ("not_found", 0)
    assert "its newest transaction, 6, is no undo" in error.message
    move(filled, "undo")
    assert refused(filled, "redo", steps=2, preview=True).details["available"] == 1


def test_there_is_nothing_before_the_first_transaction(filled):
    assert refused(filled, "undo", steps=4, preview=True).details["available"] == 3
    move(filled, "undo", 3)
    assert "no state before its first" in refused(filled, "undo", preview=True).message
    assert refused(filled, "redo", steps=4, preview=True).details["available"] == 3
    assert refused(new_container(filled._store), "undo", if_txid=99).code == "conflict"


def test_nothing_is_taken_back_that_was_not_looked_at(filled):
    insert(filled, 9)
    error = refused(filled, "undo", if_txid=4)
    assert (error.code, error.details["txid"], error.details["applied"]) == ("conflict", 5, "no")
    assert refused(filled, "undo").code == "bad_request"


def test_an_undo_is_done_once(filled):
    first = move(filled, "undo", 2, if_txid=4)
    again = move(filled, "undo", 2, if_txid=4)
    assert (again["txid"], again["restored"], again["steps"]) == (first["txid"], 2, [4, 3])
    insert(filled, 9)
    assert move(filled, "undo", 2, if_txid=4)["txid"] == first["txid"]
    assert rows(filled) == [1, 9]
    assert refused(filled, "undo", steps=1, if_txid=4).code == "conflict"


def test_a_lost_answer_and_a_race(store, container):
    faulty = FaultyStore(store)
    service = container(faulty)
    run(service, "CREATE TABLE t (a)")
    for value in (1, 2, 3):
        insert(service, value)
    faulty.plan("create", lose_answer)
    assert move(service, "undo")["txid"] == 5
    other = container(store)
    faulty.plan("create", meanwhile(lambda: insert(other, 9)))
    assert refused(service, "undo", if_txid=5).code == "conflict"
    assert rows(service) == [1, 2, 9]


def test_announcements_are_no_steps(filled):
    move(filled, "undo")
    filled._database("main").writes.announce(Deadline(2e9, lambda: 0.0))
    preview = act(filled, "undo", preview=True)
    assert (preview["txid"], preview["restores"], preview["since"]) == (6, 2, [])
    move(filled, "undo", if_txid=5)  # an announcement changes nothing
    assert rows(filled) == [1]
    move(filled, "redo", 2)
    assert rows(filled) == [1, 2, 3]


def test_writes_since_an_undo_are_named_for_an_hour(store, container):
    clock = Clock()
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a)")
    insert(service, 1)
    move(service, "undo")
    insert(service, 2)
    insert(service, 3)
    assert [line["txid"] for line in act(service, "undo", preview=True)["since"]] == [5, 4]
    clock.time += 3601
    assert act(service, "undo", preview=True)["since"] == []


def test_a_drop_is_taken_back(filled):
    act(filled, "drop_database")
    assert move(filled, "undo")["steps"] == [5]
    assert rows(filled) == [1, 2, 3]
    move(filled, "redo")
    with pytest.raises(SldbError, match="was dropped"):
        rows(filled)


def test_an_undo_of_a_write_that_changed_nothing_is_a_step(filled):
    def commit_the_same(current):
        first = bytes(current.read(Pgno(1)))
        return current.commit(PageChanges(len(first), current.page_count, lambda: ((Pgno(1), first),), 1))

    assert filled._database("main").change("nothing", Deadline(2e9, lambda: 0.0), commit_the_same) == 5
    assert move(filled, "undo")["txid"] == 6
    assert move(filled, "undo")["steps"] == [4]
    assert rows(filled) == [1, 2]


def test_merged_transactions_are_no_steps(filled, store, tmp_path):
    move(filled, "undo")
    compact(store, LtxName(9, 1, 4), tmp_path)
    store.delete_many([transaction(txid).key("main") for txid in range(1, 5)])
    error = refused(filled, "undo", preview=True)
    assert error.code == "not_found"
    assert "single transactions were merged" in error.message


def test_a_branch_goes_back_along_its_own_writes(filled):
    act(filled, "branch", **{"as": "staging"})
    run(filled, "INSERT INTO t VALUES (9)", database="staging")
    preview = act(filled, "undo", "staging", preview=True)
    assert act(filled, "undo", "staging", if_txid=preview["txid"])["changed"]
    assert [row[0] for row in run(filled, "SELECT a FROM t", database="staging").rows] == [1, 2, 3]


def test_the_kinds_have_labels():
    assert (Kind.UNDO.label, Kind.REDO.label) == ("undo", "redo")
