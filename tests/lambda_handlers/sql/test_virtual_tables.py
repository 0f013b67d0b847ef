"""Writes to virtual tables: each leaves what it leaves in plain SQLite, however its statements reach the server.

FTS3 and FTS4 read a PRAGMA when a connection first uses them, and several modules keep terms in memory until the
transaction or a savepoint ends. Neither may hide a write, or stop one of sldb's own.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.host import Host
from lambda_handlers.wire import Reply, Request, SldbError
from tests.fakes.databases.engine import Engine
from tests.fakes.databases.interactive import Interactive
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store

SCHEMA = (
    "CREATE TABLE posts (id INTEGER PRIMARY KEY, title)",
    "CREATE VIRTUAL TABLE three USING fts3(title)",
    "CREATE VIRTUAL TABLE four USING fts4(title)",
    "CREATE VIRTUAL TABLE beside4 USING fts4(title, content='posts')",
    "CREATE VIRTUAL TABLE hollow4 USING fts4(title, content='')",
    "CREATE VIRTUAL TABLE tongues USING fts4(title, languageid='lid', prefix='2')",
    "CREATE VIRTUAL TABLE heard4 USING fts4(title)",
    "CREATE TRIGGER hears AFTER INSERT ON posts BEGIN INSERT INTO heard4(docid, title) VALUES (new.id, new.title); END",
    "CREATE TRIGGER drops AFTER DELETE ON posts BEGIN DELETE FROM heard4 WHERE docid = old.id; END",
    "CREATE VIRTUAL TABLE five USING fts5(title)",
    "CREATE VIRTUAL TABLE beside5 USING fts5(title, content='posts', content_rowid='id')",
    "CREATE VIRTUAL TABLE hollow5 USING fts5(title, content='')",
    "CREATE VIRTUAL TABLE lean5 USING fts5(title, content='', contentless_delete=1)",
    "CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1, +title)",
    "CREATE VIRTUAL TABLE shapes USING geopoly(title)",
    "INSERT INTO posts VALUES (1, 'an old post'), (2, 'another post')",
)
TABLES = ("three", "four", "beside4", "hollow4", "tongues", "heard4", "five", "beside5", "hollow5", "lean5")
WORDS = ("old", "post", "red", "blue")
Script = Sequence[str]
numbers = itertools.count()


def insert(table: str, rowid: int, title: str) -> str:
    column = "rowid" if table.endswith("5") or table == "five" else "docid"
    return f"INSERT OR REPLACE INTO {table}({column}, title) VALUES ({rowid}, '{title}')"


# Every statement that some module of SQLite has for its own upkeep, and plain changes of rows.
COMMANDS = (
    *(
        f"INSERT INTO {table}({table}) VALUES ('{command}')"
        for table, commands in {
            **dict.fromkeys(
                ("three", "four", "beside4", "tongues"), ("rebuild", "optimize", "merge=2,2", "automerge=2")
            ),
            "hollow4": ("optimize", "merge=2,2"),
            **dict.fromkeys(("five", "beside5"), ("rebuild", "optimize")),
            **dict.fromkeys(("beside5", "hollow5", "lean5"), ("delete-all", "optimize")),
        }.items()
        for command in commands
    ),
    "INSERT INTO five(five, rank) VALUES ('merge', 2)",
    "INSERT INTO five(five, rank) VALUES ('automerge', 2)",
)
CHANGES = (
    "INSERT INTO four(title) SELECT title || ' red' FROM posts",
    "INSERT INTO tongues(title, lid) VALUES ('blue red', 1), ('red', 2)",
    "UPDATE four SET title = 'blue ' || docid",
    "DELETE FROM three WHERE docid % 2",
    "DELETE FROM four",
    "UPDATE OR REPLACE five SET title = title || ' red'",
    "DELETE FROM lean5 WHERE rowid = 1",
    "INSERT INTO posts(title) VALUES ('red post'), ('blue post')",
    "DELETE FROM posts WHERE id = 2",
    "INSERT OR REPLACE INTO boxes VALUES (1, 0, 1, 'red'), (2, 1, 3, 'blue')",
    "UPDATE boxes SET x1 = x1 + 1",
    "DELETE FROM boxes WHERE id = 1",
    "INSERT INTO shapes(_shape, title) VALUES ('[[0,0],[1,0],[1,1],[0,0]]', 'red')",
    "DELETE FROM shapes WHERE title = 'red'",
    "ALTER TABLE four RENAME TO four_b",
    "ALTER TABLE four_b RENAME TO four",
    "DROP TABLE three",
    "CREATE VIRTUAL TABLE three USING fts3(title)",
    "CREATE TABLE plain AS SELECT 1 AS a",
    "DROP TABLE plain",
)
SAVEPOINTS = ("SAVEPOINT s", "RELEASE s", "ROLLBACK TO s")
NO_CHANGES = ("SELECT optimize(four) FROM four LIMIT 1", "SELECT count(*) FROM four WHERE four MATCH 'red'")
WRITES = COMMANDS + CHANGES + tuple(insert(table, rowid, "red post") for table in TABLES for rowid in (1, 3))


scripts = st.lists(st.sampled_from(WRITES + NO_CHANGES), min_size=1, max_size=6)
with_savepoints = st.lists(st.sampled_from(WRITES + NO_CHANGES + SAVEPOINTS * 8), min_size=1, max_size=8)


@pytest.fixture(scope="module")
def service():
    service = container(memory_store())
    yield service
    service.close()


def prepared(service) -> str:
    """A new database with the tables; return its name."""
    name = f"d{next(numbers)}"
    run(service, ";".join(SCHEMA), database=name)
    return name


def plain(script: Script) -> tuple[apsw.Connection, list[bool]]:
    """Run statements in plain SQLite; return it, and which of them have failed."""
    connection = apsw.Connection(":memory:")
    connection.config(apsw.SQLITE_DBCONFIG_DEFENSIVE, 1)
    connection.execute(";".join(SCHEMA))
    failed = [_fails(connection, statement) for statement in script]
    if connection.in_transaction:
        connection.execute("COMMIT")
    return connection, failed


def _fails(connection: apsw.Connection, statement: str) -> bool:
    try:
        connection.execute(statement).fetchall()
    except apsw.Error:
        return True
    return False


def _queries() -> list[str]:
    queries = [f"SELECT rowid, * FROM {table}" for table in ("posts", "boxes", "plain", "four_b")]
    queries += ["SELECT rowid, title, geopoly_json(_shape) FROM shapes", "SELECT rtreecheck('boxes')"]
    for table in TABLES:
        if "hollow" not in table:
            queries.append(f"SELECT rowid, * FROM {table} ORDER BY rowid")
        queries += [f"SELECT rowid FROM {table} WHERE {table} MATCH '{word}' ORDER BY rowid" for word in WORDS]
    return [*queries, "PRAGMA integrity_check"]


QUERIES = _queries()
CHECKS = [f"INSERT INTO {table}({table}) VALUES ('integrity-check')" for table in TABLES]  # an error if not


def content(connection: apsw.Connection) -> dict[str, Any]:
    """What plain SQLite has: rows, matches and the modules' own checks."""
    return {query: _answer(connection, query) for query in QUERIES + CHECKS}


