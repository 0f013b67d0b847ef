"""restore: the old pages come back in a new transaction, whatever happened in between."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.actions import replace_content
from lambda_handlers.storage.commit import PageChanges
from lambda_handlers.storage.log.keys import LtxName, snapshot, transaction
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import SldbError
from tests.fakes.clock import host_without_waits
from tests.fakes.databases.engine import Engine, compact
from tests.fakes.databases.past import act, image, state
from tests.fakes.databases.service import container as new_container
from tests.fakes.databases.service import run
from tests.fakes.stores.faulty import FaultyStore, clash, lose_answer, lose_request, meanwhile
from tests.fakes.stores.memory import memory_store


def fill(service, rows=300):
    query = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows}) "
    run(service, "CREATE TABLE IF NOT EXISTS t (a, b)")
    return run(service, f"{query} INSERT INTO t SELECT i, hex(randomblob(200)) FROM n").txid


def refused(service, name, database="main", /, **arguments) -> SldbError:
    with pytest.raises(SldbError) as caught:
        act(service, name, database, **arguments)
    return caught.value


def test_the_old_state_comes_back_and_history_stays(service, store):
    fill(service)
    run(service, "DELETE FROM t WHERE a > 3; CREATE TABLE u (x)")
    reply = act(service, "restore", at=2)
    assert reply == {
        "database": "main",
        "restored": 2,
        "time": act(service, "history", before=3)["transactions"][0]["time"],
        "txid": 4,
        "before": 3,
        "pages": reply["pages"],
        "changed": True,
    }
    assert state(store) == state(store, at=2)
    assert image(store) == image(store, at=2)
    assert run(service, "SELECT count(*) FROM t").rows == [(300,)]
    assert run(service, "SELECT count(*) FROM t", at=3).rows == [(3,)]
    assert act(service, "history", limit=1)["transactions"][0]["kind"] == "restore"


def test_only_the_pages_that_differ_are_written(service):
    fill(service, rows=2000)
    run(service, "UPDATE t SET b = 'x' WHERE a = 5")
    assert act(service, "restore", at=2)["pages"] == 2  # the first, with the counters, and that of the row


def test_the_counters_go_on(service):
    """Or another reader's connection, which compares them, would take its cache for the new state."""
    fill(service)
    before = run(service, "PRAGMA schema_version").rows[0][0]
    run(service, "CREATE TABLE u (x)")
    act(service, "restore", at=2)
    assert run(service, "PRAGMA schema_version").rows[0][0] > before + 1


def test_a_restore_that_changes_nothing_writes_nothing(service):
    fill(service)
    run(service, "DELETE FROM t")
    first = act(service, "restore", at=2)
    again = act(service, "restore", at=2)
    assert (again["changed"], again["txid"], again["pages"]) == (False, first["txid"], 0)
    assert act(service, "restore", at=first["txid"])["changed"] is False


def test_restored_and_back_again(service, store):
    fill(service)
    run(service, "DROP TABLE t; CREATE TABLE u (x); INSERT INTO u VALUES (1)")
    act(service, "restore", at=2)
    act(service, "restore", at=3)
    assert state(store) == state(store, at=3)


def test_if_txid_protects_a_newer_write(service):
    fill(service)
    run(service, "DELETE FROM t")
    run(service, "INSERT INTO t VALUES (1, 'newer')")
    error = refused(service, "restore", at=2, if_txid=3)
    assert (error.code, error.details["txid"]) == ("conflict", 4)
    assert run(service, "SELECT b FROM t").rows == [("newer",)]


def test_an_undo_that_is_sent_twice_is_done_once(service):
    fill(service)
    run(service, "DELETE FROM t")
    first = act(service, "restore", at=2, if_txid=3)
    assert first["txid"] == 4
    assert act(service, "restore", at=2, if_txid=3) == {
        "database": "main",
        "restored": 2,
        "time": first["time"],
        "txid": 4,
        "before": 4,
        "pages": 0,
        "changed": False,
    }


def test_a_time(service, container, store):
    fill(service)
    moment = act(service, "history", limit=1)["transactions"][0]["time"]
    run(service, "DELETE FROM t")
    assert act(service, "restore", at=moment.replace("Z", "999Z"))["restored"] in (2, 3)
    assert refused(service, "restore", at="2001-01-01T00:00:00Z").code == "not_found"
    assert refused(service, "restore", at="soon").code == "bad_request"


