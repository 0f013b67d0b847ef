"""What a statement may not do, what stops it, and how its failure is told: seen from the reply."""

from __future__ import annotations

import json
import threading
import time

import apsw
import pytest

from lambda_handlers.deadline import NEVER, Deadline
from lambda_handlers.sql.own import own_tables
from lambda_handlers.sql.session import READ, WRITE, Session
from lambda_handlers.storage.log.keys import transaction
from lambda_handlers.storage.log.ltx import Header, Pgno
from lambda_handlers.storage.log.ltx_encoder import encode_ltx
from lambda_handlers.wire import Request, SldbError, Statement
from tests.fakes.databases.engine import Engine
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store


@pytest.fixture(scope="module")
def service():
    service = container(memory_store())
    run(service, "CREATE TABLE t (a INTEGER PRIMARY KEY, b UNIQUE CHECK (b <> 'bad')); INSERT INTO t VALUES (1, 'x')")
    run(service, "INSERT INTO t VALUES (2, 'y')", request_id="makes our table")
    yield service
    service.close()


def error_of(service, query, params=None, **fields):
    with pytest.raises(SldbError) as caught:
        run(service, query, params, **fields)
    assert run(service, "SELECT count(*) FROM t").txid == 2, "something was applied"
    return caught.value


@pytest.mark.parametrize(
    "query",
    [
        "ATTACH '/tmp/other.db' AS o",
        "ATTACH ':memory:' AS o",
        "ATTACH '' AS o",
        "ATTACH 'file:/etc/passwd?mode=ro' AS o",
        "DETACH main",
        "VACUUM INTO '/tmp/copy.db'",
        "SELECT load_extension('/tmp/x.so')",
        "SELECT fts3_tokenizer('simple', x'0000000000000000')",
        "PRAGMA writable_schema = ON",
        "PRAGMA page_size = 8192",
        "PRAGMA temp_store_directory = '/tmp'",
        "PRAGMA hard_heap_limit = 0",
        "PRAGMA schema_version = 5",
        "PRAGMA secure_delete = ON",
        "PRAGMA trusted_schema = ON",
        "PRAGMA no_such_pragma",
        "DELETE FROM _sldb_requests",
        "DROP TABLE _sldb_requests",
        "CREATE TABLE _sldb_mine (a)",
        "ALTER TABLE _sldb_requests RENAME TO mine",
        "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM _sldb_requests; END; INSERT INTO t VALUES (9, 9)",
    ],
)
def test_what_reaches_outside_the_database_is_forbidden(service, query):
    error = error_of(service, query)
    assert (error.code, error.status, error.exit_code) == ("forbidden", 403, 1)
    assert error.message


@pytest.mark.parametrize(
    "query",
    [
        "UPDATE sqlite_schema SET sql = 'x'",
        "INSERT INTO sqlite_schema VALUES ('table', 'x', 'x', 2, 'CREATE TABLE x (a)')",
        "DELETE FROM sqlite_dbpage",
        "SELECT readfile('/etc/passwd')",
        "SELECT writefile('/tmp/x', 'y')",
        "SELECT edit('x')",
        "CREATE VIRTUAL TABLE f USING csv(filename='/etc/passwd')",
        "CREATE VIRTUAL TABLE f USING fsdir",
    ],
)
def test_what_would_break_the_storage_or_is_not_there_fails(service, query):
    assert error_of(service, query).code in ("sql_error", "forbidden")


@pytest.mark.parametrize(
    "query",
    [
        "PRAGMA table_info(t)",
        "SELECT name FROM pragma_table_xinfo('t')",
        "PRAGMA journal_mode",
        "PRAGMA page_size",
        "PRAGMA integrity_check",
        "PRAGMA foreign_keys = ON",
        "PRAGMA case_sensitive_like = ON; SELECT 'A' LIKE 'a'",
        "SELECT id FROM _sldb_requests",
        "EXPLAIN QUERY PLAN SELECT * FROM t",
        "SELECT json_extract('{\"a\": 1}', '$.a'), upper('x'), random() IS NOT NULL",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 5) SELECT i FROM n",
    ],
)
def test_what_is_allowed_to_a_reader(service, query):
    assert run(service, query, read_only=True).txid == 2


