"""The functions of sldb's own in requests: their values, and where they may not stand."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.service import Service
from lambda_handlers.shared import function_names as names
from lambda_handlers.sql.functions import percentiles, registry, schema_use, uuids
from lambda_handlers.wire import Reply, Request, SldbError, Statement
from sldb.client import Client, open_target
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store
from tests.sldb.push_pull.whole_files import push

WRITES_TO_SERIES = (
    "INSERT INTO generate_series VALUES (1)",
    "UPDATE generate_series SET value = 1",
    "DELETE FROM generate_series WHERE stop = 3",
)
PIN = {"seed": "00" * 16, "time": "2026-11-27T02:00:00.123Z"}


@pytest.fixture(scope="module")
def service() -> Iterator[Service]:
    service = container(memory_store())
    run(service, "CREATE TABLE t (a); INSERT INTO t VALUES ('abc'), ('xyz'), (12), (NULL)")
    yield service
    service.close()


def refused(service: Service, query: str, **fields: object) -> SldbError:
    with pytest.raises(SldbError) as caught:
        run(service, query, **fields)
    return caught.value


def environment(connection: apsw.Connection) -> registry.Environment:
    return registry.Environment(connection, lambda: None, None)


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT a FROM t WHERE a REGEXP '^a.c$' OR a REGEXP '^1'", [("abc",), (12,)]),
        ("SELECT a NOT REGEXP 'b', regexp('B', a), regexp(NULL, a) FROM t LIMIT 1", [(0, 0, None)]),
        ("SELECT regexp('é', x'c3a9'), 1.5 REGEXP '^1\\.5$', NULL REGEXP 'a'", [(1, 1, None)]),
        ("SELECT md5('abc'), sha1(12) = sha1('12')", [(hashlib.md5(b"abc").hexdigest(), 1)]),
        ("SELECT sha256(x'00'), sha512(NULL)", [(hashlib.sha256(b"\0").hexdigest(), None)]),
        ("SELECT sha3('a'), sha3('a', 384)", [(hashlib.sha3_256(b"a").digest(), hashlib.sha3_384(b"a").digest())]),
        ("SELECT uuid_str(uuid_blob('{A0EEBC999C0B4EF8BB6D6BB9BD380A11}'))",
         [("a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",)]),
        ("SELECT uuid_blob('x'), uuid_str(x'00'), uuid_str(5), uuid_blob(NULL)", [(None, None, None, None)]),
        ("SELECT * FROM generate_series(1, 7, 3)", [(1,), (4,), (7,)]),
        ("SELECT value FROM generate_series(3, 1, -1)", [(3,), (2,), (1,)]),
        ("SELECT value FROM generate_series(1, 2, 0)", [(1,), (2,)]),
        ("SELECT value FROM generate_series(5) LIMIT 2", [(5,), (6,)]),
        ("SELECT value FROM generate_series WHERE start = 2 AND stop = 3", [(2,), (3,)]),
        ("SELECT value FROM generate_series UNION ALL SELECT value FROM generate_series(2, 1)", []),
        ("SELECT value FROM generate_series(1, NULL)", []),
        ("SELECT value, start, stop, step FROM generate_series(9223372036854775806, 9223372036854775807, 5)",
         [(9223372036854775806, 9223372036854775806, 9223372036854775807, 5)]),
        ("SELECT a, value FROM t, generate_series(1, length(a)) WHERE a = 'abc'", [("abc", 1), ("abc", 2), ("abc", 3)]),
        ("SELECT count(*) FROM generate_series(1, 9) x, generate_series(1, x.value) y", [(45,)]),
        ("SELECT median(value), percentile(value, 25) FROM generate_series(1, 11)", [(6.0, 3.5)]),
    ],
)  # fmt: skip
def test_values(service: Service, query: str, rows: list[tuple[object, ...]]) -> None:
    assert run(service, query, read_only=True).rows == rows


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT sha1(1.5)", "floating-point"),
        ("SELECT sha3('a', 100)", "224, 256, 384, 512"),
        ("SELECT a REGEXP '(' FROM t", "a ( has no )"),
        ("SELECT regexp('a')", "wrong number of arguments"),
        ("SELECT uuid7(1)", "wrong number of arguments"),
        ("SELECT uuid8()", "no such function: uuid8"),
        ("SELECT * FROM uuid", "no such table: uuid"),
        ("SELECT generate_series(1)", "no such function: generate_series"),
        *((query, "table generate_series may not be modified") for query in WRITES_TO_SERIES),
    ],
)
def test_errors(service: Service, query: str, message: str) -> None:
    error = refused(service, query)
    assert error.code == "sql_error"
    assert message in error.message


def test_uuids(service: Service) -> None:
    rows = run(service, "SELECT uuid(), uuid4(), uuid7() FROM generate_series(1, 500)").rows
    for column, version in enumerate((4, 4, 7)):
        values = [uuid.UUID(str(row[column])) for row in rows]
        assert {(value.version, value.variant) for value in values} == {(version, uuid.RFC_4122)}
        assert len(set(values)) == len(values)
        assert [str(value) for value in values] == [row[column] for row in rows]
    assert [row[2] for row in rows] == sorted(str(row[2]) for row in rows)


def test_uuids_under_a_pin(service: Service) -> None:
    query = "SELECT uuid(), uuid7() FROM generate_series(1, 3); SELECT uuid(), uuid7()"
    first, second = (run(service, query, pin=PIN) for _ in range(2))
    assert [result.rows for result in first.results] == [result.rows for result in second.results]
    values = [uuid.UUID(str(row[1])) for result in first.results for row in result.rows]
    assert {value.int >> 80 for value in values} == {1795744800123}
    assert len(set(values)) == 4
    assert run(service, query).rows != run(service, query).rows


def test_a_transaction_over_several_requests_runs_in_another_container() -> None:
    store = memory_store()
    services = [container(store) for _ in range(3)]

    def send(number: int, query: str, **transaction: object) -> Reply:
        return run(services[number], query, transaction=transaction)

    try:
        run(services[0], "CREATE TABLE t (id TEXT PRIMARY KEY, n)")
        insert = "INSERT INTO t SELECT uuid7(), value FROM generate_series(1, 3) WHERE value REGEXP '[12]' RETURNING id"
        shown = send(0, insert, begin=True)
        assert shown.transaction is not None
        again = send(1, "SELECT id FROM t ORDER BY id", token=shown.transaction["token"])
        assert again.rows == shown.rows
        assert again.transaction is not None
        send(2, "INSERT INTO t VALUES (uuid(), 9)", token=again.transaction["token"], end="commit")
        assert run(services[0], "SELECT id FROM t WHERE n < 9 ORDER BY id").rows == shown.rows
    finally:
        for service in services:
            service.close()


@given(st.integers(1, 300), st.integers(0, 2**48 - 1))
def test_uuids_of_version_7_ascend(count: int, time_ms: int) -> None:
    make = uuids.Uuid7(time_ms)
    made = [make() for _ in range(count)]
    assert made == sorted(set(made))
    assert {uuid.UUID(one).int >> 80 for one in made} == {time_ms}


# Schemas

IN_A_SCHEMA = [
    "CREATE TABLE u (id TEXT DEFAULT (uuid()))",
    "CREATE TABLE IF NOT EXISTS u (a CHECK (a REGEXP '^x'))",
    "CREATE TABLE u (a, b AS (sha1(a)))",
    "CREATE TABLE u (a, CHECK (a NOT REGEXP 'x'))",
    "CREATE INDEX i ON t (sha256(a))",
    "CREATE INDEX i ON t (a) WHERE a REGEXP 'x'",
    "CREATE UNIQUE INDEX i ON t (regexp /* a comment */ ('x', a))",
    "CREATE VIEW v AS SELECT value FROM generate_series(1, 3)",
    "CREATE VIEW v AS SELECT * FROM t WHERE a REGEXP 'x'",
    "CREATE VIEW v (a) AS WITH x AS (SELECT uuid7()) SELECT * FROM x",
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN INSERT INTO t VALUES (uuid()); END",
    "CREATE TRIGGER g AFTER INSERT ON t WHEN new.a REGEXP 'x' BEGIN SELECT 1; END",
    "ALTER TABLE t ADD COLUMN id DEFAULT (uuid())",
    "ALTER TABLE t ADD COLUMN c CHECK (c regexp 'x')",
]


@pytest.mark.parametrize("query", IN_A_SCHEMA)
def test_a_schema_may_not_use_them(service: Service, query: str) -> None:
    error = refused(service, query, dry_run=True)
    assert (error.code, error.details["reason"]) == ("forbidden", "function_in_schema")
    assert error.hint
    prepared = f"SELECT regexp('a', 'a'), uuid(), sha1('a'); {query}"  # no statement leaves them behind
    assert refused(service, prepared, dry_run=True).code == "forbidden"


@pytest.mark.parametrize(
    "query",
    [
        'CREATE INDEX i ON t ("sha256"(a))',
        'CREATE VIEW v AS SELECT "uuid"() AS a FROM t; SELECT * FROM v',
        "CREATE VIEW v AS SELECT [sha1](a) AS a FROM t; SELECT sha1(a) FROM v",
        'CREATE VIEW v AS SELECT value FROM "generate_series"(1, 3); SELECT * FROM v',
        'CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT "sha1"(new.a); END; INSERT INTO t VALUES (sha1(1))',
    ],
)
def test_a_quoted_name_in_a_schema_is_refused_by_sqlite(service: Service, query: str) -> None:
    error = refused(service, query, dry_run=True)
    assert error.code == "sql_error"
    assert error.details["reason"] in ("function_in_schema", "no_such_table")


@pytest.mark.parametrize(
    "query",
    [
        "CREATE TABLE uuid (uuid TEXT PRIMARY KEY, regexp, sha1 TEXT DEFAULT 'uuid()')",
        "CREATE TABLE u (a REFERENCES uuid (uuid), median INTEGER)",
        "CREATE TABLE u AS SELECT uuid() AS id, sha1(a) AS sha1 FROM t",
        "CREATE TABLE IF NOT EXISTS u AS SELECT * FROM generate_series(1, 3)",
        """CREATE TABLE md5 (a); CREATE INDEX i ON md5 (a); CREATE TRIGGER g AFTER INSERT ON t BEGIN
        INSERT INTO md5 (a) VALUES ('sha1(x)'); UPDATE md5 SET a = 1; END; INSERT INTO t VALUES (1)""",
        "CREATE VIEW regexp AS SELECT 1 AS regexp, 2 AS uuid; SELECT regexp, uuid FROM regexp",
        "CREATE VIEW v AS SELECT median(a) FROM t",
        "CREATE TEMP VIEW v AS SELECT sha1(a) FROM t; SELECT * FROM v",
        "CREATE TEMP TRIGGER g AFTER INSERT ON t BEGIN UPDATE t SET a = uuid(); END; INSERT INTO t VALUES (1)",
        "ALTER TABLE t RENAME COLUMN a TO uuid; ALTER TABLE t ADD COLUMN regexp TEXT",
        "CREATE VIRTUAL TABLE f USING fts5(uuid)",
    ],
)
def test_names_of_tables_and_columns_are_free(service: Service, query: str) -> None:
    run(service, query, dry_run=True)


def _has_median() -> bool:
    found = apsw.Connection(":memory:").execute("SELECT 1 FROM pragma_function_list WHERE name = 'median'")
    return bool(found.fetchall())


PUSHED = [
    "CREATE TABLE p (a CHECK (a REGEXP 'x'))",
    "CREATE TABLE p (a, g AS (sha1(a)))",
    "CREATE TABLE p (a); CREATE INDEX i ON p (regexp('x', a))",
    "CREATE TABLE p (a); CREATE INDEX i ON p (a) WHERE uuid_str(a) NOT NULL",
]


@pytest.mark.parametrize("schema", PUSHED)
def test_a_schema_that_came_with_such_functions_stays_readable(schema: str, tmp_path: Path) -> None:
    """The functions are those of the program that made the file: never ours, which may give other values."""
    connection = apsw.Connection(str(tmp_path / "file"))
    for name, count in (("regexp", 2), ("sha1", 1), ("uuid_str", 1)):
        connection.create_scalar_function(name, lambda *_: 1, count, deterministic=True, flags=apsw.SQLITE_INNOCUOUS)
    connection.execute(schema + "; INSERT INTO p (a) VALUES ('x'); CREATE TABLE t (a)")
    connection.close()
    connection = apsw.Connection(str(tmp_path / "file"))
    connection.config(apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0)
    name = next(name for name in ("regexp", "sha1", "uuid_str") if name in schema.lower())
    assert schema_use.uses(connection, name)
    assert not schema_use.uses(connection, "md5")
    with registry.registered({"md5"}, environment(connection)):
        assert connection.execute("SELECT a, md5(a) NOT NULL FROM p").fetchall() == [("x", 1)]
    assert connection.execute("SELECT a FROM p").fetchall() == [("x",)]
    connection.close()


def test_they_are_not_used_where_the_schema_has_functions_of_that_name(tmp_path: Path) -> None:
    """An index of the program's function would get entries of another one."""
    connection = apsw.Connection(str(tmp_path / "file.db"))
    connection.create_scalar_function("sha1", lambda *_: "theirs", 1, deterministic=True, flags=apsw.SQLITE_INNOCUOUS)
    connection.execute("CREATE TABLE t (a); CREATE INDEX i ON t (sha1(a)); INSERT INTO t VALUES ('x')")
    connection.close()
    with closing(Client(open_target(f"local:{tmp_path / 'store'}"))) as client:
        push(client, tmp_path / "file.db")

        def run_there(query: str) -> Reply:
            return client.execute(Request((Statement(query),)))

        assert run_there("SELECT a, md5(a) NOT NULL FROM t").rows == [("x", 1)]
        for query in ("INSERT INTO t SELECT sha1('y')", "SELECT sha1(a) FROM t", "INSERT INTO t VALUES ('y')"):
            with pytest.raises(SldbError, match="sha1"):
                run_there(query)
        assert run_there("SELECT count(*) FROM t").rows == [(1,)]


