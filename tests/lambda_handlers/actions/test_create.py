"""`create: false`: a write goes into a database that is there, or nowhere."""

from __future__ import annotations

from contextlib import closing

import pytest

from lambda_handlers.caller import Caller
from lambda_handlers.host import Host
from lambda_handlers.locks.none import NoLock
from lambda_handlers.wire import Action, Request, SldbError
from sldb.targets.local import LocalTarget
from tests.fakes.databases.past import act, state
from tests.fakes.databases.service import run
from tests.fakes.databases.sqlite_files import Recipe, make
from tests.fakes.stores.faulty import FaultyStore, meanwhile, works
from tests.fakes.stores.uploads import upload

MAKE = "CREATE TABLE t (a)"


def refused(act, *arguments, **fields) -> SldbError:
    with pytest.raises(SldbError) as caught:
        act(*arguments, **fields)
    return caught.value


def act_there(service, name, database, **arguments):
    """An action that must not create the database."""
    return service.act(Action(name, database, arguments, create=False))


def is_creatable(error: SldbError) -> bool:
    found = (error.code, error.details.get("creatable"), error.details.get("applied"))
    return found == ("not_found", True, "no")


@pytest.mark.parametrize("database", ["tpyo", "main"])
@pytest.mark.parametrize("fields", [{}, {"dry_run": True}, {"careful": True}, {"if_txid": 0}, {"max_staleness": 60}])
def test_a_write_creates_no_database(service, store, database, fields):
    assert is_creatable(refused(run, service, MAKE, database=database, create=False, **fields))
    assert list(store.list_objects("")) == []


@pytest.mark.parametrize("query", ["PRAGMA user_version = 7", "VACUUM", "SAVEPOINT s; CREATE TABLE t (a); RELEASE s"])
def test_whatever_writes_first(service, store, query):
    assert is_creatable(refused(run, service, query, database="tpyo", create=False))
    assert list(store.list_objects("")) == []


@pytest.mark.parametrize("fields", [{}, {"create": True}])
def test_a_plain_event_creates_the_database(service, fields):
    assert run(service, MAKE, database="new", **fields).txid == 1


def test_one_that_is_there_is_written_to(service):
    run(service, MAKE, database="app")
    assert run(service, "INSERT INTO t VALUES (1)", database="app", create=False).txid == 2


def test_one_that_was_dropped_is_not_begun_anew(service):
    run(service, MAKE, database="app")
    act(service, "drop_database", "app")
    error = refused(run, service, MAKE, database="app", create=False)
    assert is_creatable(error)
    assert error.details["txid"] == 2  # of the drop
    assert run(service, MAKE, database="app").txid == 3


@pytest.mark.parametrize("query", ["SELECT 1", "SELECT * FROM t"])
def test_a_read_has_nothing_to_create(service, query):
    error = refused(run, service, query, database="tpyo", create=False)
    assert (error.code, "creatable" in error.details) == ("not_found", False)


class MeetingLock(NoLock):
    """Something happens just before the lock is had."""

    def __init__(self, host, happens) -> None:
        super().__init__(host)
        self._happens = [happens]

    def acquire(self, database, deadline, doing, sleep=None):
        while self._happens:
            self._happens.pop()()
        return super().acquire(database, deadline, doing, sleep)


def drop_by(service):
    return lambda: act(service, "drop_database", "app")


def test_one_that_is_dropped_while_the_write_waits_for_its_lock(container, store):
    other = container(store)
    run(other, MAKE, database="app")
    waiting = container(store, MeetingLock(Host(), drop_by(other)))
    assert is_creatable(refused(run, waiting, "CREATE TABLE u (a)", database="app", create=False))
    assert act(other, "history", "app")["txid"] == 2


def test_one_that_is_dropped_just_before_the_commit(container, store):
    other = container(store)
    run(other, MAKE, database="app")
    faulty = FaultyStore(store)
    writer = container(faulty)
    faulty.plan("create", meanwhile(drop_by(other)), works)
    assert is_creatable(refused(run, writer, "CREATE TABLE u (a)", database="app", create=False))
    assert act(other, "history", "app")["txid"] == 2


