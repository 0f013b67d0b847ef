"""PRAGMAs without effect here are accepted with a warning; one that a result depends on is never ignored."""

from __future__ import annotations

from collections.abc import Iterator

import apsw
import pytest

from lambda_handlers.service import Service
from lambda_handlers.sql.settings import rights
from lambda_handlers.wire import Notice, Reply, SldbError
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store

# What drivers and frameworks send at each connection, and scripts at their beginning.
DJANGO = "PRAGMA foreign_keys = ON; PRAGMA legacy_alter_table = ON; PRAGMA foreign_key_check"
RAILS = """PRAGMA foreign_keys = ON; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
    PRAGMA mmap_size = 134217728; PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = 2000"""
SQLALCHEMY = "PRAGMA main.table_info('t'); PRAGMA read_uncommitted; PRAGMA journal_mode = WAL; PRAGMA synchronous = 1"
DUMP = "PRAGMA foreign_keys=OFF; BEGIN TRANSACTION; CREATE TABLE u (a); INSERT INTO u VALUES (1); COMMIT;"
TUNED = """PRAGMA busy_timeout = 5000; PRAGMA temp_store = MEMORY; PRAGMA locking_mode = EXCLUSIVE; PRAGMA threads = 4;
    PRAGMA wal_autocheckpoint = 1000; PRAGMA cache_spill = OFF; PRAGMA fullfsync = ON; PRAGMA wal_checkpoint(TRUNCATE);
    PRAGMA checkpoint_fullfsync = 1; PRAGMA shrink_memory; PRAGMA optimize; PRAGMA trusted_schema = OFF"""


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    service = container(memory_store())
    run(service, "CREATE TABLE t (a)")
    yield service
    service.close()


def names(reply: Reply) -> list[str]:
    """Return the PRAGMAs that the warning of a reply names."""
    assert all(notice.code == "no_effect" for notice in reply.warnings)
    return [name for notice in reply.warnings for name in notice.message.partition(":")[0][7:].split(", ")]


def test_each_pragma_of_sqlite_has_one_right() -> None:
    known = {name for (name,) in apsw.Connection(":memory:").execute("PRAGMA pragma_list")}
    settable = {*rights.NO_EFFECT, *rights.UNCHANGED} - {"wal_checkpoint", "shrink_memory"}
    assert known == rights.FREE | rights.READABLE | rights.REFUSED | {"wal_checkpoint", "shrink_memory"}
    assert settable <= rights.READABLE
    assert not rights.FREE & (rights.READABLE | rights.REFUSED | set(rights.NO_EFFECT))
    assert not set(rights.NO_EFFECT) & set(rights.UNCHANGED)


@pytest.mark.parametrize("name", sorted(rights.NO_EFFECT))
def test_a_setting_without_effect_has_a_warning_and_the_row_of_sqlite(service: Service, name: str) -> None:
    before = None if name in ("shrink_memory", "wal_checkpoint") else run(service, f"PRAGMA {name}").rows
    for text in (f"PRAGMA {name} = 7", f"pragma main.{name.upper()}('off')", f"PRAGMA {name}=WAL"):
        reply = run(service, text, read_only=True)
        assert names(reply) == [name]
        columns = [column.name for column in reply.columns]
        assert columns == _columns_of_sqlite(f"PRAGMA {name} = 7")
    if before is not None:
        reply = run(service, f"PRAGMA {name}")
        assert (reply.rows, reply.warnings) == (before, ())


def _columns_of_sqlite(sql: str) -> list[str]:
    found: list[str] = []
    cursor = apsw.Connection(":memory:").cursor()

    def trace(cursor: apsw.Cursor, _sql: str, _bindings: object) -> bool:
        found.extend(column[0] for column in cursor.get_description())
        return True

    cursor.exec_trace = trace
    cursor.execute(sql).fetchall()
    return found


def test_one_warning_names_each_setting_once(service: Service) -> None:
    reply = run(service, "PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL; PRAGMA synchronous = 1; SELECT 1")
    assert reply.rows == [(1,)]
    message = "PRAGMA synchronous, journal_mode: no effect here, since files, memory and locks are sldb's own"
    assert reply.warnings == (Notice("no_effect", message),)
    assert Reply.decode(reply.encode()) == reply