# Time, and versions of SQLite


def test_a_long_series_or_search_ends_in_time(service: Service) -> None:
    for query in (
        "SELECT count(*) FROM generate_series(1, 4000000000)",
        "SELECT replace(hex(zeroblob(10000000)), '0', 'ab') REGEXP '(a|b)*a(a|b){900}c'",
    ):
        assert refused(service, query, timeout=0.3).code == "query_timeout"


@pytest.mark.parametrize("name", names.AGGREGATES)
@given(
    st.lists(st.one_of(st.none(), st.integers(-9, 9), st.floats(-9, 9)), max_size=9), st.sampled_from([0, 0.25, 0.5, 1])
)
def test_percentiles_are_those_of_newer_versions(name: str, values: list[float | None], fraction: float) -> None:
    if not _has_median():
        pytest.skip("this SQLite has no percentiles to compare with")
    connection = apsw.Connection(":memory:")
    own = percentiles.Percentile(name)
    more = () if name == "median" else (fraction * 100 if name == "percentile" else fraction,)
    connection.execute("CREATE TABLE t (a)")
    for value in values:
        own.step(value, *more)
        connection.execute("INSERT INTO t VALUES (?)", (value,))
    call = f"{name}(a{''.join(f', {one}' for one in more)})"
    ((expected,),) = connection.execute(f"SELECT {call} FROM t").fetchall()
    assert own.final() == pytest.approx(expected)


def test_percentiles_where_sqlite_has_none() -> None:
    connection = apsw.Connection(":memory:")
    with registry.registered({"median", "percentile_cont"}, environment(connection)):
        sql = "SELECT median(x), percentile_cont(x, 0.75) FROM (SELECT 1 AS x UNION SELECT 2 UNION SELECT 5)"
        assert connection.execute(sql).fetchall() == [(2.0, 3.5)]
        for bad in ("median('a')", "percentile_cont(1, 2)", "percentile_cont(x, x / 9.0)"):
            with pytest.raises(SldbError):
                connection.execute(f"SELECT {bad} FROM (SELECT 1 AS x UNION SELECT 2)").fetchall()
    assert registry.missing_name("no_such_function", "median") == "median"


def test_all_names_can_be_registered_and_removed() -> None:
    connection = apsw.Connection(":memory:")
    own = names.NAMES - set(names.AGGREGATES)
    with registry.registered(set(own), environment(connection)):
        listed = {name for (name,) in connection.execute("SELECT name FROM pragma_function_list")}
        assert own - {names.SERIES} <= listed
    for name in own - {names.SERIES}:
        with pytest.raises(apsw.SQLError):
            connection.execute(f"SELECT {name}('a', 'a')")
