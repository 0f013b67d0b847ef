"""Attempts to reach beyond one request: half commits, later requests, settings, the log, long errors.

Each attempt goes through the real service, and afterwards the next request, in the same container, finds all as it was.
docs/security.md has the table of these tests.
"""

from __future__ import annotations

import json
import os
import tempfile

import pytest

from lambda_handlers.service import Service
from tests.fakes.databases.past import act
from tests.fakes.databases.service import run
from tests.lambda_handlers.attacks.attempts import SECRET, refusal, tried, unharmed


@pytest.mark.parametrize(
    "query",
    [
        "BEGIN",
        "BEGIN EXCLUSIVE",
        "INSERT INTO t VALUES (9, 9); COMMIT; SELECT nope",
        "INSERT INTO t VALUES (9, 9); END TRANSACTION; SELECT nope",
        "BEGIN; INSERT INTO t VALUES (9, 9); COMMIT; SELECT nope",
        "BEGIN; INSERT INTO t VALUES (9, 9); COMMIT; BEGIN; INSERT OR ROLLBACK INTO t VALUES (9, 9)",
        "BEGIN; PRAGMA user_version = 9; COMMIT; BEGIN; ROLLBACK; BEGIN",
        "INSERT INTO t VALUES (9, 9); ROLLBACK; INSERT INTO t VALUES (10, 10)",
        "SAVEPOINT s; INSERT INTO t VALUES (9, 9); RELEASE s; SELECT nope",
        "INSERT INTO t VALUES (9, 9); INSERT OR ROLLBACK INTO t VALUES (9, 9)",
        "\ufeffINSERT INTO t VALUES (9, 9); \ufeffCOMMIT",
        "/**/INSERT INTO t VALUES (9, 9); --\nCOMMIT; SELECT nope",
        "PRAGMA user_version = 9; SELECT nope",
    ],
)
def test_commit_half_of_a_request(service: Service, query: str) -> None:
    refusal(service, query)
    assert run(service, "PRAGMA user_version").rows == [(0,)]


@pytest.mark.parametrize(
    "query",
    [
        "CREATE TEMP TABLE t (a, b); INSERT INTO temp.t VALUES (9, 'temporary')",
        "CREATE TEMP VIEW t AS SELECT 9 AS a, 'v' AS b",
        "CREATE TEMP TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM t; END",
        "PRAGMA case_sensitive_like = ON",
        "PRAGMA foreign_keys = OFF",
        "PRAGMA query_only = ON",
        "PRAGMA ignore_check_constraints = ON",
        "PRAGMA reverse_unordered_selects = ON",
        "PRAGMA recursive_triggers = OFF",
        "PRAGMA analysis_limit = 1; PRAGMA busy_timeout = 5000",
        "PRAGMA legacy_alter_table = ON",
        "PRAGMA encoding = 'UTF-16'",
        "PRAGMA read_uncommitted = 1",
        "ATTACH 'other' AS t; SELECT * FROM t.theirs",
        "SAVEPOINT s",
        "SELECT 1; INSERT INTO t VALUES (7, 7); UPDATE t SET b = 'poison'; SELECT nope",
        "DELETE FROM t; INSERT INTO t SELECT value, randomblob(5000) FROM json_each('[7,8,9]'); SELECT nope",
        "UPDATE t SET b = zeroblob(3000000); SELECT nope",
        "DROP TABLE t; CREATE TABLE t (poison); SELECT nope",
    ],
)
def test_poison_the_next_request(service: Service, query: str) -> None:
    tried(service, query)
    assert run(service, "SELECT 'A' LIKE 'a', (SELECT count(*) FROM pragma_database_list)").rows == [(1, 1)]
    settings = (
        "PRAGMA foreign_keys; PRAGMA query_only; PRAGMA ignore_check_constraints; PRAGMA reverse_unordered_selects"
    )
    assert [result.rows for result in run(service, settings).results] == [[(1,)], *[[(0,)]] * 3]
    unharmed(service)