def test_settings_do_not_outlive_their_request(service):
    run(service, "PRAGMA case_sensitive_like = ON; PRAGMA foreign_keys = OFF")
    assert run(service, "SELECT 'A' LIKE 'a'; PRAGMA foreign_keys").rows == [(1,)]
    assert run(service, "SELECT 'A' LIKE 'a'").rows == [(1,)]


def test_temporary_tables_do_not_outlive_their_request(service):
    assert run(service, "CREATE TEMP TABLE x (a); INSERT INTO x VALUES (1); SELECT * FROM x").rows == [(1,)]
    assert error_of(service, "SELECT * FROM x").code == "sql_error"


@pytest.mark.parametrize(
    ("query", "message", "offset"),
    [
        ("SELECT * FRO t", 'near "FRO": syntax error', 9),
        ("SELECT nope FROM t", "no such column: nope", 7),
        ("SELECT 'é漢'; SELECT nope FROM t", "no such column: nope", 20),
        ("SELECT 1; -- é\nSELECT 'é', nope", "no such column: nope", 27),
        ("SELECT * FROM nope", "no such table: nope", 14),
        ("SELECT * FROM NOPE", "no such table: NOPE", 14),
        ("SELECT * FROM main.nope", "no such table: main.nope", 19),
        ("SELECT 'nope'; SELECT * FROM nope", "no such table: nope", 29),
        ("SELECT nope(a) FROM t", "no such function: nope", 7),
        ("DROP INDEX nope", "no such index: nope", 11),
        ("SELECT 1 FROM t WHERE", "incomplete input", 21),
        ("SELECT (   ", "incomplete input", 8),
    ],
)
def test_an_sql_error_points_at_its_place(service, query, message, offset):
    error = error_of(service, query)
    assert (error.code, error.message, error.details["sqlite_code"]) == ("sql_error", message, "SQLITE_ERROR")
    assert error.details["offset"] == offset


def test_a_name_that_the_statement_does_not_show_has_no_place(service):
    error = error_of(service, "CREATE TEMP VIEW of_it AS SELECT * FROM gone; SELECT * FROM of_it")
    assert (error.details["reason"], error.details.get("offset")) == ("no_such_table", None)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("SELECT * FROM nope", "no_such_table"),
        ("SELECT nope FROM t", "no_such_column"),
        ("SELECT nope(a) FROM t", "no_such_function"),
        ("SELECT a FROM t ORDER BY b COLLATE nope", "no_such_collation_sequence"),
        ("SELECT (", "incomplete"),
        ("INSERT INTO t (a) VALUES (1) ON CONFLICT (a, b) DO NOTHING", "no_unique_key"),
        ("SELECT 1 1", None),
    ],
)
def test_what_sqlite_tells_in_words_only_is_a_field(service, query, reason):
    assert error_of(service, query).details.get("reason") == reason


@pytest.mark.parametrize(
    ("query", "code", "subject"),
    [
        ("INSERT INTO t VALUES (1, 'z')", "SQLITE_CONSTRAINT_PRIMARYKEY", "t.a"),
        ("INSERT INTO t VALUES (3, 'x')", "SQLITE_CONSTRAINT_UNIQUE", "t.b"),
        ("INSERT INTO t VALUES (3, 'bad')", "SQLITE_CONSTRAINT_CHECK", "b <> 'bad'"),
        ("CREATE TABLE s (n INT) STRICT; INSERT INTO s VALUES ('x')", "SQLITE_CONSTRAINT_DATATYPE", "s.n"),
        ("CREATE TABLE p (a, b, PRIMARY KEY (a, b)); INSERT INTO p VALUES (1, 2), (1, 2)",
         "SQLITE_CONSTRAINT_PRIMARYKEY", "p.a, p.b"),
    ],
)  # fmt: skip
def test_a_constraint_is_named(service, query, code, subject):
    error = error_of(service, query)
    assert (error.code, error.status, error.details["sqlite_code"]) == ("constraint", 409, code)
    assert error.details["subject"] == subject


@pytest.mark.parametrize(
    ("query", "params"),
    [
        ("SELECT ?", []),
        ("SELECT ?", [1, 2]),
        ("SELECT :a", {"b": 1}),
        ("SELECT ?; SELECT ?", [1, 2]),
        ("SELECT 1\x00; SELECT 2", None),
        ("SELECT '\ud800'", None),
    ],
)
def test_params_and_text_that_do_not_fit_are_a_bad_request(service, query, params):
    assert error_of(service, query, params).code == "bad_request"


