"""A copy that was stopped: it can be dropped, whatever is left of it, and its name goes on counting."""

from __future__ import annotations

import io
import json

import pytest

from lambda_handlers.log import Log
from lambda_handlers.storage.log.keys import LtxName, parse_ltx_key, snapshot, transaction
from lambda_handlers.storage.upkeep.maintenance import Maintenance
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock, host_without_waits
from tests.fakes.databases.past import act, image, state
from tests.fakes.databases.service import container as new_container
from tests.fakes.databases.service import run
from tests.fakes.stores.faulty import FaultyStore, blame_own, lose_answer, lose_request, meanwhile, works
from tests.fakes.stores.timed import Timed

COPIED = 4  # the transaction that is copied


@pytest.fixture
def host():
    return host_without_waits()  # a rename waits for other writers


def refused(service, name, database="main", /, **arguments) -> SldbError:
    with pytest.raises(SldbError) as caught:
        act(service, name, database, **arguments)
    return caught.value


def fill(service, database="main"):
    run(service, "CREATE TABLE t (a)", database=database)
    for number in range(2, COPIED + 1):
        run(service, f"INSERT INTO t VALUES ({number})", database=database)


def begin(container, store, creates: int, name="staging"):
    """Stop a branch after so many creates of files; 1: only the mark is there. Before it comes the doubt."""
    faulty = FaultyStore(store)
    faulty.plan("create", *[works] * (1 + creates), *[lose_request] * 20)
    refused(container(faulty), "branch", **{"as": name})


def names(store, database="staging"):
    return sorted(name for info in store.list_objects(f"{database}/") if (name := parse_ltx_key(database, info.key)))


def listed(service, **arguments):
    return {one["name"]: one for one in act(service, "databases", **arguments)["databases"]}


@pytest.mark.parametrize("creates", range(1, COPIED + 1))
@pytest.mark.parametrize("is_source_gone", [False, True])
def test_dropped_and_used_again(container, store, creates, is_source_gone):
    service = container(store)
    fill(service)
    begin(container, store, creates)
    if is_source_gone:
        for info in list(store.list_objects("main/")):
            store.delete(info.key)
    assert listed(service)["staging"]["state"] == "unfinished"
    reply = act(service, "drop_database", "staging")
    told = {"database": "staging", "txid": COPIED + 1, "restore_at": None, "until": reply["until"], "dropped": True}
    assert reply == told
    assert act(service, "drop_database", "staging") == {**reply, "dropped": False}
    assert "staging" not in listed(service)
    assert listed(service, all=True)["staging"]["state"] == "dropped"
    for other in (service, container(store)):
        with pytest.raises(SldbError, match="dropped by transaction 5"):
            run(other, "SELECT 1", database="staging")
    [line] = [one for one in act(service, "history", "staging")["transactions"] if one["readable"]]
    assert (line["txid"], line["kind"]) == (COPIED + 1, "drop database")
    assert refused(service, "restore", "staging", at=COPIED).code == "not_found"
    assert refused(service, "restore", "staging", at=1).code == "not_found"
    assert run(container(store), "CREATE TABLE new (x)", database="staging").txid == COPIED + 2
    assert state(store, "staging")[0] == ("sound", True)
    assert run(service, "SELECT name FROM sqlite_schema", database="staging").rows == [("new",)]


@pytest.mark.parametrize("creates", [1, 3])
def test_dropped_and_branched_again(container, store, creates):
    service = container(store)
    fill(service)
    begin(container, store, creates)
    act(service, "drop_database", "staging")
    run(service, "INSERT INTO t VALUES (9)")
    reply = act(service, "branch", **{"as": "staging"})
    assert (reply["at"], reply["txid"]) == (COPIED + 1, COPIED + 2)
    assert image(store, "staging") == image(store)
    run(service, "CREATE TABLE u (a)", database="other")
    begin(container, store, 2, "third")
    assert refused(service, "rename_database", "other", to="third").code == "exists"
    act(service, "drop_database", "third")
    act(service, "rename_database", "other", to="third")
    assert run(service, "SELECT name FROM sqlite_schema", database="third").rows == [("u",)]


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("step", [lose_request, lose_answer, blame_own])
@pytest.mark.parametrize("then", ["drop", "branch", "rename"])
def test_a_drop_that_is_stopped_goes_on(container, store, number, step, then):
    fill(container(store))
    begin(container, store, 3)
    faulty = FaultyStore(store)
    faulty.plan("create", *[works] * number, *[step] * 20)
    try:
        act(container(faulty), "drop_database", "staging")
    except SldbError as error:
        applied = "unknown" if number else "no"  # the first create is that of the doubt
        assert (error.code, error.details["applied"]) == ("store_error", applied)  # noqa: PT017 - either is right
    service = container(store)
    begun = transaction(COPIED + 1) in names(store)
    if then == "drop":
        reply = act(service, "drop_database", "staging")
        assert (reply["txid"], reply["restore_at"]) == (COPIED + 1, None)
        assert run(service, "CREATE TABLE new (x)", database="staging").txid == COPIED + 2
    else:
        name, argument = ("branch", "as") if then == "branch" else ("rename_database", "to")
        assert act(service, name, **{argument: "staging"})["txid"] == (COPIED + 2 if begun else COPIED)
        assert image(store, "staging") == image(store, at=COPIED)