@pytest.mark.parametrize(("at", "says"), [(0, "before its first"), (9, "no such transaction yet")])
def test_outside_history(service, at, says):
    fill(service)
    error = refused(service, "restore", at=at)
    assert error.code == "not_found"
    assert says in error.message
    assert (error.details["oldest"], error.details["newest"]) == (1, 2)


def test_what_retention_took(service, store, tmp_path):
    fill(service)
    for number in range(4):
        run(service, f"INSERT INTO t VALUES ({number}, 'later')")
    compact(store, snapshot(4), tmp_path)
    for txid in range(1, 5):
        store.delete(transaction(txid).key("main"))
    error = refused(service, "restore", at=3)
    assert (error.code, error.details["oldest"]) == ("not_found", 4)
    assert act(service, "restore", at=5)["changed"]
    assert state(store) == state(store, at=5)


def test_there_is_no_such_database(service):
    assert refused(service, "restore", "nothing", at=1).code == "not_found"


def test_another_writer_comes_between(container, store):
    faulty = FaultyStore(store)
    # On a slow machine the lost race would take long enough for an announcement, a transaction more.
    service, other = container(faulty, host=host_without_waits()), container(store)
    fill(service)
    run(service, "DELETE FROM t")
    faulty.plan("create", meanwhile(lambda: run(other, "CREATE TABLE meanwhile (x)")))
    assert act(service, "restore", at=2)["txid"] == 5
    assert state(store) == state(store, at=2)
    assert run(service, "SELECT count(*) FROM meanwhile", at=4).rows == [(0,)]


def test_another_writer_comes_between_an_undo(container, store):
    faulty = FaultyStore(store)
    service, other = container(faulty, host=host_without_waits()), container(store)
    fill(service)
    run(service, "DELETE FROM t")
    faulty.plan("create", meanwhile(lambda: run(other, "CREATE TABLE meanwhile (x)")))
    assert refused(service, "restore", at=2, if_txid=3).code == "conflict"
    assert run(service, "SELECT count(*) FROM meanwhile").rows == [(0,)]


@pytest.mark.parametrize("step", [lose_answer, clash])
def test_an_answer_that_is_lost(container, store, step):
    faulty = FaultyStore(store)
    service = container(faulty)
    fill(service)
    run(service, "DELETE FROM t")
    faulty.plan("create", step)
    assert act(service, "restore", at=2)["txid"] == 4
    assert state(store) == state(store, at=2)


def test_pages_that_were_cut_off_come_back(service, store):
    fill(service, rows=3000)
    run(service, "DELETE FROM t WHERE a > 100")
    run(service, "VACUUM")
    run(service, "CREATE TABLE u (x); INSERT INTO u SELECT b FROM t")
    for at in (2, 3, 4, 5, 2):
        act(service, "restore", at=at)
        assert state(store) == state(store, at=at)
        assert image(store) == image(store, at=at)


def test_larger_than_what_is_compared(service, store, monkeypatch):
    monkeypatch.setattr(replace_content, "COMPARED_BYTES", 8192)
    fill(service, rows=2000)
    run(service, "UPDATE t SET b = 'x'")
    act(service, "restore", at=2)
    assert image(store) == image(store, at=2)
    assert act(service, "restore", at=2)["changed"] is False


def test_larger_than_the_cache(container, store, monkeypatch):
    monkeypatch.setattr(replace_content, "PAST_CACHE_BYTES", 64 * 4096)
    service = container(store, cache_bytes=64 * 4096)
    fill(service, rows=3000)
    run(service, "UPDATE t SET b = hex(randomblob(100))")
    act(service, "restore", at=2)
    assert image(store) == image(store, at=2)


def test_across_another_page_size(service, store, tmp_path):
    fill(service)
    replace_with_page_size(store, tmp_path, 1024)
    run(service, "INSERT INTO t VALUES (1, 'small pages')")
    after = run(service, "SELECT count(*) FROM t").txid
    for at in (2, after, 2):
        act(service, "restore", at=at)
        assert state(store) == state(store, at=at)