def test_text_that_is_not_utf8_is_told_and_can_be_read_as_a_blob(service):
    assert "BLOB" in error_of(service, "SELECT CAST(x'ff' AS TEXT)").hint
    assert run(service, "SELECT CAST(CAST(x'ff' AS TEXT) AS BLOB)").rows == [(b"\xff",)]


@pytest.mark.parametrize(
    "query",
    [
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) INSERT INTO t SELECT i + 10, i FROM n",
        "SELECT count(*) FROM json_each('[1,2,3,4,5,6,7,8]') a, json_each('[1,2,3,4,5,6,7,8]') b,"
        + ",".join(f"json_each('[1,2,3,4,5,6,7,8]') c{n}" for n in range(8)),
    ],
)
def test_a_runaway_statement_is_stopped(service, query):
    error = error_of(service, query, timeout=0.3)
    assert (error.code, error.status) == ("query_timeout", 408)


@pytest.mark.parametrize(
    "pragma", ["PRAGMA query_only = ON", "PRAGMA main.query_only(1)", "EXPLAIN PRAGMA query_only=1"]
)
@pytest.mark.parametrize("request_id", ["recorded", None])
def test_query_only_is_about_the_statements_of_the_request(pragma, request_id):
    """Not about what sldb itself writes down of it."""
    service = container(memory_store())
    run(service, "CREATE TABLE t (a)")
    for _ in range(2):
        assert run(service, f"INSERT INTO t VALUES (1); {pragma}", request_id=request_id).results[0].rowcount == 1
    assert run(service, "SELECT count(*) FROM t").rows == [(1 if request_id else 2,)]
    with pytest.raises(SldbError) as caught:
        run(service, f"{pragma}; INSERT INTO t VALUES (2)", request_id="refused")
    assert (caught.value.code, caught.value.message) == ("sql_error", "attempt to write a readonly database")
    with pytest.raises(SldbError, match="readonly"):  # nor does ours end it
        run(service, f"INSERT INTO t VALUES (1); {pragma}; CREATE TABLE u (a); INSERT INTO t VALUES (2)")
    service.close()


def test_what_goes_wrong_in_our_own_statements_is_told_like_any_failure(tmp_path):
    """Nobody calls it a bug."""
    engine = Engine(memory_store(), tmp_path)
    session = Session(engine.vfs, READ, NEVER)
    with pytest.raises(SldbError) as caught:
        session.trusted(lambda connection: connection.execute("SELECT nope"))
    assert (caught.value.code, caught.value.message) == ("sql_error", "no such column: nope")
    session.close()
    engine.close()


def test_what_is_stored_is_no_database():
    store = memory_store()
    header = Header(page_size=4096, commit=2, min_txid=1, max_txid=1, timestamp_ms=1)
    pages = [(Pgno(1), b"not a database header".ljust(4096, b"!")), (Pgno(2), bytes(4096))]
    store.create(transaction(1).key("main"), encode_ltx(header, pages))
    service = container(store)
    for query, fields in [
        ("SELECT * FROM sqlite_schema", {}),
        ("CREATE TABLE t (a)", {"request_id": "r"}),
        ("VACUUM", {}),
    ]:
        with pytest.raises(SldbError) as caught:
            run(service, query, **fields)
        assert caught.value.code == "corrupt"
    service.close()


def test_memory_has_a_hard_limit():
    service = container(memory_store(), memory_bytes=40_000_000)
    error = None
    try:
        run(service, "CREATE TABLE t (a)")
        with pytest.raises(SldbError) as caught:
            run(service, "SELECT hex(zeroblob(30000000))")
        error = caught.value
        assert run(service, "SELECT count(*) FROM t").rows == [(0,)]
    finally:
        service.close()
        container(memory_store()).close()  # the limit is the process's: back to the usual one
    assert error.code == "too_large"


def test_a_value_has_a_limit(service):
    assert error_of(service, "SELECT length(zeroblob(200000000) || 'x')").code == "too_large"