@pytest.mark.parametrize("creates", [1, 2, 4])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("pull", {}),
        ("pull", {"at": 1}),
        ("pull", {"at": COPIED}),
        ("restore", {"at": 1}),
        ("restore", {"at": 2}),
        ("branch", {"as": "other"}),
        ("rename_database", {"to": "other"}),
        ("create_database", {}),
    ],
)
def test_until_then_nothing_can_be_done_with_it(container, store, creates, name, arguments):
    fill(container(store))
    begin(container, store, creates)
    error = refused(container(store), name, "staging", **arguments)
    assert error.code == "not_found"
    assert "is a copy of another one up to transaction 4" in error.message
    assert "databases drop" in error.hint
    assert [one["name"] for one in act(container(store), "databases", all=True)["databases"]] == ["main", "staging"]


def test_drop_protects_what_it_was_not_asked_for(container, store):
    fill(container(store))
    begin(container, store, 2)
    service = container(store)
    newest = listed(service)["staging"]["txid"]
    assert refused(service, "drop_database", "staging", if_txid=newest + 1).code == "conflict"
    assert listed(service)["staging"]["state"] == "unfinished"
    assert act(service, "drop_database", "staging", if_txid=newest)["dropped"]


@pytest.mark.parametrize("writes", [False, True])
@pytest.mark.parametrize("moment", ["get_range", "create"])
def test_finished_while_it_is_dropped(container, store, writes, moment):
    """The branch is completed, and perhaps written to, by another container meanwhile: what was acknowledged stays in
    its history."""
    fill(container(store))
    begin(container, store, 3)
    faulty, other = FaultyStore(store), container(store)

    def finish() -> None:
        act(other, "branch", **{"as": "staging"})
        if writes:
            assert run(other, "INSERT INTO t VALUES (99)", database="staging").txid == COPIED + 1

    faulty.plan(moment, meanwhile(finish))
    reply = act(container(faulty), "drop_database", "staging")
    assert reply["dropped"]
    assert reply["txid"] == COPIED + 1 + writes
    with pytest.raises(SldbError, match="dropped"):
        run(container(store), "SELECT 1", database="staging")
    if writes:
        rows = run(other, "SELECT max(a) FROM t", database="staging", at=COPIED + 1).rows
        assert rows == [(99,)]


def test_a_copy_that_goes_on_after_the_drop_stays_dropped(container, store):
    fill(container(store))
    faulty = FaultyStore(store)
    dropped = []
    faulty.plan(
        "create", *[works] * 3, meanwhile(lambda: dropped.append(act(container(store), "drop_database", "staging")))
    )
    act(container(faulty), "branch", **{"as": "staging"})
    assert dropped[0]["txid"] == COPIED + 1
    for service in (container(store), container(faulty)):
        with pytest.raises(SldbError, match="dropped"):
            run(service, "SELECT 1", database="staging")
    assert run(container(store), "SELECT count(*) FROM t", database="staging", at=COPIED).rows == [(3,)]


def test_maintenance_says_it_once_and_lets_the_leftovers_go(store):
    clock, told = Clock(start=1_790_000_000), io.StringIO()
    timed = Timed(store, clock)
    keep = []

    def container(any_store):
        keep.append(new_container(any_store, host=clock.host()))
        return keep[-1]

    fill(container(timed))
    begin(container, timed, 3)
    maintenance = Maintenance(timed, clock.host(), Log("info", told), retention_days=1)
    for _ in range(5):
        maintenance.run(clock.now() + 100)
        clock.sleep(1000)
    lines = [json.loads(line) for line in told.getvalue().splitlines()]
    assert [line for line in lines if line.get("level") == "error"] == []
    assert len([line for line in lines if line["event"] == "unfinished" and line["database"] == "staging"]) == 1
    before = names(timed)
    assert before == [transaction(1), transaction(2), transaction(3)]
    act(container(timed), "drop_database", "staging")
    for _ in range(4):
        clock.sleep(86_400 / 2)
        maintenance.run(clock.now() + 100)
    assert names(timed) == [snapshot(COPIED + 1)]
    assert run(container(timed), "CREATE TABLE new (x)", database="staging").txid == COPIED + 2
    assert LtxName(0, COPIED + 2, COPIED + 2) in names(timed)
    for service in keep:
        service.close()
