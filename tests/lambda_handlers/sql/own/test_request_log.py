"""A request id is remembered for its database: what a branch, a rename, a restore, a drop make of it."""

from __future__ import annotations

import json
import zlib

import apsw
import pytest

from lambda_handlers.sql.own import request_log
from lambda_handlers.sql.own.request_log import Times
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import Engine
from tests.fakes.databases.past import act
from tests.fakes.databases.service import container, run
from tests.fakes.stores.faulty import FaultyStore, lose_answer, lose_request, works
from tests.fakes.stores.memory import memory_store
from tests.fakes.stores.timed import Timed
from tests.fakes.stores.uploads import upload


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(clock):
    return Timed(memory_store(), clock)


@pytest.fixture
def service(store, clock):
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a)", database="x", request_id="create")
    run(service, "INSERT INTO t VALUES ('first')", database="x", request_id="r")
    yield service
    service.close()


def insert(service, database: str, request_id: str = "r") -> int:
    """The rows that there are when the request has had its answer."""
    reply = run(service, "INSERT INTO t VALUES ('again')", database=database, request_id=request_id)
    assert reply.results[0].rowcount == 1
    rows: int = run(service, "SELECT count(*) FROM t", database=database).rows[0][0]
    return rows


def state(service, database: str, request_id: str = "r") -> str:
    return str(act(service, "result", database, request_id=request_id)["state"])


# Branches


def test_a_branch_does_not_know_the_requests_of_what_it_was_made_of(service):
    act(service, "branch", "x", **{"as": "y"})
    assert (state(service, "x"), state(service, "y")) == ("applied", "not_applied")
    for _ in range(2):
        assert insert(service, "y") == 2
        assert run(service, "SELECT 1", database="y", request_id="r").database == "y"
    told = act(service, "result", "y", request_id="r")
    assert (told["state"], told["reply"]["database"]) == ("applied", "y")
    assert insert(service, "x") == 1


def test_nor_does_one_of_the_past_one_over_a_dropped_name_or_one_of_a_branch(service):
    run(service, "CREATE TABLE old (a)", database="dropped", request_id="r")
    act(service, "drop_database", "dropped")
    act(service, "branch", "x", **{"as": "past"}, at=2)
    act(service, "branch", "x", **{"as": "dropped"})
    act(service, "branch", "past", **{"as": "second"})
    for name in ("past", "dropped", "second"):
        assert state(service, name) == "not_applied"
        assert insert(service, name) == 2
        assert insert(service, name) == 2


def test_a_pushed_copy_knows_none(service, store, tmp_path):
    engine = Engine(store, tmp_path, database="x")
    engine.replica.refresh()
    (tmp_path / "x.db").write_bytes(engine.image())
    engine.close()
    for name in ("copy", "x"):
        act(service, "push_commit", name, **upload(store, tmp_path / "x.db", name))
        assert state(service, name) == "not_applied"
        assert insert(service, name) == 2


# Renames


def test_after_a_rename_the_id_of_a_write_made_under_the_old_name_still_answers(service, clock):
    act(service, "rename_database", "x", to="y")
    assert insert(service, "y") == 1
    told = act(service, "result", "y", request_id="r")
    assert (told["state"], told["reply"]["database"], told["txid"]) == ("applied", "x", 2)
    clock.time += 3000
    assert insert(service, "y", "later") == 2
    act(service, "rename_database", "y", to="z")
    assert (insert(service, "z"), insert(service, "z", "later")) == (2, 2)
    clock.time += 601
    for _ in range(2):
        insert(service, "z", f"another at {clock.time}")
        clock.time += 1
    assert (state(service, "z"), state(service, "z", "later")) == ("not_applied", "applied")


def test_a_database_that_remembers_nothing_is_renamed_without_a_note(store, clock):
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a)", database="x", request_id="r")
    clock.time += 3601
    run(service, "INSERT INTO t VALUES (1)", database="x")
    run(service, "CREATE TABLE t (a)", database="plain")
    assert act(service, "rename_database", "x", to="y")["at"] == 2
    assert act(service, "rename_database", "plain", to="z")["at"] == 1


def test_a_note_is_a_transaction_that_the_history_names(service):
    act(service, "rename_database", "x", to="y")
    kinds = [one["kind"] for one in act(service, "history", "y")["transactions"]]
    assert kinds[:2] == ["rename database", "INSERT"]


def test_renamed_there_and_back_and_onto_a_name_that_was_dropped(service, clock):
    act(service, "rename_database", "x", to="y")
    clock.time += 1
    assert insert(service, "y", "in y") == 2
    act(service, "rename_database", "y", to="x")
    clock.time += 1
    assert (insert(service, "x"), insert(service, "x", "in y"), insert(service, "x", "new")) == (2, 2, 3)
    act(service, "branch", "x", **{"as": "branch"})
    assert insert(service, "branch", "in y") == 4
    act(service, "branch", "x", **{"as": "y"})  # which has the note of the rename to y, older than the write
    assert (insert(service, "y", "new"), insert(service, "y", "in y")) == (4, 4)


def test_a_branch_of_what_was_renamed_knows_none(service):
    act(service, "rename_database", "x", to="y")
    act(service, "branch", "y", **{"as": "z"})
    assert insert(service, "z") == 2