def test_rows_that_do_not_fit_into_a_reply_of_the_function():
    service = container(memory_store(), reply_limit_bytes=1_000_000)
    try:
        fits = (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 3000) SELECT hex(zeroblob(50)) FROM n"
        )
        assert len(run(service, fits).rows) == 3000
        (result,) = run(service, fits.replace("3000", "30000")).results
        assert result.stored is not None
        assert (result.rows, result.stored.count) == ([], 30_000)
    finally:
        service.close()


@pytest.mark.parametrize(
    "value", ["char(1)", "'é'", "'漢'", "x'00'", "1.5e300", "-9223372036854775807", "NULL", "'\"'"]
)
def test_what_passes_the_limit_fits_into_a_reply(value):
    service = container(memory_store(), reply_limit_bytes=100_000)
    query = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT %d) SELECT {value}, {value} FROM n"
    sizes = []
    while "rows" in (reply := service.handle({"query": query % (100 * len(sizes) + 1)}))["body"]:
        sizes.append(len(json.dumps(reply)))
    service.close()
    assert reply["body"]["rows_count"] == 100 * len(sizes) + 1
    assert len(sizes) > 3
    assert max(sizes) < 100_000 + 1000


def test_full_text_search_and_rtree_with_triggers(service):
    other = container(memory_store())
    try:
        run(
            other,
            "CREATE TABLE d (a INTEGER PRIMARY KEY, b);"
            "CREATE VIRTUAL TABLE f USING fts5(b, content=d, content_rowid=a);"
            "CREATE TRIGGER i AFTER INSERT ON d BEGIN INSERT INTO f(rowid, b) VALUES (new.a, new.b); END;"
            "CREATE VIRTUAL TABLE r USING rtree(id, x0, x1)",
        )
        run(other, "INSERT INTO d(b) VALUES ('hello world'); INSERT INTO r VALUES (1, 0, 5)")
        assert run(other, "SELECT b FROM f WHERE f MATCH 'world'").rows == [("hello world",)]
        assert run(other, "SELECT id FROM r WHERE x1 > 3").rows == [(1,)]
    finally:
        other.close()


def test_what_a_virtual_table_holds_back_is_written_beside_the_record_of_the_request():
    other = container(memory_store())
    run(other, "CREATE VIRTUAL TABLE f USING fts5(b); CREATE VIRTUAL TABLE g USING fts4(b)", request_id="create")
    run(other, "INSERT INTO f VALUES ('hello'); INSERT INTO g VALUES ('hello')", request_id="insert")
    assert run(other, "SELECT * FROM f WHERE f MATCH 'hello'").rows == [("hello",)]
    assert run(other, "SELECT * FROM g WHERE g MATCH 'hello'").rows == [("hello",)]
    other.close()


@pytest.fixture
def session(tmp_path):
    engine = Engine(memory_store(), tmp_path)
    engine.write(
        "CREATE TABLE _sldb_mine (a PRIMARY KEY)",
        "CREATE TABLE theirs (a)",
        "CREATE TABLE child (a REFERENCES _sldb_mine ON DELETE CASCADE)",
        "CREATE TRIGGER g AFTER DELETE ON _sldb_mine BEGIN INSERT INTO theirs VALUES ('heard'); END",
        "INSERT INTO _sldb_mine VALUES (1)",
        "INSERT INTO child VALUES (1)",
    )
    engine.draft.clear()
    session = Session(engine.vfs, WRITE, NEVER)
    session.run([Statement("PRAGMA foreign_keys = ON"), Statement("SAVEPOINT s")])
    yield session
    session.close()
    engine.close()


@pytest.mark.parametrize("reaction", own_tables._REACTIONS)
def test_statements_of_ours_set_off_nothing(session, reaction):
    session.trusted(lambda connection: connection.execute("DELETE FROM main._sldb_mine"))
    assert session.connection.config(reaction, -1) == 1  # as it was before
    (theirs,) = session.run([Statement("SELECT (SELECT count(*) FROM theirs), (SELECT count(*) FROM child)")])
    assert theirs.rows == [(0, 1)]


@pytest.mark.parametrize("query", ["DELETE FROM _sldb_mine", "DELETE FROM theirs", "DROP TABLE theirs"])
def test_statements_of_ours_write_nothing_but_ours_by_themselves(session, query, monkeypatch):
    monkeypatch.setattr(own_tables, "_REACTIONS", ())
    with pytest.raises(SldbError) as caught:
        session.trusted(lambda connection: connection.execute(query))
    assert caught.value.code == "forbidden"