def replace_with_page_size(store: ObjectStore, directory, page_size: int) -> None:
    """A transaction as push makes it: every page of another database."""
    import apsw

    source = apsw.Connection(":memory:")
    source.execute(f"PRAGMA page_size = {page_size}; CREATE TABLE t (a, b); INSERT INTO t VALUES (7, 'pushed')")
    image = source.serialize("main")
    source.close()
    pages = [
        (number // page_size + 1, image[number : number + page_size]) for number in range(0, len(image), page_size)
    ]
    engine = Engine(store, directory)
    engine.replica.refresh()
    engine.replica.commit(PageChanges(page_size, len(pages), lambda: iter(pages), len(pages)))
    engine.close()


@pytest.mark.parametrize("name", [snapshot(6), LtxName(2, 2, 6), LtxName(1, 3, 5), LtxName(2, 1, 4)])
def test_after_compaction(service, store, tmp_path, name):
    fill(service, rows=1500)
    run(service, "DELETE FROM t WHERE a > 300")
    run(service, "VACUUM")
    run(service, "UPDATE t SET b = 'x' WHERE a = 1")
    run(service, "CREATE TABLE u (x)")
    before = {at: state(store, at=at) for at in range(1, 7)}
    compact(store, name, tmp_path)
    for at in (2, 5, 3, 6, 4, 1):
        act(service, "restore", at=at)
        assert state(store) == before[at]


WRITES = st.sampled_from(
    [
        "INSERT INTO t SELECT 7, hex(randomblob(500)) FROM sqlite_schema, pragma_collation_list",
        "DELETE FROM t WHERE rowid % 2",
        "UPDATE t SET b = hex(randomblob(300)) WHERE rowid % 5 = 0",
        "CREATE TABLE IF NOT EXISTS u (x); INSERT INTO u VALUES (zeroblob(9000))",
        "DROP TABLE IF EXISTS u",
        "VACUUM",
        "INSERT INTO t SELECT a, b FROM t LIMIT 200",
    ]
)
MOVES = st.one_of(WRITES, st.floats(0, 1), st.floats(0, 1).map(lambda share: ("compact", share)))


@pytest.mark.long
@given(st.lists(MOVES, min_size=3, max_size=12))
def test_whatever_happened_every_moment_comes_back(tmp_path_factory, moves):
    store, directory = memory_store(), tmp_path_factory.mktemp("restore")
    service = new_container(store)
    states: dict[int, list] = {}

    def note(txid: int) -> None:
        states.setdefault(txid, state(store))

    try:
        note(run(service, "CREATE TABLE t (a, b); INSERT INTO t VALUES (1, zeroblob(5000))").txid)
        for move in moves:
            newest = max(states)
            if isinstance(move, str):
                note(run(service, move).txid)
            elif isinstance(move, tuple):
                end = 1 + int(move[1] * (newest - 1))
                if not any(info.key == snapshot(end).key("main") for info in store.list_objects("main/")):
                    compact(store, snapshot(end), directory)
            else:
                at = 1 + int(move * (newest - 1))
                reply = act(service, "restore", at=at)
                assert reply["changed"] or states[at] == states[newest]
                states[reply["txid"]] = states[at]
                assert state(store) == states[at]
        for at, expected in states.items():
            assert state(store, at=at) == expected
    finally:
        service.close()


@pytest.mark.parametrize("verb", ["create", "get", "get_range", "list_objects"])
@pytest.mark.parametrize("number", range(4))
def test_stopped_at_any_call_it_can_be_done_again(container, store, verb, number):
    faulty = FaultyStore(store)
    fill(container(store), rows=1500)
    run(container(store), "DELETE FROM t WHERE a > 7")
    run(container(store), "VACUUM")
    before = state(store)
    service = container(faulty)
    run(service, "SELECT 1")
    faulty.plan(verb, *[lambda key, act: act()] * number, *[lose_request] * 3)
    codes = []
    try:
        act(service, "restore", at=2)
    except SldbError as error:
        codes.append(error.code)
    if codes:
        assert codes == ["store_error"]
        assert state(store) == before
    faulty.forget_plans()
    act(service, "restore", at=2)
    assert state(store) == state(store, at=2)
