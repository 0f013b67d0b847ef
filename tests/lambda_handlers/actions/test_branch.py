"""branch: another database appears, all at once, and never over a write of somebody's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.actions import verified_files
from lambda_handlers.storage import log_lists, verification
from lambda_handlers.storage.log.keys import LtxName, head_key, snapshot, transaction
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import compact
from tests.fakes.databases.past import act, image, state
from tests.fakes.databases.service import container as new_container
from tests.fakes.databases.service import run
from tests.fakes.stores.faulty import FaultyStore, lose_answer, lose_request, meanwhile, works
from tests.fakes.stores.memory import memory_store


def fill(service, transactions=4, rows=200):
    run(service, "CREATE TABLE t (a, b)")
    for number in range(2, transactions + 1):
        many = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})"
        run(service, f"{many} INSERT INTO t SELECT {number}, hex(randomblob(100)) FROM n")


def refused(service, name, database="main", /, **arguments) -> SldbError:
    with pytest.raises(SldbError) as caught:
        act(service, name, database, **arguments)
    return caught.value


def test_a_branch_is_the_database_and_goes_its_own_way(service, store):
    fill(service)
    reply = act(service, "branch", **{"as": "staging"})
    assert {key: reply[key] for key in ("as", "at", "txid", "files", "created")} == {
        "as": "staging",
        "at": 4,
        "txid": 4,
        "files": 4,
        "created": True,
    }
    assert state(store, "staging") == state(store)
    assert run(service, "DELETE FROM t", database="staging").txid == 5
    assert run(service, "SELECT count(*) FROM t").rows == [(600,)]
    assert run(service, "SELECT count(*) FROM t", database="staging").rows == [(0,)]
    assert state(store, "staging", at=3) == state(store, at=3)


def test_the_times_of_a_branch_find_its_transactions(container, store):
    clock = Clock(1_800_000_000)
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a)")
    for number in range(3):
        clock.time += 600
        run(service, "INSERT INTO t VALUES (?)", [number])
    act(service, "branch", **{"as": "copy"})
    lines = act(service, "history", "copy")["transactions"]
    found = [run(service, "SELECT 1", database="copy", at=line["time"]).txid for line in lines]
    assert found == [line["txid"] for line in lines] == [4, 3, 2, 1]


def test_of_a_moment(service, store):
    fill(service)
    moment = act(service, "history", limit=1)["transactions"][0]["time"]
    assert act(service, "branch", **{"as": "early", "at": 2})["txid"] == 2
    assert state(store, "early") == state(store, at=2)
    assert act(service, "branch", **{"as": "timed", "at": moment.replace("Z", "999Z")})["at"] == 4
    assert refused(service, "branch", **{"as": "late", "at": 9}).code == "not_found"
    assert refused(service, "branch", **{"as": "none", "at": 0}).code == "not_found"
    assert list(store.list_objects("late/")) == []


def test_of_one_transaction_is_one_file(service, store):
    fill(service, transactions=1)
    act(service, "branch", **{"as": "one"})
    assert [info.key for info in store.list_objects("one/")] == [transaction(1).key("one"), "one/head.json"]
    assert run(service, "SELECT count(*) FROM t", database="one").rows == [(0,)]


def test_a_container_that_knew_the_name_sees_the_branch(service):
    fill(service)
    with pytest.raises(SldbError, match="no database staging"):
        run(service, "SELECT 1", database="staging")
    act(service, "branch", **{"as": "staging"})
    assert run(service, "SELECT count(*) FROM t", database="staging").rows == [(600,)]


def test_sent_twice_it_is_done_once(service, store):
    fill(service)
    first = act(service, "branch", **{"as": "staging"})
    keys = [info.key for info in store.list_objects("staging/")]
    assert act(service, "branch", **{"as": "staging"}) == {**first, "created": False}
    assert [info.key for info in store.list_objects("staging/")] == keys


@pytest.mark.parametrize("statement", ["CREATE TABLE mine (x)", "CREATE TABLE mine (x); INSERT INTO mine VALUES (1)"])
def test_a_name_that_exists_is_refused(service, store, statement):
    fill(service)
    run(service, statement, database="mine")
    before = state(store, "mine")
    assert refused(service, "branch", **{"as": "mine"}).code == "exists"
    assert refused(service, "branch", "mine", **{"as": "main"}).code == "exists"
    assert state(store, "mine") == before
    assert run(service, "INSERT INTO mine VALUES (2)", database="mine").txid == 2


def live_without_its_first_transaction(store, directory, transactions=2):
    """A database named mine, of which retention has removed what a snapshot holds."""
    service = new_container(store)
    for number in range(1, transactions + 1):
        run(service, f"CREATE TABLE mine{number} (x)", database="mine")
    service.close()
    compact(store, snapshot(transactions), directory, "mine")
    for number in range(1, transactions + 1):
        store.delete(transaction(number).key("mine"))
    store.delete(head_key("mine"))


@pytest.mark.parametrize("transactions", [2, 4])
def test_a_name_that_exists_is_refused_when_its_first_transaction_is_gone(service, store, tmp_path, transactions):
    fill(service)
    live_without_its_first_transaction(store, tmp_path, transactions)
    before = {info.key for info in store.list_objects("mine/")}
    assert refused(service, "branch", **{"as": "mine"}).code == "exists"
    assert refused(service, "rename_database", to="mine").code == "exists"
    assert {info.key for info in store.list_objects("mine/")} == before
    assert run(service, "SELECT count(*) FROM t").rows == [(600,)]


def test_frozen_before_the_mark_while_the_name_came_to_life(container, store, tmp_path):
    """So long that the first transaction of the other database, which would have kept it out, is gone again."""
    fill(container(store))
    faulty, clock = FaultyStore(store), Clock()
    service = container(faulty, host=clock.host())

    def two_hours() -> None:
        live_without_its_first_transaction(store, tmp_path)
        clock.sleep(7200.0)

    faulty.plan("create", meanwhile(two_hours))
    assert refused(service, "branch", **{"as": "mine"}).code == "query_timeout"
    assert refused(container(store), "branch", **{"as": "mine"}).code == "exists"
    assert run(container(store), "SELECT count(*) FROM mine2", database="mine").rows == [(0,)]
    assert run(container(store), "INSERT INTO mine2 VALUES (1)", database="mine").txid == 3


def test_no_page_map_is_put_beside_a_file_of_another(container, store, monkeypatch):
    """Only the base itself takes the name for a copy of one transaction, which has no mark."""
    monkeypatch.setattr(verification, "MAP_WORTH_BYTES", 100)
    fill(container(store), transactions=1)
    faulty = FaultyStore(store)
    faulty.plan("create", meanwhile(lambda: run(container(store), "CREATE TABLE mine (x)", database="mine")))
    assert refused(container(faulty), "branch", **{"as": "mine"}).code == "exists"
    assert [info.key for info in store.list_objects("mine/")] == [transaction(1).key("mine"), head_key("mine")]


def test_the_mark_stands_for_no_base_without_a_page_map(service, container, store, monkeypatch):
    """A base of transaction 1 alone has the transactions of the mark's name, and is the only one of them to read."""
    monkeypatch.setattr(log_lists, "UNMAPPED_BYTES", 2000)
    run(service, "CREATE TABLE t (a); INSERT INTO t VALUES (randomblob(50000))")
    run(service, "INSERT INTO t VALUES (1)")
    act(service, "branch", **{"as": "staging"})
    for key in ("staging/head.json", LtxName(1, 1, 1).page_map_key("staging")):
        store.delete(key)
    assert run(container(store), "SELECT count(*) FROM t", database="staging").rows == [(2,)]