def _answer(connection: apsw.Connection, query: str) -> Any:
    try:
        return connection.execute(query).fetchall()
    except apsw.Error:
        return "error"


def stored(service, database: str) -> dict[str, Any]:
    """What the database has, read back by another container."""
    reader = container(service._resources.store)
    try:
        results = send(reader, QUERIES, database, on_error="continue").results
        rows = {query: "error" if one.error else one.rows for query, one in zip(QUERIES, results, strict=True)}
        return rows | {check: _checked(reader, check, database) for check in CHECKS}
    finally:
        reader.close()


def _checked(service, check: str, database: str) -> Any:
    try:
        return run(service, check, database=database, dry_run=True).rows
    except SldbError:
        return "error"


def send(service, script: Script, database: str, **fields: Any) -> Reply:
    statements = [{"query": statement} for statement in script]
    return service.reply(Request.decode({"statements": statements, "database": database, **fields}))


def differences(connection: apsw.Connection, service, database: str) -> dict[str, Any]:
    wanted, got = content(connection), stored(service, database)
    return {query: (wanted[query], got[query]) for query in wanted if wanted[query] != got[query]}


def id_of(has_id: bool) -> dict[str, str]:
    """The id of a request, which is recorded in its transaction then."""
    return {"request_id": f"r{next(numbers)}"} if has_id else {}


def each_is_a_request(service, script: Script, has_id: bool) -> None:
    database = prepared(service)
    connection, failed = plain(script)
    for statement, fails in zip(script, failed, strict=True):
        if fails:
            with pytest.raises(SldbError):
                send(service, [statement], database, **id_of(has_id))
        else:
            send(service, [statement], database, **id_of(has_id))
    assert differences(connection, service, database) == {}
    run(service, "VACUUM", database=database)
    assert differences(connection, service, database) == {}


