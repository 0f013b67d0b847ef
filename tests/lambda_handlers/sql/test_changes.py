"""What a dry run says that statements change, and what a careful request refuses: whatever way it is written."""

from __future__ import annotations

import apsw
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_handlers.sql import changes, destruction, row_changes
from lambda_handlers.sql.authorizer import Authorizer
from lambda_handlers.sql.changes import Changes
from lambda_handlers.wire import Reply, SldbError
from tests.fakes.databases.past import act
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store

SCHEMA = """
CREATE TABLE users (id INTEGER PRIMARY KEY, name UNIQUE, age);
INSERT INTO users VALUES (1, 'a', 10), (2, 'b', 20), (3, 'c', 30);
CREATE TABLE orders (id INTEGER PRIMARY KEY, user REFERENCES users ON DELETE CASCADE);
INSERT INTO orders VALUES (1, 1), (2, 1), (3, 3);
CREATE TABLE pairs (a, b, PRIMARY KEY (a, b)) WITHOUT ROWID;
INSERT INTO pairs VALUES (1, 1), (1, 2);
CREATE TABLE trail (what);
INSERT INTO trail VALUES ('old');
CREATE TRIGGER trimmed AFTER INSERT ON orders BEGIN DELETE FROM trail; INSERT INTO trail VALUES (new.id); END;
CREATE TABLE ring (id INTEGER PRIMARY KEY);
INSERT INTO ring VALUES (1), (2);
CREATE TRIGGER round AFTER INSERT ON ring BEGIN DELETE FROM ring WHERE id <= new.id - 2; END;
CREATE VIEW elders AS SELECT * FROM users WHERE id > 1;
CREATE TRIGGER forget INSTEAD OF DELETE ON elders BEGIN DELETE FROM users WHERE id = old.id; END;
CREATE VIRTUAL TABLE notes USING fts5(body);
INSERT INTO notes VALUES ('one'), ('two');
CREATE VIRTUAL TABLE boxes USING rtree(id, x0, x1);
INSERT INTO boxes VALUES (1, 0, 1), (2, 0, 5);
CREATE TABLE notes_data_of_ours (x);
INSERT INTO notes_data_of_ours VALUES (1);
CREATE VIRTUAL TABLE bare USING fts5(body, content='');
INSERT INTO bare (rowid, body) VALUES (1, 'one'), (2, 'two')
"""
# A statement that names nothing but a temporary table.
ON_INSERT = "CREATE TEMP TABLE x (a); CREATE TEMP TRIGGER g AFTER INSERT ON x BEGIN {} END; INSERT INTO x VALUES (1)"


@pytest.fixture(scope="module")
def service():
    service = container(memory_store())
    run(service, SCHEMA)
    act(service, "set_database", foreign_keys=False)
    yield service
    service.close()


def rehearsed(service, query, params=None) -> Reply:
    return run(service, query, params, dry_run=True)


def of(insert=0, update=0, delete=0):
    return {"insert": insert, "update": update, "delete": delete}