def test_a_branch_that_was_written_to_is_refused(service, store):
    fill(service)
    act(service, "branch", **{"as": "staging"})
    run(service, "DELETE FROM t", database="staging")
    before = state(store, "staging")
    assert refused(service, "branch", **{"as": "staging"}).code == "exists"
    assert refused(service, "branch", **{"as": "staging", "at": 2}).code == "exists"
    assert state(store, "staging") == before


def test_what_is_no_name(service):
    fill(service)
    for name in ("main", "No", "", None, 5):
        assert refused(service, "branch", **{"as": name}).code == "bad_request"
    assert refused(service, "branch", "nothing", **{"as": "x"}).code == "not_found"


def test_over_a_dropped_one_it_is_a_transaction(service, store):
    fill(service)
    run(service, "CREATE TABLE old (x)", database="staging")
    act(service, "drop_database", "staging")
    reply = act(service, "branch", **{"as": "staging", "at": 3})
    assert (reply["txid"], reply["at"], reply["created"]) == (3, 3, True)
    assert state(store, "staging") == state(store, at=3)
    assert run(service, "SELECT count(*) FROM old", database="staging", at=1).rows == [(0,)]
    assert act(service, "branch", **{"as": "staging", "at": 3}) == {**reply, "created": False}
    assert refused(service, "branch", **{"as": "staging", "at": 2}).code == "exists"


