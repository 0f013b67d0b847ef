"""Whether a database enforces foreign keys: where it comes from, what carries it, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import apsw
import pytest

from lambda_handlers.service import Service
from lambda_handlers.sql.session import Session
from lambda_handlers.storage.log import kinds
from lambda_handlers.storage.log.keys import LtxName, head_key, transaction
from lambda_handlers.storage.log.ltx import Header, Pgno
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from lambda_handlers.store.protocol import ObjectStore
from lambda_handlers.wire import SldbError
from tests.fakes.databases.engine import Engine, compact
from tests.fakes.databases.past import act, image
from tests.fakes.databases.service import container, run
from tests.fakes.stores.faulty import FaultyStore
from tests.fakes.stores.memory import memory_store

TABLES = "CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (of REFERENCES parent ON DELETE CASCADE)"
ORPHAN = "INSERT INTO child VALUES (999)"
ASK = "PRAGMA foreign_keys"


@pytest.fixture
def store() -> FaultyStore:
    return FaultyStore(memory_store())


@pytest.fixture
def service(store: ObjectStore) -> Iterator[Service]:
    service = container(store)
    yield service
    service.close()


def enforces(service: Service, database: str = "main") -> bool:
    """As it is told, asked and done."""
    told = {one["name"]: one["foreign_keys"] for one in act(service, "databases")["databases"]}[database]
    assert run(service, ASK, database=database).rows == [(int(told),)]
    event = {"query": ORPHAN, "database": database, "dry_run": True}
    status = service.handle(event)["statusCode"]
    assert status == (409 if told else 200)
    return bool(told)


def plain_file(store: ObjectStore, database: str, cache_size: int = 0) -> None:
    """A database as it comes from elsewhere, or from an older version: a SQLite file in one transaction."""
    connection = apsw.Connection(":memory:")
    connection.execute(f"PRAGMA page_size = 4096; {TABLES}")
    content = connection.serialize("main")
    connection.close()
    content = content[:48] + cache_size.to_bytes(4, "big") + content[52:]
    pages = [(Pgno(n + 1), content[n * 4096 : (n + 1) * 4096]) for n in range(len(content) // 4096)]
    header = Header(page_size=4096, commit=len(pages), min_txid=1, max_txid=1, timestamp_ms=1)
    store.create(transaction(1).key(database), encode_ltx(header, pages))


def test_a_database_that_begins_here_enforces_them(service):
    assert run(service, ASK).rows == [(1,)]  # before its first write
    with pytest.raises(SldbError) as caught:
        run(service, f"{TABLES}; {ORPHAN}")
    assert caught.value.code == "constraint"
    with pytest.raises(SldbError) as caught:
        run(service, f"{TABLES}; {ORPHAN}", dry_run=True, at=0)
    assert caught.value.code == "constraint"
    run(service, TABLES, request_id="r")
    assert enforces(service)
    assert act(service, "create_database", "other")["created"]
    run(service, TABLES, database="other")
    assert enforces(service, "other")


def test_a_request_overrides_it_for_itself(service):
    """Also the request that the database begins with, such as the output of sqlite3's .dump."""
    run(service, f"PRAGMA foreign_keys = OFF; BEGIN; {TABLES}; {ORPHAN}; COMMIT")
    assert enforces(service)
    act(service, "set_database", foreign_keys=False)
    with pytest.raises(SldbError) as caught:
        run(service, f"PRAGMA foreign_keys = ON; {ORPHAN}")
    assert caught.value.code == "constraint"
    assert not enforces(service)


def test_setting_it(service, store):
    run(service, TABLES)
    assert act(service, "set_database", foreign_keys=True) == {
        "database": "main",
        "txid": 1,
        "foreign_keys": True,
        "changed": False,
    }
    assert act(service, "set_database", foreign_keys=False)["txid"] == 2
    assert act(service, "set_database", foreign_keys=False)["changed"] is False
    assert not enforces(service)
    assert run(service, f"{ORPHAN}; SELECT count(*) FROM child").rows == [(1,)]
    assert act(service, "set_database", foreign_keys=True)["changed"]
    other = container(store)
    assert enforces(other)
    assert run(other, "SELECT count(*) FROM child; PRAGMA integrity_check").rows == [("ok",)]
    assert [one["kind"] for one in act(other, "history")["transactions"]][:2] == ["set database", "INSERT"]
    other.close()


@pytest.mark.parametrize("enforced", [True, False])
def test_setting_it_before_the_first_write(service, enforced):
    assert act(service, "set_database", foreign_keys=enforced)["changed"]
    run(service, TABLES)
    assert enforces(service) is enforced


@pytest.mark.parametrize(
    ("arguments", "code"), [({}, "bad_request"), ({"foreign_keys": "on"}, "bad_request"), ({"x": 1}, "bad_request")]
)
def test_what_cannot_be_set(service, arguments, code):
    run(service, TABLES)
    with pytest.raises(SldbError) as caught:
        act(service, "set_database", **arguments)
    assert caught.value.code == code


def test_what_is_not_there_is_not_set(service):
    run(service, TABLES, database="gone")
    act(service, "drop_database", "gone")
    for name in ("nope", "gone"):
        with pytest.raises(SldbError) as caught:
            act(service, "set_database", name, foreign_keys=True)
        assert caught.value.code == "not_found"