def test_one_that_somebody_creates_meanwhile_is_written_to(container, store):
    """The copy that the writer has is old; what is there by now counts."""
    writer, other = container(store), container(store)
    refused(run, writer, "SELECT 1", database="app")
    run(other, MAKE, database="app")
    reply = run(writer, "INSERT INTO t VALUES (1)", database="app", create=False, max_staleness=1e6)
    assert reply.txid == 2


@pytest.mark.parametrize(
    ("name", "database", "arguments"),
    [
        ("create_database", "tpyo", {}),
        ("create_database", "main", {}),
        ("set_database", "main", {"foreign_keys": False}),  # of no other one: that is `not_found` in any case
    ],
)
def test_actions_that_would_create_it(service, store, database, name, arguments):
    assert is_creatable(refused(act_there, service, name, database, **arguments))
    assert list(store.list_objects("")) == []


def test_a_push(service, store, tmp_path):
    make(tmp_path / "in.db", Recipe(4096, False, "none", 5, 10, 0, False, False, False, False, 0, 1)).close()
    ready = upload(store, tmp_path / "in.db", "tpyo")
    assert is_creatable(refused(act_there, service, "push_commit", "tpyo", **ready))
    assert act(service, "push_commit", "tpyo", **ready)["txid"] == 1


def test_a_push_into_one_that_is_dropped_while_it_waits(container, store, tmp_path):
    make(tmp_path / "in.db", Recipe(4096, False, "none", 5, 10, 0, False, False, False, False, 0, 1)).close()
    other = container(store)
    run(other, MAKE, database="app")
    ready = upload(store, tmp_path / "in.db", "app")
    waiting = container(store, MeetingLock(Host(), drop_by(other)))
    assert is_creatable(refused(act_there, waiting, "push_commit", "app", **ready))
    assert act(other, "history", "app")["txid"] == 2


def test_a_push_that_is_committed_again_finds_what_it_did(service, store, tmp_path):
    make(tmp_path / "in.db", Recipe(4096, False, "none", 5, 10, 0, False, False, False, False, 0, 1)).close()
    run(service, MAKE, database="app")
    ready = upload(store, tmp_path / "in.db", "app")
    assert [act_there(service, "push_commit", "app", **ready)["txid"] for _ in range(2)] == [2, 2]


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("create_database", {}),
        ("set_database", {"foreign_keys": False}),
        ("drop_database", {}),
        ("rename_database", {"to": "b"}),
        ("restore", {"at": 1}),
        ("branch", {"as": "b"}),
    ],
)
def test_what_is_refused_leaves_no_trace_in_a_directory(tmp_path, name, arguments):
    """Not even that of a lock: a mistyped path must not be made."""
    place = tmp_path / "nope" / "dir"
    with closing(LocalTarget(place)) as target:
        assert refused(act_there, target, name, "main", **arguments).code == "not_found"
        request = Request.decode({"query": MAKE, "create": False})
        assert is_creatable(refused(target.send, request))
    assert not place.parent.exists()


@pytest.mark.parametrize("create", [None, 0, 1, "false", []])
def test_it_is_true_or_false(service, create):
    if create is None:
        assert run(service, MAKE, create=create).txid == 1
    else:
        assert refused(run, service, MAKE, create=create).details["field"] == "create"


def test_the_history_names_who_made_and_who_set_a_database(service, store):
    """Both are a page 1 and nothing else, of which SQLite sees what it saw without the name."""
    by = Caller("ada", None, may_write=True)
    service.act(Action("create_database", "app", {}), caller=by)
    service.act(Action("set_database", "app", {"foreign_keys": False}), caller=by)
    act(service, "set_database", "app", foreign_keys=True)
    lines = act(service, "history", "app")["transactions"]
    assert [(line["kind"], line["caller"]) for line in lines] == [
        ("set database", None),
        ("set database", "ada"),
        ("create database", "ada"),
    ]
    assert [state(store, "app", at) for at in (1, 2, 3)] == [[("sound", True)]] * 3