def test_of_a_dropped_one_only_what_was_before(service, store):
    fill(service)
    act(service, "drop_database")
    assert "was dropped" in refused(service, "branch", **{"as": "staging"}).message
    act(service, "branch", **{"as": "staging", "at": 4})
    assert state(store, "staging") == state(store, at=4)


@pytest.mark.parametrize("name", [snapshot(3), snapshot(4), LtxName(2, 2, 4), LtxName(2, 1, 3)])
def test_of_a_compacted_one(service, store, tmp_path, name):
    fill(service)
    compact(store, name, tmp_path)
    act(service, "branch", **{"as": "staging"})
    assert state(store, "staging") == state(store)
    assert image(store, "staging") == image(store)
    assert run(service, "SELECT count(*) FROM t", database="staging").rows == [(600,)]
    act(service, "branch", "staging", **{"as": "second"})
    assert image(store, "second") == image(store)


def test_files_and_page_maps_are_copied_inside_the_store(container, store, monkeypatch):
    monkeypatch.setattr(verified_files, "SMALL_BYTES", 1000)
    fill(container(store), rows=4000)
    faulty = FaultyStore(store)
    act(container(faulty), "branch", **{"as": "staging"})
    verbs = [verb for verb, key in faulty.calls if key.startswith("staging/") and key.endswith(".ltx")]
    assert verbs.count("assemble") == 3
    assert image(store, "staging") == image(store)
    mapped = {info.key for info in store.list_objects("staging/") if info.key.endswith(".pages")}
    assert mapped == {
        info.key.replace("main/", "staging/") for info in store.list_objects("main/") if info.key.endswith(".pages")
    }
    assert mapped


def test_its_history(service):
    fill(service)
    act(service, "branch", **{"as": "staging"})
    lines = act(service, "history", "staging")["transactions"]
    assert [line["txid"] for line in lines] == [4, 3, 2, 1]
    assert all(line["readable"] for line in lines)
    assert act(service, "restore", "staging", at=2)["txid"] == 5


def names(store, database="staging"):
    return {info.key for info in store.list_objects(f"{database}/") if info.key.endswith(".ltx")}


@pytest.mark.parametrize("number", range(7))
@pytest.mark.parametrize("step", [lose_request, lose_answer])
def test_stopped_at_any_create_nobody_sees_half_of_it(container, store, number, step):
    fill(container(store))
    faulty = FaultyStore(store)
    faulty.plan("create", *[works] * number, *[step] * 20)
    service = container(faulty)
    try:
        act(service, "branch", **{"as": "staging"})
    except SldbError as error:
        assert error.code == "store_error"  # noqa: PT017 - either outcome is right
    faulty.forget_plans()
    base = LtxName(1, 1, 1).key("staging")
    for other in (service, container(store)):
        if base in names(store):
            assert run(other, "SELECT count(*) FROM t", database="staging").rows == [(600,)]
        elif names(store):
            for query in ("SELECT 1", "CREATE TABLE mine (x)"):
                with pytest.raises(SldbError) as caught:
                    run(other, query, database="staging")
                assert caught.value.code == "not_found"
                assert "the same command again completes it" in caught.value.hint
    run(container(store), "DELETE FROM t")  # the branch goes on with what it began with
    begun = bool(names(store))
    reply = act(container(store), "branch", **{"as": "staging"})
    assert reply["txid"] == (4 if begun else 5)
    assert state(store, "staging") == state(store, at=reply["txid"])