def test_a_database_of_an_older_version_does_not_enforce_them(service, store):
    plain_file(store, "main")
    assert not enforces(service)
    run(service, ORPHAN)
    run(service, "VACUUM")
    assert not enforces(service)
    act(service, "set_database", foreign_keys=True)
    assert enforces(service)


def test_another_value_in_its_place_is_left_alone(service, store):
    """SQLite's own: how large a cache is suggested."""
    plain_file(store, "main", cache_size=2003)
    run(service, ORPHAN)
    assert image(store)[40:44] == (2003).to_bytes(4, "big")  # of an image without 8 bytes of counters before it
    assert not enforces(service)


def test_sql_neither_sees_nor_loses_it(service):
    run(service, TABLES)
    assert run(service, "PRAGMA cache_size").rows == [(-2000,)]
    assert run(service, "SELECT count(*) FROM sqlite_schema").rows == [(2,)]
    for query in ("VACUUM", "PRAGMA user_version = 503", "INSERT INTO parent VALUES (1)"):
        run(service, query)
        assert enforces(service), query
    run(service, "CREATE TABLE t (a); SAVEPOINT s; INSERT INTO t VALUES (zeroblob(3000000)); ROLLBACK TO s")
    assert enforces(service)


def test_sqlite_is_not_shown_it(service, store, tmp_path: Path):
    run(service, TABLES)
    engine = Engine(store, tmp_path)
    engine.replica.refresh()
    connection = engine.connect()
    assert connection.serialize("main")[48:52] == bytes(4)
    assert image(store)[40:44] != bytes(4)  # of an image without 8 bytes of counters before it
    connection.close()
    engine.close()


def test_the_past_has_that_of_its_moment(service):
    run(service, TABLES)
    act(service, "set_database", foreign_keys=False)
    run(service, "INSERT INTO parent VALUES (1)")
    assert run(service, ASK, at=1).rows == [(1,)]
    assert run(service, ASK, at=2).rows == [(0,)]
    assert run(service, ORPHAN, at=2, dry_run=True).changes["child"]["insert"] == 1
    with pytest.raises(SldbError) as caught:
        run(service, ORPHAN, at=1, dry_run=True)
    assert caught.value.code == "constraint"


def test_a_restore_brings_back_that_of_its_moment(service):
    run(service, TABLES)
    act(service, "set_database", foreign_keys=False)
    assert act(service, "restore", at=1)["changed"]
    assert enforces(service)
    assert act(service, "restore", at=2)["changed"]
    assert not enforces(service)


@pytest.mark.parametrize("enforced", [True, False])
def test_branches_and_other_names_carry_it(service, enforced):
    run(service, TABLES)
    act(service, "set_database", foreign_keys=enforced)
    act(service, "branch", **{"as": "copy"})
    assert enforces(service, "copy") is enforced
    act(service, "rename_database", "copy", to="renamed")
    assert enforces(service, "renamed") is enforced
    act(service, "rename_database", "renamed", to="copy")  # a name that was dropped: one transaction on top
    assert enforces(service, "copy") is enforced


def test_a_database_that_was_dropped_begins_anew(service):
    run(service, TABLES, database="other")
    act(service, "set_database", "other", foreign_keys=False)
    act(service, "drop_database", "other")
    run(service, TABLES, database="other")
    assert enforces(service, "other")


def test_merging_keeps_it(service, store, tmp_path: Path):
    run(service, TABLES)
    for n in range(4):
        run(service, f"INSERT INTO parent VALUES ({n})")
    act(service, "set_database", foreign_keys=False)
    act(service, "set_database", foreign_keys=True)
    compact(store, LtxName(1, 1, 7), tmp_path)
    for txid in range(1, 8):
        store.delete(transaction(txid).key("main"))
    store.delete(head_key("main"))  # nobody relies on it any more when a pass may remove these
    again = container(store)
    assert enforces(again)
    again.close()


def test_it_is_told_where_the_newest_file_is_large(service):
    run(service, TABLES + "; CREATE TABLE large (a)")
    run(service, "INSERT INTO large SELECT randomblob(4000) FROM json_each('[1,2,3,4,5,6,7,8]')")
    run(service, TABLES, database="other")
    assert enforces(service)
    assert enforces(service, "other")


# What it costs


def cold(store: FaultyStore, query: str, **fields: object) -> list[str]:
    """The verbs that a request takes in a container that has just begun."""
    service = container(store)
    try:
        store.verbs()
        run(service, query, **fields)
        return store.verbs()
    finally:
        service.close()


@pytest.mark.parametrize("query", ["SELECT 1", "SELECT * FROM parent WHERE id = 1", "PRAGMA user_version", ORPHAN])
def test_it_costs_no_request(store, service, query, monkeypatch):
    """The database is too large to be read whole, so that each page is fetched."""
    run(service, TABLES + "; CREATE TABLE large (a)")
    run(
        service,
        "INSERT INTO large SELECT randomblob(100000) FROM generate_series(1, 60)".replace(
            "generate_series(1, 60)",
            "(WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 60) SELECT i FROM n)",
        ),
    )
    query = f"PRAGMA foreign_keys = OFF; {query}" if query == ORPHAN else query
    without = cold(store, query, dry_run=True)
    with monkeypatch.context() as patched:
        patched.setattr(Session, "_adopt_setting", lambda _: None)
        assert cold(store, query, dry_run=True) == without


def test_the_kind_of_its_transaction_is_known():
    assert kinds.Kind(22).label == "set database"