@pytest.mark.parametrize(
    "query",
    [
        (
            "CREATE TEMP TABLE x (a); CREATE TEMP TRIGGER g AFTER INSERT ON x BEGIN DELETE FROM t; END;"
            "INSERT INTO x VALUES (1)"
        ),
        (
            "CREATE TEMP VIEW x AS SELECT 1;"
            "CREATE TEMP TRIGGER g INSTEAD OF INSERT ON x BEGIN UPDATE t SET b = 0; END;"
            "INSERT INTO x VALUES (1)"
        ),
        (
            "CREATE TEMP TABLE x (a); INSERT INTO x VALUES (1);"
            "CREATE TEMP TRIGGER g AFTER UPDATE ON x BEGIN REPLACE INTO t VALUES (1, 0); END;"
            "UPDATE x SET a = 2 WHERE a = 1"
        ),
        (
            "CREATE TABLE made (a REFERENCES t ON DELETE CASCADE); CREATE TEMP TRIGGER g AFTER INSERT ON made BEGIN "
            "DELETE FROM t; END; INSERT INTO made VALUES (1)"
        ),
        "INSERT INTO t VALUES (1, 0) ON CONFLICT DO UPDATE SET b = 0",
    ],
)
def test_destroy_although_the_request_is_careful(service: Service, query: str) -> None:
    error = refusal(service, query, careful=True)
    assert (error.code, error.details["destroys"][0]["table"]) == ("unconfirmed", "t")


@pytest.mark.parametrize("enforced", [True, False])
@pytest.mark.parametrize(
    "query",
    [
        "PRAGMA default_cache_size = 503",
        "PRAGMA main.default_cache_size(0)",
        "EXPLAIN PRAGMA default_cache_size = 503",
        "SELECT * FROM pragma_default_cache_size",
        "UPDATE sqlite_dbpage SET data = zeroblob(4096) WHERE pgno = 1",
        "PRAGMA cache_size = 503",
        "PRAGMA foreign_keys = ON; UPDATE t SET b = b; PRAGMA foreign_keys = OFF",
        "PRAGMA foreign_keys = OFF; UPDATE t SET b = b; PRAGMA foreign_keys = ON",
        "PRAGMA page_size = 512; VACUUM",
        "VACUUM",
    ],
)
def test_change_what_is_set_for_the_database(service: Service, query: str, enforced: bool) -> None:
    act(service, "set_database", foreign_keys=enforced)
    tried(service, query)
    assert act(service, "databases")["databases"][0]["foreign_keys"] is enforced
    assert run(service, "PRAGMA foreign_keys").rows == [(int(enforced),)]
    unharmed(service)


@pytest.mark.parametrize(
    "query",
    [
        "PRAGMA writable_schema = ON",
        "PRAGMA writable_schema = RESET",
        "PRAGMA main.writable_schema = 1",
        'PRAGMA "writable_schema" = 1',
        "EXPLAIN PRAGMA writable_schema = ON",
        "EXPLAIN QUERY PLAN PRAGMA writable_schema = ON",
        "SELECT * FROM pragma_writable_schema(1)",
        "UPDATE sqlite_schema SET sql = 'CREATE TABLE t (evil)'",
        "INSERT INTO sqlite_schema VALUES ('table', 'x', 'x', 2, 'CREATE TABLE x (a)')",
        "DELETE FROM sqlite_schema",
        "DELETE FROM sqlite_dbpage",
        "PRAGMA schema_version = 5",
        "PRAGMA hard_heap_limit = 0",
        "EXPLAIN PRAGMA hard_heap_limit = 0",
        "SELECT * FROM pragma_hard_heap_limit(0)",
        "PRAGMA soft_heap_limit = 1",
        "PRAGMA max_page_count = 1",
        "PRAGMA secure_delete = ON",
        "PRAGMA page_size = 8192",
        "PRAGMA lock_status",
        "PRAGMA key = 'x'",
        "PRAGMA no_such_pragma",
        "CREATE VIRTUAL TABLE f USING fts5(a); INSERT INTO f_data VALUES (1, x'00')",
        "CREATE VIRTUAL TABLE f USING fts5(a); DROP TABLE f_config",
        "CREATE VIRTUAL TABLE f USING fts4(a); INSERT INTO f VALUES ('a'); DELETE FROM f_segdir",
        "CREATE VIRTUAL TABLE f USING fts4(a); INSERT INTO f VALUES ('a'); SAVEPOINT s; UPDATE f_content SET docid = 2",
        "CREATE VIRTUAL TABLE f USING rtree(id, x, y); INSERT INTO f_node VALUES (1, x'00')",
        "CREATE TABLE sqlite_mine (a)",
        "ALTER TABLE t RENAME TO sqlite_mine",
    ],
)
def test_change_how_the_database_is_kept(service: Service, query: str) -> None:
    assert refusal(service, query).code in ("forbidden", "sql_error")