def test_an_unfinished_one_is_of_its_source_and_moment_alone(container, store):
    fill(container(store))
    run(container(store), "CREATE TABLE t (a, b)", database="other")
    faulty = FaultyStore(store)
    faulty.plan("create", *[works] * 2, *[lose_request] * 20)
    service = container(faulty)
    refused(service, "branch", **{"as": "staging"})
    faulty.forget_plans()
    assert refused(service, "branch", "other", **{"as": "staging"}).code == "exists"
    assert refused(service, "branch", **{"as": "staging", "at": 3}).code == "exists"
    [line] = [one for one in act(service, "databases")["databases"] if one["name"] == "staging"]
    assert line["state"] == "unfinished"
    act(service, "branch", **{"as": "staging"})
    assert state(store, "staging") == state(store, at=4)


def test_unfinished_and_then_merged(container, store, tmp_path):
    """The chain of the second try has other files than that of the first."""
    fill(container(store))
    faulty = FaultyStore(store)
    faulty.plan("create", *[works] * 3, *[lose_request] * 20)
    refused(container(faulty), "branch", **{"as": "staging"})
    compact(store, snapshot(4), tmp_path)
    for txid in (1, 2):
        store.delete(transaction(txid).key("main"))
    act(container(store), "branch", **{"as": "staging"})
    assert image(store, "staging") == image(store, at=4)


@pytest.mark.parametrize("number", range(6))
def test_a_first_writer_and_a_branch_of_one_name(container, store, number):
    """One of them gets the name. Whoever is refused has changed nothing."""
    fill(container(store))
    writer = container(store)
    with pytest.raises(SldbError):
        run(writer, "SELECT 1", database="staging")  # it knows that there is nothing
    faulty = FaultyStore(store)
    outcome = []

    def write() -> None:
        try:
            outcome.append(run(writer, "CREATE TABLE mine (x)", database="staging", max_staleness=60).txid)
        except SldbError as error:
            outcome.append(error.code)

    faulty.plan("create", *[works] * number, meanwhile(write))
    service = container(faulty)
    try:
        act(service, "branch", **{"as": "staging"})
        branched = True
    except SldbError as error:
        assert error.code == "exists"  # noqa: PT017 - either outcome is right
        branched = False
    assert outcome[0] == 1 if not branched else outcome[0] in ("not_found", 5)
    tables = {row[0] for row in run(container(store), "SELECT name FROM sqlite_schema", database="staging").rows}
    assert tables == ({"t", "mine"} if outcome[0] == 5 else {"t"} if branched else {"mine"})


@pytest.mark.long
@given(st.lists(st.integers(1, 9), max_size=5), st.integers(1, 9))
def test_at_any_moment_of_any_chain(tmp_path_factory, snapshots, at):
    store, directory = memory_store(), tmp_path_factory.mktemp("branch")
    service = new_container(store)
    try:
        for number in range(1, 10):
            run(service, f"CREATE TABLE t{number} (a); INSERT INTO t{number} VALUES (zeroblob(6000))")
            if number % 3 == 0:
                run(service, f"DROP TABLE t{number - 1}; SELECT 1")
        for end in dict.fromkeys(snapshots):
            compact(store, snapshot(end), directory)
        act(service, "branch", **{"as": "copy", "at": at})
        assert image(store, "copy") == image(store, at=at)
        assert run(service, "CREATE TABLE more (x)", database="copy").txid == at + 1
        assert state(store, "copy", at=at) == state(store, at=at)
    finally:
        service.close()