@pytest.mark.parametrize("script", [RAILS, SQLALCHEMY, DUMP, TUNED, DJANGO])
def test_what_programs_send_is_accepted(script: str) -> None:
    service = container(memory_store())
    try:
        run(service, "CREATE TABLE t (a)")
        assert len(run(service, script).warnings) == (script in (RAILS, SQLALCHEMY, TUNED))
    finally:
        service.close()


@pytest.mark.parametrize(
    ("setting", "row"),
    [
        ("journal_mode", "delete"),
        ("locking_mode", "normal"),
        ("synchronous", 2),
        ("temp_store", 0),
        ("cache_size", -2000),
    ],
)
def test_reading_a_setting(service: Service, setting: str, row: object) -> None:
    assert run(service, f"PRAGMA {setting} = 3; PRAGMA {setting}").rows == [(row,)]


@pytest.mark.parametrize(
    ("setting", "probe", "expected"),
    [
        ("foreign_keys", "PRAGMA foreign_keys", 0),
        ("recursive_triggers", "PRAGMA recursive_triggers", 0),
        ("case_sensitive_like", "SELECT 'A' LIKE 'a'", 1),
        ("ignore_check_constraints", "PRAGMA ignore_check_constraints", 0),
        ("defer_foreign_keys", "PRAGMA defer_foreign_keys", 0),
        ("query_only", "PRAGMA query_only", 0),
        ("reverse_unordered_selects", "PRAGMA reverse_unordered_selects", 0),
        ("legacy_alter_table", "PRAGMA legacy_alter_table", 0),
        ("automatic_index", "PRAGMA automatic_index", 0),
        ("user_version", "PRAGMA user_version", 0),
    ],
)
def test_what_matters_takes_effect(service: Service, setting: str, probe: str, expected: int) -> None:
    values = [run(service, f"PRAGMA {setting} = {on}; {probe}", dry_run=True) for on in (0, 1)]
    assert [reply.rows for reply in values] == [[(expected,)], [(1 - expected,)]]
    assert [reply.warnings for reply in values] == [(), ()]


@pytest.mark.parametrize("name", sorted(rights.UNCHANGED))
def test_a_setting_to_the_value_that_holds_is_accepted(service: Service, name: str) -> None:
    holds = rights.UNCHANGED[name]
    for value in holds:
        assert run(service, f"PRAGMA {name} = {value}").warnings == ()
    other = {"0": "1", "1": "0"}[holds[0]]
    for value in (other, "maybe", "-1"):
        with pytest.raises(SldbError) as caught:
            run(service, f"PRAGMA {name} = {value}")
        assert caught.value.code == "forbidden"


@pytest.mark.parametrize(
    ("query", "message", "hint"),
    [
        ("PRAGMA secure_delete = ON", "can be read", "history"),
        ("PRAGMA page_size = 512", "can be read", "new database"),
        ("PRAGMA foreign_key = ON", "SQLite has no PRAGMA foreign_key", "pragma_list"),
        ("PRAGMA soft_heap_limit = 5", "reaches outside", ""),
    ],
)
def test_a_refusal_says_why(service: Service, query: str, message: str, hint: str) -> None:
    with pytest.raises(SldbError) as caught:
        run(service, query)
    assert caught.value.code == "forbidden"
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_an_explained_setting(service: Service) -> None:
    reply = run(service, "EXPLAIN PRAGMA journal_mode = WAL; PRAGMA journal_mode")
    assert (names(reply), reply.rows) == (["journal_mode"], [("delete",)])


def test_in_a_transaction_over_several_requests(service: Service) -> None:
    def send(query: str, **transaction: object) -> Reply:
        return run(service, query, transaction=transaction)

    first = send("INSERT INTO t VALUES (1); PRAGMA journal_mode = WAL", begin=True)
    assert (names(first), first.rows) == (["journal_mode"], [("delete",)])
    assert first.transaction is not None
    second = send("SELECT count(*) FROM t", token=first.transaction["token"])
    assert second.warnings == ()
    assert second.transaction is not None
    ended = send("PRAGMA cache_size = 5", token=second.transaction["token"], end="commit")
    assert (names(ended), ended.transaction) == (["cache_size"], {"ended": "commit"})
    assert names(send("PRAGMA threads = 5; COMMIT", begin=True)) == ["threads"]