def test_one_container_serves_threads_one_after_the_other(service):
    results = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(run(service, "SELECT ?", [n]).rows[0][0])) for n in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(results) == list(range(16))


@pytest.mark.parametrize("writes", [True, False])
def test_many_small_statements_are_stopped(service, writes):
    """SQLite looks at the clock after so many steps of one statement."""
    first = "INSERT INTO t VALUES (60, 'many');" if writes else ""
    error = error_of(service, first + "SELECT 1;" * 200_000, timeout=0.3)
    assert (error.code, error.status) == ("query_timeout", 408)


def test_the_clock_is_looked_at_between_statements(tmp_path):
    engine, times = Engine(memory_store(), tmp_path), [0.0]
    session = Session(engine.vfs, READ, Deadline(1.0, lambda: times[-1]))
    session.connection.create_scalar_function("late", lambda: times.append(1.0))
    with pytest.raises(SldbError) as caught:
        session.run([Statement("SELECT late(); SELECT 1")])
    assert (caught.value.code, caught.value.details["begins"]) == ("query_timeout", 15)
    session.close()
    engine.close()


def test_time_that_was_up_before_it_began(service):
    started = time.monotonic()
    error = error_of(
        service, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n", timeout=0
    )
    assert error.code == "query_timeout"
    assert time.monotonic() - started < 30


# BEGIN and COMMIT in a request: test_groups has the oracle

DUMP = """PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE d (a INTEGER PRIMARY KEY AUTOINCREMENT, b);
INSERT INTO d VALUES(1,'BEGIN; COMMIT;');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('d',7);
COMMIT;
"""


@pytest.mark.parametrize(
    "query",
    [
        DUMP,
        DUMP + "PRAGMA foreign_keys = ON;",
        DUMP.replace("BEGIN TRANSACTION", "begin /* a; */ immediate -- b\n transaction").replace("COMMIT;\n", "END"),
        DUMP.replace("PRAGMA foreign_keys=OFF;\n", "").replace("BEGIN TRANSACTION", "BEGIN"),
    ],
)
def test_the_output_of_dump_runs_unchanged(query):
    service = container(memory_store())
    reply = run(service, query)
    assert reply.txid == 1
    assert len(reply.results) == sum(query.count(word) for word in ("PRAGMA", "CREATE", "INSERT", "DELETE")) + 2
    assert run(service, "SELECT b FROM d").rows == [("BEGIN; COMMIT;",)]
    assert run(service, "INSERT INTO d (b) VALUES (1) RETURNING a").rows == [(8,)]
    service.close()


def test_a_dump_fails_as_a_whole_and_at_its_place():
    service = container(memory_store())
    query = DUMP.replace("COMMIT", "INSERT INTO d VALUES (1, 2);\nCOMMIT")
    with pytest.raises(SldbError) as caught:
        run(service, query)
    assert (caught.value.code, caught.value.details["statement"]) == ("constraint", 6)
    assert run(service, "SELECT name FROM sqlite_schema").rows == []
    service.close()


def test_several_queries_of_one_request_may_each_have_their_own():
    service = container(memory_store())
    statements = [{"query": "BEGIN"}, {"query": "CREATE TABLE d (a)"}, {"query": "COMMIT"}]
    assert service.reply(Request.decode({"statements": statements})).txid == 1
    statements = [{"query": f"BEGIN; INSERT INTO d VALUES ({number}); COMMIT;"} for number in range(2)]
    assert service.reply(Request.decode({"statements": statements})).txid == 2
    service.close()


NONE_ACTIVE = "no transaction is active"