@pytest.mark.parametrize(
    "query",
    [
        *(f"PRAGMA {setting}" for setting in ("shrink_memory", "wal_checkpoint(TRUNCATE)")),
        *(f"PRAGMA {form}cache_size = 1000000" for form in ("", "main.", "temp.")),
        *(f"PRAGMA {setting} = 8" for setting in ("cache_spill", "threads", "mmap_size", "wal_autocheckpoint")),
        *(f"PRAGMA {setting} = OFF" for setting in ("journal_mode", "synchronous", "fullfsync")),
        *("PRAGMA temp_store = MEMORY", "PRAGMA locking_mode = EXCLUSIVE", "EXPLAIN PRAGMA journal_mode = OFF"),
    ],
)
def test_change_how_the_database_is_kept_by_a_setting_without_effect(service: Service, query: str) -> None:
    settings = ("cache_size", "cache_spill", "journal_mode", "locking_mode", "synchronous", "temp_store", "threads")
    read = "; ".join(f"PRAGMA {name}" for name in settings)
    before = run(service, read).results
    after = run(service, f"{query}; {read}").results
    assert [result.rows for result in after[1:]] == [result.rows for result in before]
    unharmed(service)


def test_a_statement_that_is_two_to_sqlite_and_one_to_us(service: Service) -> None:
    """Where our splitter and SQLite's parser should ever differ: the second would run with the rights of the first."""
    for query in ("SELECT 1 SELECT 2", "VACUUM DELETE FROM _sldb_requests", "VACUUM main DELETE FROM t"):
        assert refusal(service, query).code in ("sql_error", "bad_request")


@pytest.mark.parametrize("attempt", ["sql", "params", "names", "actions"])
def test_make_the_log_tell(service: Service, capsys: pytest.CaptureFixture[str], attempt: str) -> None:
    """Neither SQL nor values reach the log, whatever goes wrong; and no path of the machine reaches the reply."""
    events: dict[str, list[object]] = {
        "sql": [
            {"query": f"SELECT '{SECRET}' FROM nowhere"},
            {"query": f"SELECT {SECRET}"},
            {"query": f"INSERT INTO t VALUES (1, '{SECRET}')"},
            {"query": f"SELECT RAISE(ABORT, '{SECRET}')"},
            {"query": f'CREATE TABLE "{SECRET}" (a)', "dry_run": True},
            {"query": f"ATTACH '{SECRET}' AS o"},
            {"query": f"SELECT json('{SECRET}')"},
            {"query": f"SELECT CAST(x'ff' AS TEXT), '{SECRET}'"},
        ],
        "params": [
            {"query": "SELECT :a", "params": {SECRET: 1}},
            {"query": "SELECT ?", "params": [{"$blob": SECRET}]},
            {"query": "SELECT ?", "params": [SECRET] * 2},
        ],
        "names": [{"query": "SELECT 1", "database": SECRET}, {"query": "SELECT 1", SECRET: 1}, {SECRET: SECRET}],
        "actions": [
            {"action": SECRET},
            {"action": "history", "arguments": {SECRET: SECRET}},
            {"action": "restore", "arguments": {"at": SECRET}},
        ],
    }
    capsys.readouterr()
    for event in events[attempt]:
        reply = json.dumps(service.handle(event))
        assert tempfile.gettempdir() not in reply
        assert os.getcwd() not in reply
    assert SECRET not in capsys.readouterr().err


def test_a_bug_keeps_values_out_of_the_log(
    service: Service, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The traceback says where it was; the text of an exception may hold anything."""

    def fail(name: str) -> None:
        try:
            raise KeyError(SECRET)
        except KeyError as error:
            raise RuntimeError(f"near {SECRET!r}") from error

    monkeypatch.setattr(service, "_database", fail)
    assert service.handle({"query": "SELECT 1"})["body"]["error"]["code"] == "internal"
    text = capsys.readouterr().err
    assert "RuntimeError" in text
    assert "KeyError" in text
    assert "in fail" in text
    assert SECRET not in text.replace("raise KeyError(SECRET)", "")


@pytest.mark.long
def test_an_error_as_long_as_its_statement(service: Service) -> None:
    """A reply that does not fit through Lambda would be a crash to whoever waits for it."""
    long = "x" * 3_000_000
    for event in (
        {"query": f"SELECT {long}"},
        {"query": f"SELECT '{long}' FROM {long}"},
        {
            "query": "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT RAISE(ABORT, '"
            + long
            + "'); END; INSERT INTO t VALUES(5,5)"
        },
        {"query": f"ATTACH '{long}' AS o"},
        {"query": "SELECT :a", "params": {long: 1}},
        {"query": "SELECT 1", long: 1},
        {"query": "SELECT 1", "database": long},
        {"action": long},
        {"action": "history", "arguments": {long: 1}},
        {"query": f"PRAGMA {long}"},
        {"query": f"DETACH {long}"},
        {"query": f"CREATE TABLE _sldb_{long} (a)"},
    ):
        reply = service.handle(event)
        assert reply["statusCode"] >= 400
        assert len(json.dumps(reply)) < 10_000, reply["body"]["error"]["code"]
    unharmed(service)
