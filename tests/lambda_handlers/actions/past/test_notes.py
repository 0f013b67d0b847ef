"""The notes of transactions in the history: whose they are, what becomes of them, and what they cost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.caller import Caller
from lambda_handlers.storage.log.keys import LtxName, transaction
from lambda_handlers.wire import Action, Request, SldbError
from tests.fakes.databases.engine import compact
from tests.fakes.databases.past import act, state
from tests.fakes.databases.service import container as new_container
from tests.fakes.databases.service import run
from tests.fakes.stores.faulty import FaultyStore, lose_answer, meanwhile
from tests.fakes.stores.memory import memory_store


def notes(service, database="main", **arguments):
    lines = act(service, "history", database, **arguments)["transactions"]
    return {line["txid"]: line["message"] for line in lines if line["message"]}


def large(service, message=None):
    fields = {"message": message} if message else {}
    query = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) "
    return run(service, f"{query} INSERT INTO t SELECT hex(randomblob(90)) FROM n", **fields).txid


def test_a_request_has_a_message_and_a_command(service):
    run(service, "CREATE TABLE t (a)", message="the table", command="migrate up")
    run(service, "INSERT INTO t VALUES (1)")
    newest, first = act(service, "history")["transactions"]
    assert (first["message"], first["command"], first["caller"]) == ("the table", "migrate up", None)
    assert (newest["message"], newest["command"], newest["caller"]) == (None, None, None)
    assert run(service, "SELECT 1", message="reads write nothing").txid == 2


def test_the_caller_is_noted(service):
    ada, bob = Caller("ada"), Caller("bob", frozenset({"main"}))
    service.reply(Request.decode({"query": "CREATE TABLE t (a)"}), caller=ada)
    service.reply(Request.decode({"query": "INSERT INTO t VALUES (1)"}), caller=ada)
    service.act(Action("restore", arguments={"at": 1, "message": "why"}), caller=bob)
    begun = service.reply(Request.decode({"query": "DROP TABLE t", "transaction": {"begin": True}}), caller=bob)
    ended = {**begun.transaction, "end": "commit"}
    service.reply(Request.decode({"transaction": ended}), caller=bob)
    assert [line["caller"] for line in act(service, "history")["transactions"]] == ["bob", "bob", "ada", "ada"]


def test_a_transaction_has_the_note_of_the_request_that_ends_it(service):
    run(service, "CREATE TABLE t (a)")
    begun = run(service, "INSERT INTO t VALUES (1)", transaction={"begin": True}, message="not this")
    token = begun.transaction["token"]
    run(service, "INSERT INTO t VALUES (2)", transaction={"token": token, "end": "commit"}, message="this")
    assert notes(service) == {2: "this"}


def test_restore_undo_and_redo_have_notes_and_keep_those_taken_back(service, store):
    run(service, "CREATE TABLE t (a)")
    run(service, "INSERT INTO t VALUES (1)", message="one")
    run(service, "INSERT INTO t VALUES (2)", message="two")
    act(service, "restore", at=1, message="before all", command="restore 1")
    assert run(service, "SELECT count(*) FROM t").rows == [(0,)]
    act(service, "undo", if_txid=4, message="no")
    act(service, "redo", if_txid=5, message="yes")
    act(service, "undo", if_txid=6)
    assert notes(service) == {2: "one", 3: "two", 4: "before all", 5: "no", 6: "yes"}
    assert state(store)[0] == ("sound", True)
    assert run(service, "SELECT a FROM t").rows == [(1,), (2,)]


def test_a_noted_restore_is_done_once(service, container):
    run(service, "CREATE TABLE t (a)")
    run(service, "INSERT INTO t VALUES (1)")
    first = act(service, "restore", at=1, if_txid=2, message="back")
    again = act(service, "restore", at=1, if_txid=2, message="back")
    assert (first["changed"], again["changed"], again["txid"]) == (True, False, 3)
    assert act(service, "undo", if_txid=3, message="x")["txid"] == act(service, "undo", if_txid=3, message="x")["txid"]
    assert notes(service) == {3: "back", 4: "x"}


def test_a_vacuum_a_drop_and_a_branch(service, container, store):
    run(service, "CREATE TABLE t (a)", message="first")
    large(service, "many")
    run(service, "VACUUM", message="is not noted")
    run(service, "DELETE FROM t", message="fewer")
    act(service, "branch", **{"as": "copy"})
    run(service, "INSERT INTO t VALUES (1)", database="copy", message="in the copy")
    assert notes(service) == {1: "first", 2: "many", 4: "fewer"}
    assert notes(service, "copy") == {1: "first", 2: "many", 4: "fewer", 5: "in the copy"}
    act(service, "drop_database")
    run(service, "CREATE TABLE u (a)", message="anew")
    assert notes(service) == {1: "first", 2: "many", 4: "fewer", 6: "anew"}


@pytest.mark.parametrize("page_size", [512, 4096, 65536])
def test_page_sizes(service, page_size):
    message = "é" * 500
    run(service, f"PRAGMA page_size = {page_size}; CREATE TABLE t (a)", message=message)
    large(service, "large")
    act(service, "restore", at=1, message=message)
    assert notes(service) == {1: message, 2: "large", 3: message}


def test_merged_files_have_no_notes(service, store, tmp_path):
    for number in range(3):
        run(service, f"CREATE TABLE t{number} (a)", message="m")
    compact(store, LtxName(9, 1, 3), tmp_path)
    store.delete_many([transaction(txid).key("main") for txid in (1, 2, 3)])
    [line] = act(service, "history")["transactions"]
    assert (line["message"], line["kind"], line["restored"]) == (None, None, None)


def test_under_faults_a_note_stays_with_its_transaction(store, container):
    faulty = FaultyStore(store)
    service, other = container(faulty), container(store)
    run(service, "CREATE TABLE t (a)")
    faulty.plan("create", lose_answer)
    run(service, "INSERT INTO t VALUES (1)", message="mine")
    faulty.plan("create", meanwhile(lambda: run(other, "INSERT INTO t VALUES (2)", message="theirs")))
    run(service, "INSERT INTO t VALUES (3)", message="mine too")
    assert notes(service) == {2: "mine", 3: "theirs", 4: "mine too"}


WRITES = st.sampled_from(["note", "plain", "restore", "undo", "redo", "vacuum", "large"])


@pytest.mark.long
@given(st.lists(WRITES, max_size=12))
def test_a_note_is_never_lost_and_never_of_another_transaction(names):
    service = new_container(memory_store())
    run(service, "CREATE TABLE t (a)")
    expected = {}
    for number, name in enumerate(names):
        message, newest = f"{number} {name}", act(service, "history", limit=1)["txid"]
        if name in ("restore", "undo", "redo"):
            given_ = {"at": max(1, newest - 2)} if name == "restore" else {}
            try:
                reply = act(service, name, if_txid=newest, message=message, **given_)
            except SldbError:
                continue
            if reply["changed"]:
                expected[reply["txid"]] = message
        elif name == "note":
            expected[run(service, "INSERT INTO t VALUES (1)", message=message).txid] = message
        elif name == "large":
            expected[large(service, message)] = message
        else:
            run(service, "VACUUM" if name == "vacuum" else "INSERT INTO t VALUES (2)")
    assert notes(service) == expected
    service.close()


def test_the_history_costs_no_more_requests_than_without_notes(store, container):
    """A LIST, and a request for each line."""
    used = []
    for fields in ({}, {"message": "why", "command": "import people.csv"}):
        database = "plain" if not fields else "noted"
        service = container(store)
        run(service, "CREATE TABLE t (a)", database=database, **fields)
        for number in range(24):
            run(service, f"INSERT INTO t VALUES ({number})", database=database, **fields)
        for one in (service, container(store)):
            before = one._store.requests
            assert len(act(one, "history", database)["transactions"]) == 20
            used.append(one._store.requests - before)
    assert used == [21, 21, 21, 21]


def test_the_note_of_a_large_transaction_is_read_from_its_beginning(store, container):
    service = container(store)
    run(service, "CREATE TABLE t (a)", message="the table of notes is at the beginning")
    large(service)
    large(service, "large")
    before = service._store.requests
    assert notes(service, limit=1) == {3: "large"}
    with_note = service._store.requests - before
    before = service._store.requests
    assert notes(service, limit=1, before=3) == {}
    assert with_note == service._store.requests - before


@pytest.mark.parametrize(
    "fields",
    [
        {"message": ""},
        {"message": "x" * 501},
        {"message": "a\nb"},
        {"message": 5},
        {"command": "x" * 201},
        {"command": "\x1b"},
    ],
)
def test_invalid_notes_are_refused(service, fields):
    with pytest.raises(SldbError) as caught:
        run(service, "CREATE TABLE t (a)", **fields)
    assert caught.value.code == "bad_request"
    with pytest.raises(SldbError):
        act(service, "restore", at=1, **fields)
    with pytest.raises(SldbError):
        act(service, "undo", if_txid=1, **fields)


def test_the_table_is_not_the_users(service):
    run(service, "CREATE TABLE t (a)", message="m")
    for sql in ("DELETE FROM _sldb_note", "INSERT INTO _sldb_note VALUES (9, '', '')", "DROP TABLE _sldb_note"):
        with pytest.raises(SldbError) as caught:
            run(service, sql)
        assert caught.value.code == "forbidden"
    assert run(service, "SELECT CAST(note AS TEXT) FROM _sldb_note").rows == [('{"message":"m"}',)]