@pytest.mark.parametrize(
    ("query", "changed"),
    [
        ("SELECT * FROM users", {}),
        ("INSERT INTO users (name) VALUES ('x'), ('y')", {"users": of(insert=2)}),
        ("UPDATE users SET age = age + 1 WHERE id < 3", {"users": of(update=2)}),
        ("DELETE FROM users", {"users": of(delete=3)}),
        ("WITH old AS (SELECT 1 AS id) DELETE FROM users WHERE id IN old", {"users": of(delete=1)}),
        ("REPLACE INTO users VALUES (1, 'a', 11)", {"users": of(insert=1, delete=1)}),
        ("REPLACE INTO users VALUES (9, 'b', 11), (10, 'z', 0)", {"users": of(insert=2, delete=1)}),
        ("INSERT INTO users VALUES (1, 'q', 0) ON CONFLICT DO UPDATE SET age = 0", {"users": of(update=1)}),
        ("INSERT OR IGNORE INTO users VALUES (1, 'q', 0)", {}),
        ("UPDATE OR REPLACE users SET name = 'a' WHERE id = 2", {"users": of(update=1, delete=1)}),
        ("DELETE FROM pairs", {"pairs": of(delete=2)}),
        ("UPDATE pairs SET a = 2", {"pairs": of(update=2)}),
        ("INSERT INTO orders VALUES (4, 2)", {"orders": of(insert=1), "trail": of(insert=1, delete=1)}),
        (
            "PRAGMA foreign_keys = ON; DELETE FROM users WHERE id = 1",
            {"users": of(delete=1), "orders": of(delete=2)},
        ),
        ("DELETE FROM elders", {"users": of(delete=2)}),
        ("INSERT INTO notes VALUES ('three')", {"notes": of(insert=1)}),
        ("DELETE FROM notes", {"notes": of(delete=2)}),
        ("UPDATE notes SET body = 'x' WHERE body MATCH 'one'", {"notes": of(update=1)}),
        ("DELETE FROM boxes WHERE id = 1", {"boxes": of(delete=1)}),
        ("UPDATE users SET age = x1 FROM boxes WHERE boxes.id = 1", {"users": of(update=3)}),
        ("ANALYZE", {}),
        ("SAVEPOINT a; DELETE FROM users; ROLLBACK TO a; DELETE FROM pairs; RELEASE a", {"pairs": of(delete=2)}),
        ("SAVEPOINT a; DELETE FROM users; RELEASE a", {"users": of(delete=3)}),
        ("SAVEPOINT a; DELETE FROM pairs; SAVEPOINT b; SAVEPOINT a; ROLLBACK TO b; ROLLBACK TO a", {}),
        ("SAVEPOINT a; DELETE FROM pairs; SAVEPOINT a; RELEASE a; ROLLBACK TO a", {}),
        (
            "DELETE FROM pairs; SAVEPOINT B; DROP TABLE users; ROLLBACK TO b; DELETE FROM users; ROLLBACK TO B",
            {"pairs": of(delete=2)},
        ),
        ("DELETE FROM notes_data_of_ours", {"notes_data_of_ours": of(delete=1)}),
        ("CREATE TABLE made (a); INSERT INTO made VALUES (1)", {"made": of(insert=1)}),
        ("CREATE TABLE made AS SELECT * FROM users", {"made": of(insert=3)}),
        (
            "CREATE TABLE made (a); INSERT INTO made VALUES (1); CREATE TABLE IF NOT EXISTS made (a)",
            {"made": of(insert=1)},
        ),
        ("CREATE TEMP TABLE users (a); INSERT INTO users VALUES (1); DELETE FROM users", {}),
        ("CREATE TEMP TABLE made AS SELECT * FROM users", {}),
        ("EXPLAIN DELETE FROM users", {}),
        ("INSERT INTO trail VALUES (1); DELETE FROM trail", {"trail": of(insert=1, delete=2)}),
        ("DROP TABLE users", {}),
    ],
)
def test_the_rows_that_change_by_table(service, query, changed):
    before = run(service, "SELECT 1").txid
    reply = rehearsed(service, query)
    assert reply.changes == changed
    assert (reply.txid, run(service, "SELECT 1").txid) == (before, before)