def test_a_rename_that_is_refused_leaves_no_note(service):
    run(service, "CREATE TABLE t (a)", database="y")
    with pytest.raises(SldbError) as caught:
        act(service, "rename_database", "x", to="y")
    assert caught.value.code == "exists"
    assert act(service, "history", "x")["txid"] == 2


@pytest.mark.parametrize("number", range(8))
@pytest.mark.parametrize("step", [lose_request, lose_answer])
def test_wherever_a_rename_is_stopped_no_id_is_lost(service, store, clock, number, step):
    faulty = FaultyStore(store)
    faulty.plan("create", *[works] * number, *[step] * 20)
    try:
        act(container(faulty, host=clock.host()), "rename_database", "x", to="y")
    except SldbError as error:
        assert error.code == "store_error"  # noqa: PT017 - either outcome is right
    for name in ("x", "y"):
        try:
            assert insert(container(store, host=clock.host()), name) == 1
        except SldbError as error:
            assert error.code == "not_found"  # noqa: PT017 - dropped already, or unfinished
    act(container(store, host=clock.host()), "rename_database", "x", to="y")
    assert insert(container(store, host=clock.host()), "y") == 1


TIMES = Times(1000.0, 1000.0)


def test_no_request_has_the_id_of_a_note():
    for request_id in (request_log._note_of("x", "y"), "\x01", "\x01x"):
        with pytest.raises(SldbError):
            run(container(memory_store()), "SELECT 1", request_id=request_id)


@pytest.mark.parametrize(
    ("notes", "names"),
    [
        ([], {"a"}),
        ([("a", "b", 10)], {"a", "b"}),
        ([("a", "b", 4)], {"a"}),  # before the request
        ([("b", "c", 20), ("a", "b", 10)], {"a", "b", "c"}),
        ([("b", "c", 10), ("a", "b", 20)], {"a", "b"}),  # it was that of another database
        ([("c", "d", 30), ("b", "c", 20), ("a", "b", 10)], {"a", "b", "c", "d"}),
        ([("a", "b", 10), ("b", "a", 20), ("a", "c", 30)], {"a", "b", "c"}),
        ([("a", "b", 10), ("a", "b2", 20), ("b2", "b", 5), ("b", "c", 15)], {"a", "b", "b2", "c"}),
        ([("a", "b", 1e9)], {"a"}),  # in the future
    ],
)
def test_the_names_that_a_database_had(notes, names):
    connection = apsw.Connection(":memory:")
    request_log.LOG.make(connection)
    for old, new, at in notes:
        values = (request_log._note_of(old, new), at, b"")
        connection.execute(f"INSERT INTO {request_log.TABLE} VALUES (?, ?, ?)", values)
    every = {"a", "b", "b2", "c", "d"}
    assert {name for name in every if request_log.was_renamed(connection, "a", 5, name, TIMES)} == names
    connection.close()


# The past


def test_a_restore_forgets_what_it_takes_back_and_nothing_else(service):
    run(service, "INSERT INTO t VALUES ('second')", database="x", request_id="s")
    act(service, "restore", "x", at=2)
    assert (state(service, "x"), state(service, "x", "s")) == ("applied", "not_applied")
    assert insert(service, "x") == 1
    assert [insert(service, "x", "s") for _ in range(2)] == [2, 2]  # an answer of 200 has its row
    act(service, "restore", "x", at=3)
    assert act(service, "result", "x", request_id="s")["txid"] == 3
    assert insert(service, "x", "s") == 2


def test_a_drop_forgets_and_bringing_it_back_remembers(service):
    act(service, "drop_database", "x")
    run(service, "CREATE TABLE t (a)", database="x")
    assert insert(service, "x") == 1
    act(service, "restore", "x", at=2)
    assert insert(service, "x") == 1
    assert act(service, "result", "x", request_id="r")["txid"] == 2


# Beside functions of other versions


def test_the_table_is_the_one_that_older_functions_make():
    """One of another form they would drop, with all ids."""
    columns = "id TEXT PRIMARY KEY, recorded_at REAL NOT NULL, reply BLOB NOT NULL"
    assert request_log.LOG.statements == (
        f"CREATE TABLE _sldb_requests ({columns}) WITHOUT ROWID",
        "CREATE INDEX _sldb_requests_by_age ON _sldb_requests (recorded_at)",
    )


def test_what_an_older_function_has_recorded_answers(service, store, clock, tmp_path):
    result = {"columns": [], "rows": [], "rowcount": 1, "lastrowid": 7}
    body = {"columns": [], "rows": [], "results": [result], "txid": 3, "database": "x", "stats": {}}
    entry = zlib.compress(json.dumps(body).encode()).hex()
    engine = Engine(store, tmp_path, clock.host(), "x")
    engine.write(f"INSERT INTO _sldb_requests VALUES ('old', {clock.time}, x'{entry}')")
    engine.close()
    assert run(service, "INSERT INTO t VALUES (1)", database="x", request_id="old").results[0].lastrowid == 7
    act(service, "rename_database", "x", to="y")
    assert run(service, "INSERT INTO t VALUES (1)", database="y", request_id="old").txid == 3