def all_are_a_request(service, script: Script, has_id: bool) -> None:
    database = prepared(service)
    before = stored(service, database)
    connection, failed = plain(script)
    if any(failed):
        with pytest.raises(SldbError):
            send(service, script, database, **id_of(has_id))
        assert stored(service, database) == before
        return
    tried = send(service, script, database, dry_run=True)
    assert stored(service, database) == before
    assert send(service, script, database, **id_of(has_id)).results == tried.results
    assert differences(connection, service, database) == {}


def a_request_goes_on_after_errors(service, script: Script, has_id: bool) -> None:
    database = prepared(service)
    connection, failed = plain(script)
    reply = send(service, script, database, on_error="continue", **id_of(has_id))
    assert [result.error is not None for result in reply.results] == failed
    assert differences(connection, service, database) == {}


def a_group_is_followed_by_a_write(service, script: Script, has_id: bool) -> None:
    a_request_goes_on_after_errors(service, ["BEGIN", *script, "COMMIT", insert("four", 9, "blue")], has_id)


def each_is_in_a_transaction(service, script: Script, commits_elsewhere: bool) -> None:
    database = prepared(service)
    connection, failed = plain(["BEGIN", *script])
    client = Interactive(service, database)
    for statement, fails in zip(script, failed[1:], strict=True):
        reply = client.run(statement, on_error="continue")
        assert (reply.results[0].error is not None) == fails, statement
    other = container(service._resources.store)
    client.commit(service=other if commits_elsewhere else service)
    other.close()
    assert differences(connection, service, database) == {}


WAYS = (each_is_a_request, all_are_a_request)
WAYS_WITH_SAVEPOINTS = (a_request_goes_on_after_errors, a_group_is_followed_by_a_write, each_is_in_a_transaction)


@pytest.mark.parametrize("way", WAYS + WAYS_WITH_SAVEPOINTS)
@pytest.mark.parametrize(
    "script",
    [
        ["INSERT INTO beside4(beside4) VALUES ('rebuild')"],
        ["INSERT INTO posts(title) VALUES ('red post')", "SELECT optimize(four) FROM four"],
        ["CREATE TABLE plain AS SELECT 1 AS a", insert("four", 1, "red"), "DROP TABLE plain"],
    ],
    ids=["rebuild", "trigger", "pending"],
)
def test_what_plain_sqlite_has_is_stored(service, way, script):
    way(service, script, True)


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS)
@given(script=scripts, flag=st.booleans())
def test_any_script_leaves_what_it_leaves_in_plain_sqlite(service, way, script, flag):
    way(service, script, flag)


@pytest.mark.long
@pytest.mark.parametrize("way", WAYS_WITH_SAVEPOINTS)
@given(script=with_savepoints, flag=st.booleans())
def test_any_script_with_savepoints_leaves_what_it_leaves_in_plain_sqlite(service, way, script, flag):
    way(service, script, flag)


LONE_WRITES = (
    "INSERT INTO four VALUES ('red')",
    "DELETE FROM four",
    "INSERT INTO posts(title) VALUES ('red')",
    "DROP TABLE four",
    "ALTER TABLE four RENAME TO other",
)


@pytest.fixture
def small():
    """A service with a database of its own: FTS4 with a row, and a table with a trigger into it."""
    small = container(memory_store())
    run(small, "CREATE TABLE posts (id INTEGER PRIMARY KEY, title); CREATE VIRTUAL TABLE four USING fts4(title)")
    run(small, "INSERT INTO four VALUES ('blue')")
    run(
        small,
        "CREATE TRIGGER hears AFTER INSERT ON posts BEGIN INSERT INTO four(title) VALUES (new.title); END",
    )
    yield small
    small.close()


@pytest.mark.parametrize("statement", LONE_WRITES)
def test_no_request_without_the_right_writes(small, statement):
    with pytest.raises(SldbError) as caught:
        run(small, statement, read_only=True)
    assert caught.value.code == "read_only"


@pytest.mark.parametrize("statement", LONE_WRITES)
def test_an_acknowledged_write_is_a_transaction(small, statement):
    assert run(small, statement).txid == 4
    reader = container(small._resources.store)
    assert run(reader, "SELECT count(*) FROM sqlite_schema").txid == 4
    reader.close()