@pytest.mark.parametrize(
    ("query", "messages"),
    [
        ("DELETE FROM users", ["deletes 3 of 3 rows of users"]),
        ("DELETE FROM users WHERE id = 1", ["deletes 1 of 3 rows of users"]),
        ("DELETE FROM users WHERE id = 99", []),
        ("WITH old AS (SELECT 1 AS id) DELETE FROM users WHERE id IN old", ["deletes 1 of 3 rows of users"]),
        ('/* UPDATE */ -- x\n dElEtE FROM main."users" WHERE 1', ["deletes 3 of 3 rows of users"]),
        ("DELETE FROM pairs WHERE b = 1", ["deletes 1 of 2 rows of pairs"]),
        ("DELETE FROM elders", ["deletes 2 of 3 rows of users"]),
        ("DELETE FROM notes", ["deletes 2 of 2 rows of notes"]),
        ("UPDATE users SET age = 0", ["changes 3 of 3 rows of users"]),
        ("UPDATE users SET age = 0 WHERE 1 = 1", ["changes 3 of 3 rows of users"]),
        ("WITH n AS (SELECT 0 AS age) UPDATE users SET age = n.age FROM n", ["changes 3 of 3 rows of users"]),
        ("UPDATE users SET age = 0 WHERE id < 3", []),
        ("UPDATE OR REPLACE users SET name = 'a' WHERE id = 2", ["replaces 1 of 3 rows of users"]),
        ("REPLACE INTO users VALUES (1, 'a', 11)", ["replaces 1 of 3 rows of users"]),
        ("INSERT OR REPLACE INTO users VALUES (9, 'a', 0)", ["replaces 1 of 3 rows of users"]),
        ("REPLACE INTO users VALUES (9, 'new', 11)", []),
        (
            "PRAGMA foreign_keys = ON; REPLACE INTO users VALUES (1, 'a', 11)",
            ["replaces 1 of 3 rows of users", "deletes 2 of 3 rows of orders"],
        ),
        ("INSERT INTO users VALUES (1, 'q', 0) ON CONFLICT DO UPDATE SET age = 0", []),
        ("INSERT INTO orders VALUES (4, 2)", ["deletes 1 of 1 row of trail"]),  # its trigger trims a trail
        ("INSERT INTO ring VALUES (3)", ["deletes 1 of 2 rows of ring"]),  # its trigger trims its own table
        # By whatever way.
        (ON_INSERT.format("DELETE FROM users;"), ["deletes 3 of 3 rows of users"]),
        (ON_INSERT.format("REPLACE INTO users VALUES (1, 'a', 0);"), ["deletes 1 of 3 rows of users"]),
        (ON_INSERT.format("UPDATE orders SET user = NULL;"), ["changes 3 of 3 rows of orders"]),
        (ON_INSERT.format("UPDATE orders SET user = NULL WHERE id > 1;"), []),
        (ON_INSERT.format("DELETE FROM notes;"), ["deletes 2 of 2 rows of notes"]),
        (ON_INSERT.format("DELETE FROM boxes WHERE id = 1;"), ["deletes 1 of 2 rows of boxes"]),
        (ON_INSERT.format("UPDATE notes SET body = 'x';"), ["changes 2 of 2 rows of notes"]),
        (ON_INSERT.format("INSERT INTO bare(bare) VALUES ('delete-all');"), ["deletes 2 of 2 rows of bare"]),
        (ON_INSERT.format("DELETE FROM elders;"), ["deletes 2 of 3 rows of users"]),
        (
            ON_INSERT.format("INSERT INTO pairs VALUES (9, 9); DELETE FROM pairs;"),
            ["deletes 3 rows of pairs, which had 2 rows"],
        ),
        (
            "PRAGMA recursive_triggers = ON;" + ON_INSERT.format("REPLACE INTO trail (rowid, what) VALUES (1, 'new');"),
            ["deletes 1 of 1 row of trail"],
        ),
        (
            (
                "CREATE TEMP VIEW w AS SELECT 1 AS a; CREATE TEMP TRIGGER g INSTEAD OF UPDATE ON w BEGIN "
                "DELETE FROM users WHERE id > 1; UPDATE orders SET user = NULL; END; UPDATE w SET a = 1"
            ),
            ["changes 3 of 3 rows of orders", "deletes 2 of 3 rows of users"],
        ),
        (
            (
                "CREATE TABLE made (a); CREATE TRIGGER g AFTER INSERT ON made BEGIN DELETE FROM users; END;"
                "INSERT INTO made VALUES (1)"
            ),
            ["deletes 3 of 3 rows of users"],
        ),
        ("PRAGMA foreign_keys = ON; DROP TABLE users", ["drops users (3 rows)", "deletes 3 of 3 rows of orders"]),
        (
            "INSERT INTO users SELECT id, name, 0 FROM users WHERE true ON CONFLICT (id) DO UPDATE SET age = 0",
            ["changes 3 of 3 rows of users"],
        ),
        ("UPDATE users SET id = id + 10", ["changes 3 of 3 rows of users"]),
        ("REPLACE INTO notes (rowid, body) VALUES (1, 'x')", ["replaces 1 of 2 rows of notes"]),
        ("INSERT INTO bare(bare) VALUES ('delete-all')", ["deletes 2 of 2 rows of bare"]),
        ("INSERT INTO notes(notes) VALUES ('rebuild'), ('optimize')", []),
        # What a trigger does to the rows that its own statement brought is nobody's loss.
        (
            (
                "CREATE TEMP TRIGGER g AFTER INSERT ON trail BEGIN "
                "UPDATE trail SET what = 1 WHERE rowid = new.rowid; END;"
                "INSERT INTO trail VALUES (0)"
            ),
            [],
        ),
        (
            (
                "CREATE TEMP TRIGGER g AFTER INSERT ON trail BEGIN DELETE FROM trail WHERE rowid = new.rowid; END;"
                "INSERT INTO trail VALUES (0)"
            ),
            [],
        ),
        (
            ON_INSERT.format("UPDATE users SET age = 1 WHERE id = 1; " * 3),
            [],
        ),
        ("DROP TABLE users", ["drops users (3 rows)"]),
        ("DROP TABLE IF EXISTS users", ["drops users (3 rows)"]),
        ("DROP TABLE IF EXISTS nobody", []),
        ("DROP TABLE notes", ["drops notes (2 rows)"]),
        ("DROP VIEW elders; DROP TRIGGER trimmed", []),
        ("ALTER TABLE users DROP COLUMN age", ["drops the column age of users"]),
        ("ALTER TABLE users RENAME COLUMN age TO years", []),
        ("ALTER TABLE users RENAME TO people", []),
        ("ALTER TABLE users ADD COLUMN more", []),
        ("CREATE INDEX by_age ON users (age); DROP INDEX by_age", []),
        ("EXPLAIN DROP TABLE users", []),
        (
            "PRAGMA foreign_keys = ON; DELETE FROM users WHERE id = 1",
            ["deletes 1 of 3 rows of users", "deletes 2 of 3 rows of orders"],
        ),
        ("SELECT 1; DELETE FROM pairs; DROP TABLE trail", ["deletes 2 of 2 rows of pairs", "drops trail (1 row)"]),
        ("DELETE FROM boxes WHERE id = 1", ["deletes 1 of 2 rows of boxes"]),
        ("UPDATE users SET age = x1 FROM boxes WHERE boxes.id = 1", ["changes 3 of 3 rows of users"]),
        ("SAVEPOINT a; DROP TABLE users; ROLLBACK TO a", []),
        (
            "SAVEPOINT a; DROP TABLE users; CREATE TABLE users (id); ROLLBACK TO a; DELETE FROM users",
            ["deletes 3 of 3 rows of users"],
        ),
        ("SAVEPOINT a; DELETE FROM pairs; RELEASE a", ["deletes 2 of 2 rows of pairs"]),
        ("ANALYZE; REINDEX; PRAGMA user_version = 3; PRAGMA optimize", []),
        # Several that do the same are told of together.
        ("DELETE FROM users WHERE id = 1; DELETE FROM users WHERE id = 2", ["deletes 2 of 3 rows of users"]),
        ("UPDATE users SET age = 0; UPDATE users SET name = id", ["changes 3 of 3 rows of users"]),
        (
            "REPLACE INTO pairs VALUES (1, 1); REPLACE INTO pairs VALUES (1, 1); REPLACE INTO pairs VALUES (1, 1)",
            ["replaces 3 rows of pairs, which had 2 rows"],
        ),
        (
            "DELETE FROM users WHERE id = 1; SAVEPOINT a; DELETE FROM users; ROLLBACK TO a",
            ["deletes 1 of 3 rows of users"],
        ),
        # What the request itself has made is nobody's loss.
        ("CREATE TABLE made (a); INSERT INTO made VALUES (1); DELETE FROM made; DROP TABLE made", []),
        ("CREATE TABLE IF NOT EXISTS users (id); DELETE FROM users", ["deletes 3 of 3 rows of users"]),
        (
            "CREATE TABLE made (a); DROP TABLE made; ALTER TABLE users RENAME TO made; DROP TABLE made",
            ["drops made (3 rows)"],
        ),
        (
            "CREATE TABLE made (a); ALTER TABLE made RENAME TO x; ALTER TABLE users RENAME TO made; DROP TABLE made",
            ["drops made (3 rows)"],
        ),
        ("CREATE TEMP TABLE users (a); INSERT INTO users VALUES (1); DELETE FROM users; DROP TABLE users", []),
    ],
)
def test_a_careful_request_refuses_what_destroys_and_a_dry_run_tells(service, query, messages):
    reply = rehearsed(service, query)
    assert [destroyed["message"] for destroyed in reply.destroys] == messages
    if not messages:
        return
    before = run(service, "SELECT 1").txid
    with pytest.raises(SldbError) as caught:
        run(service, query, careful=True)
    error = caught.value
    assert (error.code, error.status, error.exit_code) == ("unconfirmed", 428, 1)
    assert error.message == f"this {', '.join(messages)}"
    assert error.details == {"destroys": reply.destroys, "txid": before, "applied": "no"}
    assert run(service, "SELECT 1").txid == before


