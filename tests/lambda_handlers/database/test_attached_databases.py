"""ATTACH: other databases of the stack, now or then, read beside the request's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lambda_handlers.database import attached_databases
from lambda_handlers.service import Service
from lambda_handlers.settings import MIB
from lambda_handlers.storage.log.keys import LtxName, parse_ltx_key, snapshot, transaction
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import Reply, SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import compact
from tests.fakes.databases.past import act
from tests.fakes.databases.service import container, run
from tests.fakes.stores.faulty import Act, FaultyStore, meanwhile, works
from tests.fakes.stores.memory import memory_store


@pytest.fixture
def store() -> FaultyStore:
    return FaultyStore(memory_store())


@pytest.fixture
def new(store: ObjectStore) -> Iterator[Callable[..., Service]]:
    made: list[Service] = []

    def make(**settings: object) -> Service:
        made.append(container(store, **settings))
        return made[-1]

    yield make
    for service in made:
        service.close()


@pytest.fixture
def service(new: Callable[..., Service]) -> Service:
    """Two databases: users in `main`, orders in `other`, of which the second transaction adds one."""
    service = new()
    run(service, "CREATE TABLE users (id INTEGER PRIMARY KEY, name); INSERT INTO users VALUES (1, 'Ada'), (2, 'Bob')")
    run(
        service,
        "CREATE TABLE orders (user_id, total); CREATE INDEX by_total ON orders (total);"
        "INSERT INTO orders VALUES (1, 10), (2, 20)",
        database="other",
    )
    run(service, "INSERT INTO orders VALUES (1, 5)", database="other")
    return service


def ltx_files(store: ObjectStore, database: str) -> list[LtxName]:
    names = (parse_ltx_key(database, info.key) for info in store.list_objects(f"{database}/"))
    return [name for name in names if name]


def refused(service: Service, query: str, code: str, **fields: object) -> SldbError:
    """The error of a request, after a look that nothing was applied to either database."""
    before = run(service, "SELECT 1").txid, run(service, "SELECT 1", database="other").txid
    with pytest.raises(SldbError) as caught:
        run(service, query, **fields)
    assert (run(service, "SELECT 1").txid, run(service, "SELECT 1", database="other").txid) == before
    assert caught.value.code == code, caught.value
    return caught.value


JOIN = "SELECT name, sum(total) FROM users JOIN o.orders ON user_id = users.id GROUP BY name ORDER BY name"


# Reading


def test_a_join_of_two_databases(service: Service) -> None:
    reply = run(service, f"ATTACH 'other' AS o; {JOIN}")
    assert reply.rows == [("Ada", 15), ("Bob", 20)]
    assert reply.txid == 1  # of the request's own database


def test_a_cold_container_does_it_too(service: Service, new: Callable[..., Service]) -> None:
    assert run(new(), f"ATTACH 'other' AS o; {JOIN}").rows == [("Ada", 15), ("Bob", 20)]


@pytest.mark.parametrize(("txid", "total"), [(1, 30), (2, 35)])
def test_a_past_moment(service: Service, txid: int, total: int) -> None:
    time = act(service, "history", "other", before=txid + 1)["transactions"][0]["time"]
    for at in (txid, time, f"{time[:10]} {time[11:-1]}+00:00"):
        assert run(service, f"ATTACH 'other@{at}' AS o; SELECT sum(total) FROM o.orders").rows == [(total,)]


def test_before_and_after_side_by_side(service: Service) -> None:
    query = """
        ATTACH 'other@1' AS before; ATTACH 'other' AS after;
        SELECT user_id, total FROM after.orders EXCEPT SELECT user_id, total FROM before.orders
    """
    assert run(service, query).rows == [(1, 5)]


def test_ones_own_past_and_present(service: Service) -> None:
    run(service, "UPDATE users SET name = 'Eve' WHERE id = 1")
    query = """
        ATTACH 'main@1' AS was; ATTACH 'main' AS same;
        SELECT was.users.name, main.users.name, same.users.name
        FROM was.users JOIN main.users USING (id) JOIN same.users USING (id) WHERE id = 1
    """
    assert run(service, query).rows == [("Ada", "Eve", "Eve")]


def test_a_past_request_attaches_too(service: Service) -> None:
    run(service, "DELETE FROM users")
    assert run(service, f"ATTACH 'other' AS o; {JOIN}", at=1).rows == [("Ada", 15), ("Bob", 20)]


def test_what_is_attached_stays_as_it_is_until_the_request_is_over(
    service: Service, new: Callable[..., Service], store: FaultyStore
) -> None:
    """A writer commits between two statements: both see what there was when it was attached."""
    writer = new()
    run(writer, "SELECT 1", database="other")
    total = "SELECT sum(total) FROM o.orders"

    def commit() -> None:
        store.forget_plans()
        run(writer, "INSERT INTO orders VALUES (2, 1000)", database="other")

    def answered_before_the_commit(_key: str, look: Act) -> Any:
        try:
            return look()
        finally:
            commit()

    store.plan("get_range", works, answered_before_the_commit)  # of main, of other
    reply = run(service, f"ATTACH 'other' AS o; {total}; DETACH o; ATTACH 'other' AS o; {total}")
    assert [result.rows for result in reply.results if result.columns] == [[(35,)], [(35,)]]
    assert run(service, f"ATTACH 'other' AS o; {total}").rows == [(1035,)]


def test_rows_go_from_one_database_into_another(service: Service) -> None:
    reply = run(
        service,
        "ATTACH 'other' AS o; CREATE TABLE totals AS SELECT user_id, sum(total) AS total FROM o.orders GROUP BY 1;"
        "SELECT * FROM totals ORDER BY 1",
    )
    assert reply.rows == [(1, 15), (2, 20)]
    assert run(service, "SELECT count(*) FROM totals").rows == [(2,)]


def test_each_run_of_a_lost_race_attaches_anew(
    service: Service, new: Callable[..., Service], store: FaultyStore
) -> None:
    """The request runs again on the newest state of its own database, and of those that it reads."""
    other = new()
    run(other, "SELECT 1")

    def commit_to_both() -> None:
        store.forget_plans()
        run(other, "INSERT INTO users VALUES (3, 'Cid')")
        run(other, "INSERT INTO orders VALUES (3, 30)", database="other")

    store.plan("create", meanwhile(commit_to_both))
    run(service, "ATTACH 'other' AS o; CREATE TABLE copied AS SELECT * FROM o.orders")
    assert run(service, "SELECT count(*) FROM copied").rows == [(4,)]


def test_max_staleness_holds_for_what_is_attached(service: Service, store: FaultyStore) -> None:
    run(service, f"ATTACH 'other' AS o; {JOIN}")
    store.calls.clear()
    run(service, f"ATTACH 'other' AS o; {JOIN}", max_staleness=60)
    assert store.verbs() == []
    run(service, f"ATTACH 'other' AS o; {JOIN}")
    assert store.verbs() == ["get_range", "get_range"]  # one question for each database


def test_both_are_larger_than_the_cache_together(new: Callable[..., Service]) -> None:
    service = new(cache_bytes=2 * MIB)
    for database in ("main", "other"):
        run(service, "CREATE TABLE t (n INTEGER PRIMARY KEY, body)", database=database)
        fill = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1500) INSERT INTO t SELECT i, "
        run(service, f"{fill} randomblob(1000) FROM n", database=database)
    query = "ATTACH 'other' AS o; SELECT count(*), sum(length(a.body) + length(b.body)) FROM t a JOIN o.t b USING (n)"
    for _ in range(2):
        assert run(service, query).rows == [(1500, 3_000_000)]


def test_files_that_retention_took_meanwhile_are_opened_again(
    new: Callable[..., Service], store: FaultyStore, tmp_path: Path
) -> None:
    service = new(cache_bytes=MIB)
    run(service, "CREATE TABLE mine (n)")
    run(service, "CREATE TABLE t (n INTEGER PRIMARY KEY, body)", database="other")
    fill = "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO t SELECT i, "
    run(service, f"{fill} randomblob(1000) FROM n", database="other")
    reader = new(cache_bytes=MIB)
    run(reader, "ATTACH 'other' AS o; SELECT body FROM o.t WHERE n = 7")

    compact(store, snapshot(2), tmp_path, "other")
    for info in list(store.list_objects("other/0000/")):
        store.delete(info.key)
    assert run(reader, "ATTACH 'other' AS o; SELECT count(body) FROM o.t").rows == [(3000,)]


# Writing


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO o.orders VALUES (9, 9)",
        "INSERT INTO orders VALUES (9, 9)",  # found in what is attached
        "UPDATE o.orders SET total = 0",
        "DELETE FROM O.orders",
        "WITH gone AS (SELECT 1) DELETE FROM o.orders",
        "REPLACE INTO o.orders VALUES (1, 1)",
        "CREATE TABLE o.t (x)",
        "CREATE INDEX o.i ON orders (total)",
        "CREATE VIEW o.v AS SELECT 1",
        "CREATE TRIGGER o.r AFTER INSERT ON orders BEGIN SELECT 1; END",
        "DROP TABLE o.orders",
        "ALTER TABLE o.orders ADD COLUMN more",
        "ALTER TABLE o.orders RENAME TO sales",
        "PRAGMA o.user_version = 7",
        "PRAGMA o.application_id = 7",
        "ANALYZE o.orders",
        "REINDEX o.orders",
        "VACUUM o",
    ],
)
def test_what_is_attached_cannot_be_written(service: Service, statement: str) -> None:
    error = refused(service, f"ATTACH 'other' AS o; CREATE TABLE mine (x); {statement}", "read_only")
    assert error.details["statement"] == 2
    assert "database" in error.hint
    refused(service, f"ATTACH 'other' AS o; {statement}", "read_only")


def test_a_trigger_of_ones_own_cannot_write_to_it(service: Service) -> None:
    error = refused(
        service,
        "ATTACH 'other' AS o; CREATE TEMP TRIGGER sneak AFTER INSERT ON main.users BEGIN"
        " INSERT INTO orders VALUES (new.id, 1); END; INSERT INTO users VALUES (7, 'Gus')",
        "read_only",
    )
    assert error.details["statement"] == 2


def test_full_text_search_in_what_is_attached(service: Service) -> None:
    run(service, "CREATE VIRTUAL TABLE notes USING fts5(body)", database="other")
    run(service, "INSERT INTO notes VALUES ('the quick fox'), ('a lazy dog')", database="other")
    query = "ATTACH 'other' AS o; SELECT body FROM o.notes WHERE notes MATCH 'quick'"
    assert run(service, query).rows == [("the quick fox",)]
    refused(service, "ATTACH 'other' AS o; INSERT INTO o.notes VALUES ('more')", "read_only")
    refused(service, "ATTACH 'other' AS o; INSERT INTO o.notes(notes) VALUES ('optimize')", "read_only")


# What may not be attached


@pytest.mark.parametrize(
    "statement",
    [
        "ATTACH 'Other' AS o",
        "ATTACH '../other' AS o",
        "ATTACH 'other/../main' AS o",
        "ATTACH '/database' AS o",
        "ATTACH 'other?mode=rw' AS o",
        "ATTACH 'file:other' AS o",
        "ATTACH 'other@' AS o",
        "ATTACH 'other@1/../..' AS o",
        "ATTACH '' AS o",
        "ATTACH 'oth' || 'er' AS o",
        "ATTACH (SELECT 'other') AS o",
        "ATTACH NULL AS o",
        "DETACH main",
        "DETACH o",
    ],
)
def test_nothing_else_is_attached(service: Service, statement: str) -> None:
    assert refused(service, f"{statement}; SELECT 1", "forbidden").details["statement"] == 0


def test_not_by_parameter_either(service: Service) -> None:
    refused(service, "ATTACH :name AS o", "forbidden", params={"name": "other"})


@pytest.mark.parametrize("name", ["nobody", "other@99", "other@0", "other@2001-01-01T00:00:00Z"])
def test_what_is_not_there_is_not_found(service: Service, name: str) -> None:
    assert refused(service, f"ATTACH '{name}' AS o", "not_found").details["statement"] == 0


def test_a_time_that_is_none(service: Service) -> None:
    refused(service, "ATTACH 'other@yesterday' AS o", "bad_request")


def test_a_dropped_database_is_not_found(service: Service) -> None:
    act(service, "drop_database", "other")
    with pytest.raises(SldbError, match="dropped") as caught:
        run(service, "ATTACH 'other' AS o")
    assert caught.value.code == "not_found"


def test_more_than_sqlite_can_hold(service: Service) -> None:
    many = "; ".join(f"ATTACH 'other' AS o{number}" for number in range(11))
    assert "attached" in refused(service, many, "sql_error").message


def test_nothing_is_attached_for_the_next_request(service: Service) -> None:
    run(service, "ATTACH 'other' AS o")
    assert "no such table" in refused(service, "SELECT * FROM o.orders", "sql_error").message


# The recipe of docs/history.md: one database for each table


def test_writers_of_two_databases_never_wait_for_each_other(store: FaultyStore) -> None:
    """Each has its own lock and its own log; one request reads both."""
    clock = Clock()
    users, orders = container(store, host=clock.host()), container(store, host=clock.host())
    run(users, "CREATE TABLE users (id INTEGER PRIMARY KEY, name)", database="users")

    def meanwhile_orders() -> None:
        store.forget_plans()
        run(orders, "CREATE TABLE orders (id INTEGER PRIMARY KEY, user_id, total)", database="orders")
        run(orders, "INSERT INTO orders VALUES (1, 1, 30)", database="orders")

    store.plan("create", meanwhile(meanwhile_orders))
    inserted: Reply = run(users, "INSERT INTO users VALUES (1, 'Ada')", database="users")
    assert inserted.txid == 2
    assert clock.sleeps == []  # nobody waited, nobody ran again
    query = "ATTACH 'orders' AS o; SELECT name, sum(total) FROM users JOIN o.orders ON user_id = users.id"
    assert run(users, query, database="users").rows == [("Ada", 30)]
    assert ltx_files(store, "users") == ltx_files(store, "orders") == [transaction(1), transaction(2)]
    for service in (users, orders):
        service.close()


# Limits


@pytest.mark.parametrize("at", ["9" * 5000, "0" * 5000, "1" * 65])
def test_a_moment_of_thousands_of_digits_is_none(service: Service, at: str) -> None:
    error = refused(service, f"ATTACH 'other@{at}' AS o", "forbidden")
    assert error.message.startswith("ATTACH")
    assert "limit" not in str(error.encode())


@pytest.mark.parametrize("at", ["1" * 64, "1" * 21, str(1 << 64)])
def test_a_moment_of_more_digits_than_a_txid_has_is_none(service: Service, at: str) -> None:
    assert "want a txid" in refused(service, f"ATTACH 'other@{at}' AS o", "bad_request").message
    assert "want a txid" in refused(service, "SELECT 1", "bad_request", at=at).message


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_what_a_request_attaches_has_an_end(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each that is attached keeps files open until the request is over."""
    monkeypatch.setattr(attached_databases, "MAX_VIEWS", 6)
    for number in range(6):
        run(service, f"INSERT INTO orders VALUES ({number}, 0)", database="other")
    before = open_files()
    many = [f"ATTACH 'other@{txid}' AS o; DETACH o;" for txid in range(1, 8)]
    assert "6 databases and past moments" in refused(service, "".join(many), "too_large").message
    assert run(service, "".join(many[:5]) * 20 + "SELECT 1").rows == [(1,)]
    assert run(service, "ATTACH 'other' AS o; DETACH o;" * 700 + "SELECT 1").rows == [(1,)]
    assert open_files() <= before + 4  # of the moments that are kept for the next request


@pytest.mark.parametrize("encodings", [("UTF-8", "UTF-16le"), ("UTF-16be", "UTF-8"), ("UTF-16le", "UTF-16be")])
def test_databases_of_other_text_encodings_are_told_apart(new, encodings):
    service = new()
    for name, encoding in zip(("one", "two"), encodings, strict=True):
        run(service, f"PRAGMA encoding = '{encoding}'; CREATE TABLE t (a)", database=name)
    with pytest.raises(SldbError, match="the text encodings differ") as caught:
        run(service, "ATTACH 'two' AS o; SELECT * FROM o.t", database="one")
    assert (caught.value.code, caught.value.details["reason"]) == ("sql_error", "other_encoding")
    assert "sldb diff compares them" in caught.value.hint