@pytest.mark.parametrize(
    ("query", "message", "statement"),
    [
        ("COMMIT", f"cannot commit - {NONE_ACTIVE}", 0),
        ("END", f"cannot commit - {NONE_ACTIVE}", 0),
        ("ROLLBACK", f"cannot rollback - {NONE_ACTIVE}", 0),
        ("INSERT INTO t VALUES (9, 9); COMMIT", f"cannot commit - {NONE_ACTIVE}", 1),
        ("INSERT INTO t VALUES (9, 9); ROLLBACK; INSERT INTO t VALUES (10, 10)", f"cannot rollback - {NONE_ACTIVE}", 1),
        ("BEGIN; BEGIN; COMMIT", "cannot start a transaction within a transaction", 1),
        ("SAVEPOINT s; BEGIN READONLY; COMMIT", "cannot start a transaction within a transaction", 1),
        ("BEGIN; COMMIT PREPARED", 'near "PREPARED": syntax error', 1),
    ],
)
def test_begin_and_commit_fail_as_in_sqlite(service, query, message, statement):
    error = error_of(service, query)
    assert (error.code, error.message) == ("sql_error", message)
    assert (error.details["sqlite_code"], error.details["statement"]) == ("SQLITE_ERROR", statement)


@pytest.mark.parametrize(
    "query", ["BEGIN", "BEGIN; INSERT INTO t VALUES (9, 9)", "SELECT 1; BEGIN; COMMIT; BEGIN; SAVEPOINT s; RELEASE s"]
)
def test_a_request_with_an_open_group_applies_nothing(service, query):
    error = error_of(service, query)
    assert (error.code, error.details["reason"], error.details["applied"]) == ("sql_error", "open_transaction", "no")
    assert query[error.details["begins"] :].startswith("BEGIN")
    assert error.details["statement"] == query[: error.details["begins"]].count(";")


def test_an_error_says_in_which_of_several_statements_it_is(service):
    error = error_of(service, "SELECT 1;\n -- é;\n  INSERT INTO t VALUES (1, 'x'); SELECT 2")
    assert {name: error.details[name] for name in ("statement", "statement_count", "part", "begins")} == {
        "statement": 1,
        "statement_count": 3,
        "part": 0,
        "begins": 19,
    }
    assert "begins" not in error_of(service, "INSERT INTO t VALUES (1, 'x')").details
    with pytest.raises(SldbError) as caught:
        service.reply(Request.decode({"statements": [{"query": "SELECT 1; SELECT 2"}, {"query": "SELECT 3; SELEC"}]}))
    assert [caught.value.details[name] for name in ("statement", "statement_count", "part", "begins", "offset")] == [
        *(3, 4, 1, 10, 10)
    ]


def test_a_virtual_table_that_looks_after_itself_first_is_still_what_is_written_to():
    """R-Tree prepares its own statements, which insert, before SQLite says that this is a DELETE."""
    service = container(memory_store())
    run(service, "CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1); INSERT INTO boxes VALUES (7, 0, 1), (8, 0, 1)")
    [result] = run(service, "DELETE FROM boxes").results
    assert (result.rowcount, result.lastrowid) == (2, None)
    service.close()


def test_what_fails_after_the_commit_undoes_nothing(monkeypatch):
    """The store has the transaction; the line is `if self._vfs.permit.txid is None` in Session.commit."""
    service, really_execute = container(memory_store()), Session._execute_own

    def fail_afterwards(self, sql):
        really_execute(self, sql)
        if sql == "COMMIT":
            raise apsw.IOError("disk I/O error")

    monkeypatch.setattr(Session, "_execute_own", fail_afterwards)
    assert run(service, "CREATE TABLE t (a)").txid == 1
    assert run(service, "INSERT INTO t VALUES (1)").txid == 2
    assert run(service, "SELECT a FROM t").rows == [(1,)]
    service.close()


@pytest.mark.parametrize(
    ("query", "params", "message"),
    [
        ("SELECT ?, ?", [1], "the statement needs 2 parameters, and got 1"),
        ("SELECT ?", None, "the statement needs 1 parameter, and got 0"),
        ("SELECT 1", [1], "the statement needs no parameters, and got 1"),
        ("SELECT :a, ?", {"a": 1}, "the statement needs values by position, for its parameter 2 (?), and got names"),
        ("SELECT :a, $b", {"a": 1}, "the statement needs :b"),
        ("SELECT :name", {"nmae": 1}, "the statement needs :name, and got :nmae"),
        ("SELECT :a, @b, $c", None, "the statement needs :a, :b and :c"),
    ],
)
def test_parameters_that_do_not_fit(service, query, params, message):
    error = error_of(service, query, params)
    assert (error.code, error.message) == ("bad_request", message)