def test_a_careful_request_applies_what_destroys_nothing():
    service = container(memory_store())
    assert run(service, SCHEMA, careful=True).txid == 1
    reply = run(service, "INSERT INTO users (age) VALUES (5)", careful=True)
    assert (reply.txid, reply.changes, reply.destroys) == (2, None, None)
    assert "changes" not in reply.encode()
    service.close()


def test_a_vacuum_may_be_careful():
    service = container(memory_store())
    run(service, SCHEMA)
    assert run(service, "VACUUM", careful=True).txid == 2
    service.close()


def test_each_destruction_names_its_statement_and_figures(service):
    reply = rehearsed(service, "SELECT 1; DELETE FROM users WHERE id = 1; ALTER TABLE pairs RENAME TO p; DROP TABLE p")
    assert [list(destroyed.values())[:-1] for destroyed in reply.destroys] == [
        [1, "delete", "users", 1, 3],
        [3, "drop_table", "p", 2, 2],
    ]
    assert Reply.decode(reply.encode()) == reply


def test_a_large_table_is_not_counted_to_its_end(service, monkeypatch):
    for module in (changes, destruction, row_changes):
        monkeypatch.setattr(module, "MAX_COUNTED", 1)
    told = [
        rehearsed(service, query).destroys[0]["message"]
        for query in (
            "DELETE FROM users WHERE id = 1",
            "DROP TABLE users",
            "DELETE FROM users",
            "UPDATE users SET id=-id",
        )
    ]
    assert told == [
        "deletes 1 row of users, which has more than 1 rows",
        "drops users (more than 1 rows)",
        "deletes 3 of 3 rows of users",
        "changes 3 of 3 rows of users",
    ]


