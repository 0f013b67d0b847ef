"""PRAGMAs in the middle of a request: as in plain SQLite, statement by statement, or an error. Never without a word."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import apsw
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lambda_handlers.service import Service
from lambda_handlers.sql import script
from lambda_handlers.wire import SldbError
from tests.fakes.databases.past import act
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store

TABLES = (
    "CREATE TABLE parent (id INTEGER PRIMARY KEY);"
    "CREATE TABLE child (id INTEGER PRIMARY KEY, of REFERENCES parent (id) ON DELETE CASCADE);"
)
ORPHAN = "INSERT OR IGNORE INTO child VALUES (1, 999)"
ON = [
    "PRAGMA foreign_keys = ON",
    "pragma FOREIGN_KEYS(1)",
    "PRAGMA main.foreign_keys = yes",
    "PRAGMA temp.foreign_keys = 'true'",
    'PRAGMA "foreign_keys" = +7',
    "EXPLAIN PRAGMA foreign_keys = on",
    "/* first */ PRAGMA /* of all */ [foreign_keys] = on -- so there",
]
OFF = [
    "PRAGMA foreign_keys = OFF",
    "PRAGMA foreign_keys(0)",
    "PRAGMA main.foreign_keys = no",
    "PRAGMA foreign_keys = false",
    "PRAGMA foreign_keys = -1",
    "PRAGMA foreign_keys = whatever",
]


@pytest.fixture
def service() -> Iterator[Service]:
    service = container(memory_store())
    yield service
    service.close()


def refused(service: Service, query: str, **fields: object) -> SldbError:
    with pytest.raises(SldbError) as caught:
        run(service, query, **fields)
    return caught.value


@pytest.fixture(params=["ON", "OFF"])
def enforced(request: pytest.FixtureRequest) -> str:
    """How a request begins."""
    return f"PRAGMA foreign_keys = {request.param};"


@pytest.mark.parametrize("pragma", ON)
def test_on_before_the_first_write(service, pragma):
    for query in (
        f"{pragma}\n; {TABLES} {ORPHAN}",
        f"SELECT 1; {pragma}\n; {TABLES} {ORPHAN}",
        f"BEGIN; {pragma}\n; {TABLES} {ORPHAN}; COMMIT",
        f"SAVEPOINT s; SELECT 1; {pragma}\n; {TABLES} {ORPHAN}; RELEASE s",
        f"PRAGMA user_version = 5; {pragma}\n; {TABLES} {ORPHAN}",
        f"PRAGMA defer_foreign_keys = OFF; {pragma}\n; {TABLES} {ORPHAN}",
    ):
        assert refused(service, "PRAGMA foreign_keys = OFF;" + query).code == "constraint", query
        assert refused(service, "PRAGMA foreign_keys = OFF;" + query, dry_run=True, at=0).code == "constraint"


@pytest.mark.parametrize("pragma", OFF)
def test_off_before_the_first_write(service, pragma):
    query = f"PRAGMA foreign_keys = ON; SELECT 1; {pragma}; {TABLES} {ORPHAN}; SELECT of FROM child"
    assert run(service, query, dry_run=True).rows == [(999,)]
    assert run(service, query).rows == [(999,)]


@pytest.mark.parametrize("pragma", [*ON, *OFF])
def test_a_change_after_a_write_and_before_another(service, pragma):
    began = run(service, "PRAGMA foreign_keys").rows[0][0]
    begin = f"PRAGMA foreign_keys = {int(pragma not in ON)};"
    first = f"{begin} {TABLES} INSERT INTO parent VALUES (1);"
    own = f"{begin} CREATE TEMP TABLE own (a); INSERT INTO own VALUES (1);"
    for query in (
        f"{first} {pragma}\n; {ORPHAN}",
        f"BEGIN; {first} {pragma}\n; {ORPHAN}; COMMIT",
        f"{first} SAVEPOINT s; {pragma}\n; {ORPHAN}; RELEASE s",
        f"{first} {pragma}\n; CREATE VIEW v AS SELECT 1; SELECT 1; {ORPHAN}",
        f"{first} {pragma}\n; DROP TABLE parent",
        f"{first} {pragma}\n; PRAGMA foreign_keys",
        f"{first} {pragma}\n; SELECT * FROM pragma_foreign_keys",
        f"{own} {pragma}\n; {TABLES} {ORPHAN}",
    ):
        if began != (pragma in ON):
            error = refused(service, query)
            assert (error.code, "put it first" in error.hint) == ("sql_error", True), query
        elif began and ORPHAN in query:  # back to what it was when the request began
            assert refused(service, query).code == "constraint", query
        else:
            reply = run(service, query, dry_run=True)
            assert "foreign_keys" not in query.split(pragma)[1] or reply.rows == [(began,)], query
            assert ORPHAN not in query or reply.changes["child"]["insert"] == 1, query


def test_the_error_names_the_statement_that_came_too_late(service):
    run(service, TABLES)
    query = "INSERT INTO parent VALUES (1);\n PRAGMA foreign_keys = %s; SELECT 1; INSERT INTO parent VALUES (2)"
    value = "OFF" if run(service, "PRAGMA foreign_keys").rows == [(1,)] else "ON"
    error = refused(service, query % value)
    assert (error.code, error.message.split(" comes")[0]) == ("sql_error", f"PRAGMA foreign_keys = {value}")
    assert "put it first" in error.hint
    assert error.details["statement"] == 1
    assert error.details["begins"] == query.index("PRAGMA")
    assert error.details["statement_count"] == 4
    several = [{"query": "INSERT INTO parent VALUES (?)", "params": [n]} for n in range(2)]
    several.insert(1, {"query": f"PRAGMA foreign_keys = {value}"})
    with pytest.raises(SldbError) as caught:
        run(service, None, statements=several)
    assert (caught.value.details["part"], caught.value.details["statement"]) == (1, 1)
    assert run(service, "SELECT count(*) FROM parent").rows == [(0,)]


@pytest.mark.parametrize("end", ["PRAGMA foreign_keys = ON", "PRAGMA foreign_keys = OFF"])
def test_at_the_end_any_change_is_accepted(service, enforced, end):
    assert run(service, f"{enforced} {TABLES} INSERT INTO parent VALUES (1); {end}", request_id="r").txid == 1
    assert run(service, f"{enforced} {TABLES} {end}", request_id="r").txid == 1  # the first result


MIGRATIONS = {
    "drizzle-kit": """PRAGMA foreign_keys=OFF;--> statement-breakpoint
        CREATE TABLE `__new_parent` (`id` integer PRIMARY KEY NOT NULL, `name` text);--> statement-breakpoint
        INSERT INTO `__new_parent`("id") SELECT "id" FROM `parent`;--> statement-breakpoint
        DROP TABLE `parent`;--> statement-breakpoint
        ALTER TABLE `__new_parent` RENAME TO `parent`;--> statement-breakpoint
        PRAGMA foreign_keys=ON;--> statement-breakpoint
        CREATE UNIQUE INDEX `by_name` ON `parent` (`name`);""",
    "Prisma": """-- RedefineTables
        PRAGMA defer_foreign_keys=ON;
        PRAGMA foreign_keys=OFF;
        CREATE TABLE "new_parent" ("id" INTEGER NOT NULL PRIMARY KEY, "name" TEXT);
        INSERT INTO "new_parent" ("id") SELECT "id" FROM "parent";
        DROP TABLE "parent";
        ALTER TABLE "new_parent" RENAME TO "parent";
        PRAGMA foreign_keys=ON;
        PRAGMA defer_foreign_keys=OFF;
        -- CreateIndex
        CREATE UNIQUE INDEX "by_name" ON "parent"("name");""",
    "Prisma, after a new table": """-- CreateTable
        CREATE TABLE "tag" ("id" INTEGER NOT NULL PRIMARY KEY);
        CREATE INDEX "tags" ON "tag"("id");
        ALTER TABLE "tag" ADD COLUMN "name" TEXT;
        -- RedefineTables
        PRAGMA defer_foreign_keys=ON;
        PRAGMA foreign_keys=OFF;
        CREATE TABLE "new_parent" ("id" INTEGER NOT NULL PRIMARY KEY, "name" TEXT);
        INSERT INTO "new_parent" ("id") SELECT "id" FROM "parent";
        DROP TABLE "parent";
        ALTER TABLE "new_parent" RENAME TO "parent";
        PRAGMA foreign_keys=ON;
        PRAGMA defer_foreign_keys=OFF;
        CREATE UNIQUE INDEX "by_name" ON "parent"("name");""",
    "django": """PRAGMA foreign_keys = OFF; BEGIN;
        CREATE TABLE "new__parent" ("id" integer PRIMARY KEY, "name" text);
        INSERT INTO "new__parent" ("id") SELECT "id" FROM "parent";
        DROP TABLE "parent"; ALTER TABLE "new__parent" RENAME TO "parent";
        CREATE INDEX "by_name" ON "parent" ("name"); PRAGMA foreign_key_check; PRAGMA foreign_keys = ON; COMMIT;""",
}


@pytest.mark.parametrize("enforced", [True, False])
@pytest.mark.parametrize("name", MIGRATIONS)
def test_migrations_that_make_a_table_anew(service, name, enforced):
    run(service, TABLES + "INSERT INTO parent VALUES (1), (2); INSERT INTO child VALUES (1, 1), (2, 2)")
    act(service, "set_database", foreign_keys=enforced)
    run(service, MIGRATIONS[name], request_id="m")
    rows = run(service, "SELECT id, name, (SELECT count(*) FROM child) FROM parent").rows
    assert rows == [(1, None, 2), (2, None, 2)]
    assert run(service, "SELECT name FROM sqlite_schema WHERE type = 'index' AND name = 'by_name'").rows


@pytest.mark.parametrize("was", [0, 1])
def test_back_to_what_it_was_takes_effect(service, was):
    run(service, TABLES + "INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1)")
    act(service, "set_database", foreign_keys=bool(was))
    query = f"PRAGMA foreign_keys = {1 - was}; INSERT INTO parent VALUES (2); PRAGMA foreign_keys = {was}; "
    assert run(service, query + "PRAGMA foreign_keys").rows == [(was,)]
    query = query.replace("2", "3")
    if was:
        assert refused(service, query + "INSERT INTO child VALUES (9, 999)").code == "constraint"
    else:
        assert run(service, query + "INSERT INTO child VALUES (9, 999); SELECT count(*) FROM child").rows == [(2,)]


def test_back_while_what_is_deferred_is_violated_is_an_error(service):
    tables = TABLES.replace("CASCADE", "CASCADE DEFERRABLE INITIALLY DEFERRED")
    run(service, tables)
    act(service, "set_database", foreign_keys=False)
    start = "PRAGMA foreign_keys = ON; INSERT INTO child VALUES (1, 7);"
    error = refused(service, start + "PRAGMA foreign_keys = OFF; INSERT INTO parent VALUES (8)")
    assert (error.code, "deferred" in error.message) == ("constraint", True)
    mended = "INSERT INTO parent VALUES (7); PRAGMA foreign_keys = OFF; SELECT count(*) FROM child"
    assert run(service, start + mended).rows == [(1,)]


def test_what_is_deferred_stays_deferred_over_a_statement_that_reads(service):
    run(service, TABLES)
    query = "PRAGMA foreign_keys = ON; PRAGMA defer_foreign_keys = ON; SELECT 1; INSERT INTO child VALUES (1, 7);"
    assert run(service, query + "INSERT INTO parent VALUES (7)").txid == 2
    assert refused(service, query.replace("7", "8").replace("(1", "(2")).code == "constraint"


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("PRAGMA encoding = 'UTF-16be'", "UTF-16be"),
        ("PRAGMA page_size = 8192", 8192),
        ("PRAGMA auto_vacuum = FULL", 1),
        ("PRAGMA auto_vacuum(incremental)", 2),
    ],
)
def test_what_only_a_new_database_can_be_given(service, pragma, value):
    name = pragma.split()[1].partition("(")[0]
    late = refused(service, f"CREATE TABLE t (a); {pragma}; INSERT INTO t VALUES (1)", request_id="late")
    assert late.code == "sql_error"
    assert "put it first" in late.hint
    assert run(service, f"SELECT 1; {pragma}; CREATE TABLE t (a)", request_id="first").txid == 1
    assert run(service, f"PRAGMA {name}").rows == [(value,)]
    assert run(service, "SELECT 1; INSERT INTO t VALUES (1); PRAGMA auto_vacuum").rows is not None
    if name != "page_size":  # the one that is refused, whatever follows
        assert run(service, f"{pragma}; INSERT INTO t VALUES (2)").txid == 3  # it says what is so
    other = {"encoding": "'UTF-8'", "page_size": "512", "auto_vacuum": "0"}[name]
    error = refused(service, f"PRAGMA {name} = {other}; INSERT INTO t VALUES (3)")
    assert error.code == ("forbidden" if name == "page_size" else "sql_error")
    if name != "page_size":
        assert "leave it out" in error.hint


def test_several_that_a_new_database_can_be_given(service):
    query = "PRAGMA page_size = 8192; PRAGMA encoding = 'UTF-16'; PRAGMA auto_vacuum = 2; PRAGMA foreign_keys = ON;"
    told = "PRAGMA auto_vacuum; PRAGMA page_size; PRAGMA encoding"
    reply = run(service, f"{query} CREATE TABLE t (a); {told}", request_id="r")
    assert [result.rows for result in reply.results[-3:]] == [[(2,)], [(8192,)], [("UTF-16le",)]]
    assert [result.rows for result in run(service, told).results] == [[(2,)], [(8192,)], [("UTF-16le",)]]


# Against plain SQLite, statement by statement

Rows: TypeAlias = "list[list[tuple[object, ...]]]"

_PRAGMAS = st.sampled_from(
    [
        *("PRAGMA foreign_keys = ON", "PRAGMA foreign_keys = OFF", "PRAGMA foreign_keys(1)", "PRAGMA foreign_keys"),
        *("PRAGMA foreign_keys = ON", "PRAGMA foreign_keys = OFF", "SELECT foreign_keys FROM pragma_foreign_keys"),
        *("PRAGMA encoding = 'UTF-16'", "PRAGMA page_size = 1024", "PRAGMA page_size = 1000", "PRAGMA encoding"),
        *("PRAGMA auto_vacuum = 1", "PRAGMA auto_vacuum = 2", "PRAGMA auto_vacuum", "PRAGMA user_version = 3"),
    ]
)
_OTHERS = st.sampled_from(
    [
        "INSERT INTO parent VALUES (1)",
        "INSERT INTO parent VALUES (2)",
        "INSERT INTO child VALUES (1, 1)",
        "INSERT INTO child VALUES (2, 2)",
        "INSERT OR IGNORE INTO child VALUES (3, 999)",
        "REPLACE INTO parent VALUES (1)",
        "UPDATE OR IGNORE child SET of = 2",
        "UPDATE parent SET id = id + 10",
        "DELETE FROM parent WHERE id = 1",
        "DELETE FROM parent",
        "DELETE FROM child WHERE id = 3",
        "DROP TABLE IF EXISTS parent",
        "CREATE TABLE IF NOT EXISTS parent (id INTEGER PRIMARY KEY)",
        "CREATE INDEX IF NOT EXISTS i ON child (of)",
        "ALTER TABLE child ADD COLUMN x REFERENCES parent (id)",
        "SELECT * FROM child",
        "SELECT 1",
    ]
)
_TABLES = st.sampled_from([[], [piece.sql for piece in script.split(TABLES)]])
_SCRIPTS = st.tuples(st.lists(_PRAGMAS, max_size=3), _TABLES, st.lists(_PRAGMAS | _OTHERS, max_size=8)).map(
    lambda parts: [*parts[0], *parts[1], *parts[2]]
)
_STATE = (
    "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE '\\_sldb%' ESCAPE '\\'",
    *("PRAGMA auto_vacuum", "PRAGMA user_version"),
)


def empty() -> bytes:
    """A database without tables."""
    connection = apsw.Connection(":memory:")
    try:
        connection.execute("PRAGMA page_size = 4096; CREATE TABLE t (a); DROP TABLE t; VACUUM")
        return connection.serialize("main")
    finally:
        connection.close()


EMPTY = empty()


def plain(statements: list[str], enforced: bool, again: list[str], is_new: bool) -> tuple[Rows, Rows] | None:
    """The rows of each statement, and of those that are run `again` by another connection; None where one fails, as a
    request then does altogether."""
    connection, other = apsw.Connection(":memory:"), apsw.Connection(":memory:")
    try:
        if not is_new:
            connection.deserialize("main", EMPTY)
        connection.execute(f"PRAGMA page_size = 4096; PRAGMA synchronous = FULL; PRAGMA foreign_keys = {enforced}")
        said = [connection.execute(sql).fetchall() for sql in statements]
        if image := connection.serialize("main"):
            other.deserialize("main", image)
        return said, [other.execute(sql).fetchall() for sql in again]
    except apsw.Error:
        return None
    finally:
        connection.close()
        other.close()


@pytest.mark.long
@settings(max_examples=settings().max_examples * 3)
@given(st.booleans(), st.sampled_from([None, False, True]), _SCRIPTS)
@example(
    False, None, ["CREATE TABLE parent (id INTEGER PRIMARY KEY)", "PRAGMA foreign_keys = ON", "PRAGMA foreign_keys"]
)
def test_a_request_does_what_sqlite_does_or_says_that_it_does_not(has_id, setting, statements):
    service = container(memory_store())
    try:
        if setting is not None:
            act(service, "set_database", foreign_keys=setting)
            statements = [sql for sql in statements if "page_size" not in sql]  # forbidden
        enforced = run(service, "PRAGMA foreign_keys", dry_run=True).rows == [(1,)]
        has_tables = any(sql.startswith("CREATE TABLE") for sql in statements)  # an encoding is stored with the first
        again = [*_STATE, "PRAGMA encoding"] if has_tables else [*_STATE]
        again += ["SELECT * FROM child"] if "SELECT * FROM child" in statements else []
        wanted = plain([*statements, *_STATE], enforced, again, setting is None)
        try:
            reply = run(service, ";\n".join([*statements, *_STATE]), request_id="r" if has_id else None)
        except SldbError as refusal:
            error = refusal
        else:
            assert wanted is not None
            assert [result.rows for result in reply.results] == wanted[0]
            if reply.txid:
                assert [result.rows for result in run(service, ";".join(again)).results] == wanted[1]
            return
        told = "put it first" in error.hint or "leave it out" in error.hint
        assert wanted is None or told, (error.message, error.hint)
    finally:
        service.close()


@pytest.mark.parametrize(
    ("began", "emptied"),
    [
        ("UTF-8", "CREATE TABLE t (a); DROP TABLE t"),
        ("UTF-16le", "CREATE TABLE t (a); DROP TABLE t"),
        ("UTF-8", "PRAGMA user_version = 3"),
    ],
)
@pytest.mark.parametrize("first", ["", "SELECT * FROM sqlite_schema; ", "BEGIN; "])
def test_the_encoding_of_a_database_without_tables_stays(service, began, emptied, first):
    """SQLite would write the schema in another encoding than its header says: 200, and nothing could be read again."""
    run(service, f"PRAGMA encoding = '{began}'; {emptied}")
    end = "; COMMIT" if first == "BEGIN; " else ""
    for other in {"UTF-8", "UTF-16le", "UTF-16be"} - {began}:
        query = f"{first}PRAGMA encoding = '{other}'; CREATE TABLE t (a); INSERT INTO t VALUES ('x'){end}"
        assert refused(service, query).code == "sql_error"
    run(service, f"PRAGMA encoding = '{began}'; CREATE TABLE t (a); INSERT INTO t VALUES ('x')")
    assert run(service, "SELECT a FROM t").rows == [("x",)]
    assert run(service, "PRAGMA encoding").rows == [(began,)]
    assert run(service, "PRAGMA integrity_check").rows == [("ok",)]