def test_deletions_are_destructive_where_the_connection_uses_the_table_first(small):
    with pytest.raises(SldbError) as caught:
        run(small, "DELETE FROM four", careful=True)
    assert [one["message"] for one in caught.value.details["destroys"]] == ["deletes 1 of 1 row of four"]
    assert run(small, "DELETE FROM four", dry_run=True).changes == {"four": {"insert": 0, "update": 0, "delete": 1}}


def test_the_rows_of_fts_without_content_are_counted(small):
    run(small, "CREATE VIRTUAL TABLE hollow USING fts4(title, content='')")
    run(small, "INSERT INTO hollow(docid, title) VALUES (1, 'red'), (2, 'blue')", careful=True)
    assert run(small, insert("hollow", 1, "blue"), dry_run=True).changes["hollow"]["insert"] == 1
    dropped = run(small, "DROP TABLE hollow", dry_run=True)
    assert [one["message"] for one in dropped.destroys] == ["drops hollow (2 rows)"]


def test_a_function_that_writes_is_a_write(small):
    run(small, "INSERT INTO four VALUES ('red')")
    optimize = "SELECT optimize(four) FROM four LIMIT 1"
    with pytest.raises(SldbError, match="read-only"):
        run(small, optimize, read_only=True)
    assert (run(small, optimize).rows, run(small, optimize).rows) == (
        [("Index optimized",)],
        [("Index already optimal",)],
    )


def test_a_savepoint_reports_no_rows_of_terms_that_it_writes(small):
    reply = run(small, "INSERT INTO four VALUES ('red'); SAVEPOINT s; RELEASE s")
    assert [(one.rowcount, one.lastrowid) for one in reply.results] == [(1, 2), (0, None), (0, None)]


def test_pending_terms_are_written_after_the_request_has_set_query_only(small):
    run(small, "INSERT INTO four VALUES ('red'); PRAGMA query_only = ON")
    assert run(small, "SELECT title FROM four WHERE four MATCH 'red'").rows == [("red",)]


@pytest.fixture
def failing(tmp_path):
    """A service whose table four cannot write its pending terms."""
    store = memory_store()
    Engine(store, tmp_path, Host()).write(
        "CREATE TABLE posts (id INTEGER PRIMARY KEY, title)",
        "CREATE VIRTUAL TABLE four USING fts4(title)",
        "DROP TABLE four_segdir",
        "CREATE TABLE four_segdir(level INTEGER, idx INTEGER, start_block INTEGER, leaves_end_block INTEGER,"
        "end_block INTEGER, root BLOB CHECK (root IS NULL), PRIMARY KEY(level, idx))",
    )
    failing = container(store)
    yield failing
    failing.close()


@pytest.mark.parametrize("fields", [{}, {"request_id": "a"}, {"on_error": "continue"}])
@pytest.mark.parametrize("script", ["", "INSERT INTO posts VALUES (1, 'a');"])
def test_a_request_whose_pending_terms_cannot_be_written_fails(failing, script, fields):
    assert error_of(failing, script + "INSERT INTO four VALUES ('red')", **fields).code == "constraint"
    rows = run(failing, "SELECT * FROM four UNION ALL SELECT title FROM posts").rows
    assert rows == ([("a",)] if script and "on_error" in fields else [])


def error_of(service, query: str, **fields: Any) -> SldbError:
    try:
        reply = run(service, query, **fields)
    except SldbError as error:
        return error
    return next(one.error for one in reply.results if one.error)


def test_a_group_whose_pending_terms_cannot_be_written_is_rolled_back(failing):
    script = ["BEGIN", "INSERT INTO posts VALUES (1, 'a')", "INSERT INTO four VALUES ('red')", "COMMIT"]
    reply = send(failing, [*script, "INSERT INTO posts VALUES (2, 'b')"], "main", on_error="continue")
    assert [one.error and one.error.code for one in reply.results] == [None, None, None, "constraint", None]
    assert run(failing, "SELECT * FROM four UNION ALL SELECT title FROM posts").rows == [("b",)]


def test_a_transaction_whose_pending_terms_cannot_be_written_is_not_committed(failing):
    client = Interactive(failing)
    client.run("INSERT INTO posts VALUES (1, 'a'); INSERT INTO four VALUES ('red')")
    with pytest.raises(SldbError) as caught:
        client.commit()
    assert caught.value.code == "constraint"
    assert run(failing, "SELECT * FROM four UNION ALL SELECT title FROM posts").rows == []