STATEMENTS = (
    "INSERT INTO users (age) VALUES (5)",
    "INSERT OR IGNORE INTO users VALUES (1, 'b', 1)",
    "REPLACE INTO users VALUES (2, 'c', 1), (7, 'a', 2)",
    "UPDATE OR REPLACE users SET name = 'b' WHERE id <> 2",
    "UPDATE OR IGNORE users SET name = 'c'",
    "DELETE FROM users WHERE id % 2",
    "DELETE FROM users",
    "INSERT INTO orders (user) SELECT id FROM users",
    "REPLACE INTO orders SELECT id, user FROM orders",
    "DELETE FROM elders WHERE id < 3",
    "REPLACE INTO pairs SELECT id, 1 FROM users",
    "DELETE FROM pairs WHERE b = 1",
)
COUNTS = "SELECT (SELECT count(*) FROM users), (SELECT count(*) FROM orders), (SELECT count(*) FROM pairs)"


@given(st.lists(st.sampled_from(STATEMENTS), max_size=6))
def test_what_is_told_is_what_the_tables_then_hold(service, statements):
    before = run(service, COUNTS).rows[0]
    reply = rehearsed(service, ";".join(["PRAGMA foreign_keys = ON", *statements, COUNTS]))
    told = [reply.changes.get(table, of()) for table in ("users", "orders", "pairs")]
    assert reply.rows[0] == tuple(rows + one["insert"] - one["delete"] for rows, one in zip(before, told, strict=True))


KEYS = """SELECT 'users', id FROM users UNION ALL SELECT 'orders', id FROM orders
UNION ALL SELECT 'pairs', a || b FROM pairs"""


@given(st.lists(st.sampled_from([*STATEMENTS, "INSERT INTO x VALUES (1)"]), max_size=6))
def test_no_row_goes_without_being_told(service, statements):
    before = set(run(service, KEYS).rows)
    hidden = ON_INSERT.format("DELETE FROM orders WHERE id < 3; REPLACE INTO pairs VALUES (1, 2);").rpartition(";")[0]
    reply = rehearsed(service, ";".join(["PRAGMA foreign_keys = ON", hidden, *statements, KEYS]))
    gone = {table for table, _ in before - set(reply.rows)}
    assert gone <= {destroyed["table"] for destroyed in reply.destroys}


