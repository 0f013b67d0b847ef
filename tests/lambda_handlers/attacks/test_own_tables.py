"""Attempts to write to sldb's own tables, and to have foreign keys lead to them.

Each attempt goes through the real service, and afterwards the next request, in the same container, finds all as it was.
docs/security.md has the table of these tests.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lambda_handlers.service import Service
from lambda_handlers.sql.own import request_log
from lambda_handlers.wire import SldbError
from tests.fakes.clock import Clock
from tests.fakes.databases.engine import Engine
from tests.fakes.databases.past import act
from tests.fakes.databases.service import container, run
from tests.fakes.stores.memory import memory_store
from tests.lambda_handlers.attacks.attempts import LOG, refusal

OWN = [
    "DELETE FROM _sldb_requests",
    "UPDATE _sldb_requests SET reply = x''",
    'UPDATE "_SLDB_REQUESTS" SET id = 1',
    "REPLACE INTO main._sldb_requests VALUES ('first', 9e9, x'')",
    "INSERT INTO _sldb_requests VALUES ('mine', 9e9, x'') ON CONFLICT DO NOTHING",
    "WITH x AS (SELECT 1) DELETE FROM _sldb_requests",
    "DROP TABLE _sldb_requests",
    "DROP INDEX _sldb_requests_by_age",
    "ALTER TABLE _sldb_requests RENAME TO mine",
    "ALTER TABLE _sldb_requests ADD COLUMN x",
    "ALTER TABLE _sldb_requests DROP COLUMN reply",
    "ALTER TABLE _sldb_requests RENAME COLUMN id TO x",
    "ALTER TABLE t RENAME TO _sldb_mine",
    "CREATE TEMP TABLE mine (a); ALTER TABLE mine RENAME TO _sldb_requests",
    "CREATE VIRTUAL TABLE f USING fts5(a); ALTER TABLE f RENAME TO _sldb_f",
    "CREATE TEMP TABLE _sldb_requests (id, recorded_at, reply)",
    "CREATE TEMP VIEW _sldb_requests AS SELECT 1 AS id, 9e9 AS recorded_at, x'' AS reply",
    "CREATE TABLE _sldb_mine (a)",
    'CREATE TABLE "_SLDB_mine" (a)',
    "CREATE TABLE IF NOT EXISTS _sldb_mine AS SELECT 1",
    "CREATE VIEW _sldb_mine AS SELECT 1",
    "CREATE VIRTUAL TABLE _sldb_mine USING fts5(a)",
    "CREATE INDEX _sldb_mine ON t (b)",
    "CREATE UNIQUE INDEX mine ON _sldb_requests (length(id))",
    "CREATE TRIGGER g AFTER INSERT ON _sldb_requests BEGIN SELECT RAISE(ABORT, 'no'); END",
    "CREATE TEMP TRIGGER g AFTER INSERT ON main._sldb_requests BEGIN SELECT RAISE(ABORT, 'no'); END",
    "CREATE TRIGGER g AFTER INSERT ON t BEGIN DELETE FROM _sldb_requests; END; INSERT INTO t VALUES (9, 9)",
    (
        "CREATE VIEW v AS SELECT * FROM _sldb_requests;"
        "CREATE TRIGGER g INSTEAD OF DELETE ON v BEGIN DELETE FROM _sldb_requests; END; DELETE FROM v"
    ),
    "CREATE TABLE c (x REFERENCES _sldb_requests (id))",
    "CREATE TABLE c (x); ALTER TABLE c ADD COLUMN y REFERENCES _sldb_requests (id) ON DELETE RESTRICT",
    "SAVEPOINT s; DELETE FROM _sldb_requests; RELEASE s",
    "VACUUM; DELETE FROM _sldb_requests",
]


@pytest.mark.parametrize("query", OWN)
def test_write_to_the_tables_of_sldb(service: Service, query: str) -> None:
    assert refusal(service, query).code in ("forbidden", "sql_error")


PARENTS = [
    "CREATE TEMP TABLE c (a); CREATE TABLE main.c (a TEXT REFERENCES _sldb_requests (id) ON DELETE CASCADE)",
    "CREATE TEMP TABLE c (a); CREATE TABLE main.c (a TEXT REFERENCES _sldb_requests (id) ON DELETE RESTRICT)",
    'CREATE TEMP VIEW c AS SELECT 1; CREATE TABLE main.c (a REFERENCES "_SLDB_Requests")',
    (
        "CREATE TEMP TABLE c (a); CREATE TABLE main.c (a);"
        "ALTER TABLE main.c ADD COLUMN b REFERENCES [_sldb_requests] (id) ON DELETE SET NULL"
    ),
    (
        'CREATE VIRTUAL TABLE temp.pragma_foreign_key_list USING fts5("table");'
        "CREATE TABLE c (a REFERENCES _sldb_requests (id) ON DELETE CASCADE)"
    ),
    'CREATE TABLE pragma_foreign_key_list ("table"); CREATE TABLE c (a REFERENCES _sldb_requests (id))',
    "CREATE TABLE c (a, b, FOREIGN KEY (b) REFERENCES `_sldb_requests` (id) DEFERRABLE INITIALLY DEFERRED)",
    "CREATE TABLE c (a REFERENCES '_sldb_requests' (id) ON UPDATE CASCADE)",
    'CREATE TABLE "odd ""name" (a REFERENCES _sldb_requests (id))',
    "CREATE TABLE c (a REFERENCES/**/_sldb_requests(id)) STRICT",
    "CREATE TABLE c (a REFERENCES _sldb_not_yet (id))",
    "CREATE TEMP TABLE c (a REFERENCES _sldb_requests (id))",
    (
        "PRAGMA legacy_alter_table = ON; CREATE TABLE p (id PRIMARY KEY); CREATE TABLE c (a REFERENCES p);"
        "ALTER TABLE p RENAME TO _sldb_p"
    ),
    "CREATE VIRTUAL TABLE _sldb USING fts5(a)",
    "CREATE VIRTUAL TABLE f USING fts5(a); ALTER TABLE f RENAME TO _SLDB",
    "SAVEPOINT s; CREATE TABLE c (a REFERENCES _sldb_requests (id)); ROLLBACK TO s",
]


@pytest.mark.parametrize("query", PARENTS)
def test_have_a_table_of_sldb_as_the_parent_of_a_foreign_key(service: Service, query: str) -> None:
    assert refusal(service, query).code in ("forbidden", "sql_error")


ACTIONS = ["CASCADE", "RESTRICT", "SET NULL", "CASCADE DEFERRABLE INITIALLY DEFERRED", "NO ACTION"]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize("setting", ["ON", "OFF"])
def test_a_database_that_has_such_a_foreign_key_already(tmp_path: Path, action: str, setting: str) -> None:
    """Made before it was refused: what sldb does to its table fires no trigger, cascades nowhere, and fails nobody."""
    store, clock = memory_store(), Clock()
    service = container(store, host=clock.host())
    run(service, "CREATE TABLE t (a); CREATE TABLE heard (a)", request_id="first")
    engine = Engine(store, tmp_path, clock.host())
    engine.write(
        f"CREATE TABLE x (a TEXT REFERENCES _sldb_requests (id) ON DELETE {action})",
        "CREATE UNIQUE INDEX by_a ON x (a)",
        f"CREATE TABLE y (a REFERENCES x (a) ON DELETE {action})",
        "INSERT INTO y VALUES ('first')",
        "INSERT INTO x VALUES ('first'), ('second')",
        *(
            f"CREATE TRIGGER {when}_{what} {when} {what} ON x BEGIN INSERT INTO heard VALUES ('{what}');"
            f"INSERT OR REPLACE INTO _sldb_requests VALUES ('forged', {clock.time + 3000}, x'00'); END"
            for when in ("before", "after")
            for what in ("DELETE", "UPDATE")
        ),
    )
    engine.close()
    run(service, f"PRAGMA foreign_keys = {setting}; INSERT INTO t VALUES (1)", request_id="second")
    for number in range(3):
        clock.time += 3601
        query = f"PRAGMA foreign_keys = {setting}; PRAGMA recursive_triggers = ON; INSERT INTO t VALUES (1)"
        run(service, query, request_id=f"later {number}")
    assert run(service, "SELECT count(*) FROM heard").rows == [(0,)]
    assert run(service, "SELECT * FROM x").rows == [("first",), ("second",)]
    assert run(service, "SELECT count(*) FROM _sldb_requests WHERE id IN ('first', 'forged')").rows == [(0,)]
    assert run(service, "PRAGMA integrity_check").rows == [("ok",)]
    service.close()


def test_such_a_table_can_still_be_changed_and_dropped(tmp_path: Path) -> None:
    store = memory_store()
    service = container(store)
    run(service, "CREATE TABLE t (a)", request_id="first")
    engine = Engine(store, tmp_path)
    engine.write("CREATE TABLE x (a REFERENCES _sldb_requests (id), b)")
    engine.close()
    run(service, "CREATE TABLE u (a); ALTER TABLE u ADD COLUMN _sldb_b; ALTER TABLE x ADD COLUMN _sldb_c")
    run(service, "ALTER TABLE x RENAME TO _sldbx; ALTER TABLE _sldbx RENAME TO x")
    with pytest.raises(SldbError, match="a table of sldb's own"):
        run(service, "ALTER TABLE x ADD COLUMN d REFERENCES _sldb_requests (id)")
    run(service, "ALTER TABLE x DROP COLUMN a; DROP TABLE x")
    service.close()


@pytest.mark.parametrize("ahead_seconds", [120, 3600, 9e9])
def test_an_entry_of_the_future_proves_nothing(tmp_path: Path, ahead_seconds: float) -> None:
    store, clock = memory_store(), Clock()
    service = container(store, host=clock.host())
    reply = run(service, "CREATE TABLE t (a)", request_id="first")
    engine = Engine(store, tmp_path, clock.host())
    entry = request_log.encode(reply, lambda body: pytest.fail("it is small")).hex()
    engine.write(f"INSERT INTO _sldb_requests VALUES ('r', {clock.time + ahead_seconds}, x'{entry}')")
    engine.close()
    assert act(service, "result", request_id="r")["state"] == "not_applied"
    run(service, "INSERT INTO t VALUES (1)", request_id="r")
    assert run(service, "SELECT count(*) FROM t").rows == [(1,)]
    assert act(service, "result", request_id="r")["txid"] == 3
    service.close()


@pytest.mark.parametrize("query", ["ALTER TABLE mine RENAME TO _sldb_requests", *OWN[19:22]])
def test_take_the_name_of_our_table_before_it_is_there(query: str) -> None:
    service = container(memory_store())
    run(service, "CREATE TABLE mine (id)")
    with pytest.raises(SldbError) as caught:
        run(service, query)
    assert caught.value.code == "forbidden"
    run(service, "INSERT INTO mine VALUES (1)", request_id="r")
    assert run(service, "INSERT INTO mine VALUES (1)", request_id="r").txid == 2
    service.close()


@pytest.mark.parametrize(
    "schema",
    [
        "CREATE TABLE _sldb_requests (a)",
        "CREATE VIEW _sldb_requests AS SELECT 'r' AS id, 9e9 AS recorded_at, x'' AS reply",
        "CREATE TABLE _SLDB_Requests (id TEXT PRIMARY KEY, recorded_at REAL CHECK (0), reply BLOB)",
        (
            "CREATE TABLE _sldb_requests (id TEXT PRIMARY KEY, recorded_at REAL NOT NULL, reply BLOB NOT NULL) "
            "WITHOUT ROWID;CREATE TRIGGER g BEFORE INSERT ON _sldb_requests BEGIN SELECT RAISE(ABORT, 'no'); END"
        ),
        LOG.format("_sldb_requests") + "CREATE TRIGGER g AFTER INSERT ON _SLDB_REQUESTS BEGIN "
        "DELETE FROM _sldb_requests WHERE id = new.id; END",
        LOG.format("_sldb_requests") + "CREATE UNIQUE INDEX i ON _SLDB_REQUESTS (length(reply))",
    ],
)
def test_a_database_that_came_with_another_table_of_that_name(tmp_path: Path, schema: str) -> None:
    """Pushed, or written by another program: ours takes its place, and requests are applied once."""
    store = memory_store()
    engine = Engine(store, tmp_path)
    engine.write("CREATE TABLE t (a)", *filter(None, re.split(r";(?=CREATE)", schema)))
    engine.close()
    service = container(store)
    first = run(service, "INSERT INTO t VALUES (random()) RETURNING a", request_id="r")
    assert run(service, "INSERT INTO t VALUES (random()) RETURNING a", request_id="r").rows == first.rows
    assert run(service, "SELECT count(*) FROM t").rows == [(1,)]
    assert act(service, "result", request_id="r")["state"] == "applied"
    service.close()