class OlderConnection(apsw.Connection):
    """As apsw 3.50.1 has it."""

    @property
    def preupdate_hook(self):
        raise AttributeError


@pytest.mark.parametrize(
    ("statement", "messages", "changed"),
    [
        ("DELETE FROM t WHERE a = 1", ["deletes 1 of 2 rows of t"], of(delete=1)),
        ("UPDATE t SET b = 0", ["changes 2 of 2 rows of t"], of(update=2)),
        ("UPDATE t SET b = 0 WHERE a = 1", [], of(update=1)),
        ("DROP TABLE t", ["drops t (2 rows)"], None),
        ("INSERT INTO t VALUES (3, 3)", [], of(insert=1)),
        ("REPLACE INTO t VALUES (1, 3), (4, 4)", ["replaces 1 of 2 rows of t"], of(insert=2, delete=1)),
        ("REPLACE INTO t VALUES (3, 3)", [], of(insert=1)),
        ("UPDATE OR REPLACE t SET a = 1 WHERE a = 2", ["replaces 1 of 2 rows of t"], of(update=1, delete=1)),
        ("INSERT INTO v VALUES (1)", [], None),
        ("CREATE TEMP TABLE x (a)", [], None),
    ],
)
def test_without_the_hook_statements_speak_for_themselves(statement, messages, changed):
    connection = OlderConnection(":memory:")
    connection.execute("CREATE TABLE t (a PRIMARY KEY, b); INSERT INTO t VALUES (1, 1), (2, 2)")
    connection.execute("CREATE VIEW v AS SELECT a FROM t")
    connection.execute("CREATE TRIGGER i INSTEAD OF INSERT ON v BEGIN SELECT 1; END")
    authorizer = Authorizer(new_database=False)
    connection.authorizer = authorizer
    seen = Changes(connection, authorizer)
    cursor = connection.cursor()
    cursor.exec_trace = lambda *_: seen.begin(connection.changes) or True
    cursor.execute(statement)
    seen.end(0)
    assert [destroyed["message"] for destroyed in seen.destroys] == messages
    assert list(seen.by_table.values()) == ([] if changed is None else [changed])
    connection.close()


@pytest.mark.parametrize(
    "hides",
    ["CREATE VIRTUAL TABLE temp.pragma_table_xinfo USING fts5(name)", "CREATE TEMP TABLE pragma_table_xinfo (name)"],
)
def test_a_temporary_table_hides_nothing_that_is_looked_at(service, hides):
    with pytest.raises(SldbError) as caught:
        run(service, f"{hides}; ALTER TABLE users DROP COLUMN age", careful=True)
    assert caught.value.code == "unconfirmed"
    assert [one["does"] for one in caught.value.details["destroys"]] == ["drop_column"]


@pytest.mark.parametrize(
    ("statement", "messages"),
    [
        ("INSERT INTO temp.x VALUES (1)", ["deletes 2 of 2 rows of t"]),
        ("INSERT INTO p VALUES (2)", []),
        ("DELETE FROM p", ["deletes 1 of 1 row of p", "deletes 1 of 1 row of c"]),
        ("DROP TABLE p", ["drops p (1 row)", "deletes 1 of 1 row of c"]),
    ],
)
def test_without_the_hook_tables_are_counted_that_triggers_and_cascades_delete_from(statement, messages):
    connection = OlderConnection(":memory:")
    connection.execute(
        "PRAGMA foreign_keys = ON; CREATE TABLE t (a); INSERT INTO t VALUES (1), (2);"
        "CREATE TABLE p (a PRIMARY KEY); CREATE TABLE c (a REFERENCES p ON DELETE CASCADE);"
        "INSERT INTO p VALUES (1); INSERT INTO c VALUES (1);"
        "CREATE TEMP TABLE x (a); CREATE TEMP TRIGGER g AFTER INSERT ON x BEGIN DELETE FROM t; END"
    )
    authorizer = Authorizer(new_database=False)
    connection.authorizer = authorizer
    seen = Changes(connection, authorizer)
    cursor = connection.cursor()
    cursor.exec_trace = lambda *_: seen.begin(connection.changes) or True
    cursor.execute(statement)
    seen.end(0)
    assert [destroyed["message"] for destroyed in seen.destroys] == messages
    connection.close()
