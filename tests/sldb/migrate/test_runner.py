"""Migrations against the engine over a directory: exactly once, whole or not at all, errors with their place."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lambda_handlers.wire import Request, SldbError, Statement
from sldb.client import Client, open_target
from sldb.migrate import rehearsal, runner
from sldb.migrate.files import Migration, parse


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    with closing(Client(open_target(f"local:{tmp_path / 'db'}"))) as client:
        yield client


def migration(version: int, up: str, down: str = "") -> Migration:
    return parse(Path(f"{version}_m.sql"), f"-- migrate:up\n{up}\n-- migrate:down\n{down}\n")


def rows(client: Client, sql: str) -> list[tuple[object, ...]]:
    return list(client.execute(Request((Statement(sql),))).rows)


CREATE = migration(1, "CREATE TABLE t(a INTEGER PRIMARY KEY, b);", "DROP TABLE t;")


def test_a_migration_and_its_row_come_together(client: Client) -> None:
    assert runner.read_applied(client).versions == {}
    reply = runner.apply(client, CREATE)
    assert reply is not None
    assert reply.txid == 1  # one transaction for all of it
    assert runner.read_applied(client).versions == {"1": CREATE.sha256}
    assert runner.apply(client, CREATE) is None
    assert runner.roll_back(client, "1", CREATE) is not None
    assert runner.read_applied(client).versions == {}
    assert runner.roll_back(client, "1", CREATE) is None


def test_the_table_is_the_one_that_dbmate_makes(client: Client) -> None:
    runner.apply(client, CREATE)
    (sql,) = rows(client, "SELECT sql FROM sqlite_schema WHERE name = 'schema_migrations'")
    assert sql == ('CREATE TABLE "schema_migrations" (version varchar(128) primary key)',)


@pytest.mark.parametrize(
    ("up", "line", "statement", "of", "code"),
    [
        ("INSERT INTO t VALUES (1, 2);\nINSERT INTO t VALUES (2, nope);", 3, 1, 2, "sql_error"),
        ("PRAGMA foreign_keys = ON;\nINSERT INTO t VALUES (1, 2);\n\nINSERT INTO u VALUES (1);", 5, 2, 3, "sql_error"),
        ("INSERT INTO t VALUES (1, 2);\n INSERT INTO t VALUES (1, 3);", 3, 1, 2, "constraint"),
        ("PRAGMA writable_schema = ON;", 2, 0, 1, "forbidden"),
    ],
)
def test_a_failure_applies_nothing_and_says_where(
    client: Client, up: str, line: int, statement: int, of: int, code: str
) -> None:
    runner.apply(client, CREATE)
    bad = migration(2, up)
    with pytest.raises(SldbError) as caught:
        runner.apply(client, bad)
    details = caught.value.details
    assert (caught.value.code, details["file"], details["query"]) == (code, "2_m.sql", bad.text)
    place = details.get("offset", details["begins"])
    assert bad.text.count("\n", 0, place) + 1 == line
    assert (details["statement"], details["statement_count"]) == (statement, of)
    assert runner.read_applied(client).versions == {"1": CREATE.sha256}
    assert rows(client, "SELECT count(*) FROM t") == [(0,)]


def test_a_constraint_that_fails_in_the_file_is_not_taken_for_the_guard(client: Client) -> None:
    bad = migration(1, "INSERT INTO schema_migrations VALUES ('1');")
    with pytest.raises(SldbError, match="UNIQUE constraint failed") as caught:
        runner.apply(client, bad)
    assert caught.value.details["begins"] == len("-- migrate:up\n")
    assert runner.read_applied(client).versions == {}


def test_triggers_comments_and_transactions_of_its_own(client: Client) -> None:
    up = """-- a comment; with a semicolon
    CREATE TABLE t(a); CREATE TABLE log(x);
    CREATE TRIGGER r AFTER INSERT ON t BEGIN INSERT INTO log VALUES (';'); INSERT INTO log VALUES (2); END;
    INSERT INTO t VALUES (1);"""
    runner.apply(client, migration(1, up))
    runner.apply(client, migration(2, "PRAGMA foreign_keys = OFF;\nBEGIN;\nINSERT INTO t VALUES (2);\nCOMMIT;"))
    assert rows(client, "SELECT count(*) FROM log") == [(4,)]


def test_groups_of_a_migration_are_a_part_of_it(client: Client) -> None:
    up = "CREATE TABLE t(a);\nBEGIN;\nINSERT INTO t VALUES (1);\nROLLBACK;\nBEGIN;\nINSERT INTO t VALUES (2);\nEND;"
    runner.apply(client, migration(1, up))
    open_ended = migration(2, "BEGIN;\nINSERT INTO t VALUES (3);")
    with pytest.raises(SldbError, match="ends inside a transaction") as caught:
        runner.apply(client, open_ended)
    assert open_ended.text[caught.value.details["begins"] :].startswith("BEGIN")
    with pytest.raises(SldbError, match="no transaction is active"):
        runner.apply(client, migration(2, "INSERT INTO t VALUES (4);\nCOMMIT;"))
    assert rows(client, "SELECT a FROM t") == [(2,)]
    assert list(runner.read_applied(client).versions) == ["1"]


def test_pragmas_at_its_beginning_take_effect(client: Client) -> None:
    runner.apply(client, migration(1, "CREATE TABLE p(a PRIMARY KEY); CREATE TABLE c(a REFERENCES p);"))
    with pytest.raises(SldbError, match="FOREIGN KEY constraint failed"):
        runner.apply(client, migration(2, "-- note\nPRAGMA foreign_keys = ON;\nINSERT INTO c VALUES (1);"))
    assert runner.apply(client, migration(2, "PRAGMA foreign_keys = OFF;\nINSERT INTO c VALUES (1);")) is not None


def test_the_usual_first_migration_of_dbmate(client: Client) -> None:
    text = "-- migrate:up transaction:false\nPRAGMA journal_mode = WAL;\n-- migrate:down transaction:false\n"
    first = parse(Path("1_m.sql"), text + "PRAGMA journal_mode = DELETE;\n")
    reply = runner.apply(client, first)
    assert reply is not None
    assert [warning.code for warning in reply.warnings] == ["no_effect"]
    assert list(runner.read_applied(client).versions) == ["1"]
    rolled_back = runner.roll_back(client, "1", first)
    assert rolled_back is not None
    assert len(rolled_back.warnings) == 1
    middle = migration(2, "CREATE TABLE t (a);\nPRAGMA synchronous = OFF;\nINSERT INTO t VALUES (1);")
    assert runner.apply(client, middle) is not None


@pytest.mark.parametrize("direction", ["up", "down"])
def test_a_migration_that_is_a_vacuum(client: Client, direction: str) -> None:
    runner.apply(client, CREATE)
    up = down = "SELECT 1;"
    up, down = ("-- note\nVACUUM;", down) if direction == "up" else (up, "vacuum main")
    text = f"-- migrate:up transaction:false\n{up}\n-- migrate:down transaction:false\n{down}\n"
    alone = parse(Path("2_m.sql"), text)
    assert runner.apply(client, alone) is not None
    assert runner.apply(client, alone) is None
    assert runner.roll_back(client, "2", alone) is not None
    assert list(runner.read_applied(client).versions) == ["1"]
    assert "VACUUM" in [entry["kind"] for entry in client.act("history")["transactions"]]


@pytest.mark.parametrize(
    ("option", "up"),
    [
        ("", "VACUUM;"),
        (" transaction:false", "VACUUM;\nINSERT INTO t VALUES (9, 9);"),
        (" transaction:false", "INSERT INTO t VALUES (9, 9);\n VACUUM"),
        (" transaction:false", "VACUUM;\nVACUUM;"),
    ],
)
def test_a_vacuum_beside_anything_else_is_refused(client: Client, option: str, up: str) -> None:
    runner.apply(client, CREATE)
    bad = parse(Path("2_m.sql"), f"-- migrate:up{option}\n{up}\n-- migrate:down\n")
    with pytest.raises(SldbError, match="VACUUM cannot be part of a transaction") as caught:
        runner.apply(client, bad)
    assert bad.text[caught.value.details["offset"] :].startswith("VACUUM")
    assert rows(client, "SELECT count(*) FROM t") == [(0,)]
    assert list(runner.read_applied(client).versions) == ["1"]


def test_an_empty_block_is_applied_and_cannot_be_rolled_back(client: Client) -> None:
    empty = migration(1, "", "-- nothing to take back\n")
    assert runner.apply(client, empty) is not None
    with pytest.raises(SldbError, match="nothing below -- migrate:down"):
        runner.roll_back(client, "1", empty)


def test_a_failing_roll_back_changes_nothing(client: Client) -> None:
    bad = migration(1, "CREATE TABLE t(a);", "DROP TABLE t;\nDROP TABLE u;")
    runner.apply(client, bad)
    with pytest.raises(SldbError, match="no such table: u") as caught:
        runner.roll_back(client, "1", bad)
    assert bad.text[caught.value.details["begins"] :].startswith("DROP TABLE u")
    assert runner.read_applied(client).versions == {"1": bad.sha256}
    assert rows(client, "SELECT count(*) FROM t") == [(0,)]


def test_many_at_once_apply_each_migration_once(tmp_path: Path) -> None:
    steps = [migration(1, "CREATE TABLE n(x);")] + [migration(i, f"INSERT INTO n VALUES ({i});") for i in range(2, 8)]
    applied: list[str] = []
    failures: list[BaseException] = []

    def one_runner() -> None:
        try:
            with closing(Client(open_target(f"local:{tmp_path / 'db'}"))) as client:
                applied.extend(step.version for step in steps if runner.apply(client, step) is not None)
        except BaseException as error:  # noqa: BLE001 - reported by the assertion below
            failures.append(error)

    threads = [threading.Thread(target=one_runner) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert sorted(applied) == [step.version for step in steps]
    with closing(Client(open_target(f"local:{tmp_path / 'db'}"))) as client:
        assert rows(client, "SELECT x FROM n ORDER BY x") == [(i,) for i in range(2, 8)]


def test_writers_meanwhile_do_not_keep_a_roll_back_from_ending(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner.apply(client, CREATE)
    read, writes = runner.read_applied, iter(range(3))

    def read_then_somebody_writes(client: Client) -> runner.Applied:
        found = read(client)
        for i in writes:
            client.execute(Request((Statement(f"CREATE TABLE other{i}(x)"),)))
            break
        return found

    monkeypatch.setattr(runner, "read_applied", read_then_somebody_writes)
    assert runner.roll_back(client, "1", CREATE) is not None
    assert next(writes, None) is None  # it lost three races


def test_what_dbmate_has_applied_is_known_without_its_files(client: Client) -> None:
    client.execute(Request((Statement("CREATE TABLE schema_migrations(version varchar(128) primary key);"),), "main"))
    client.execute(Request((Statement("INSERT INTO schema_migrations VALUES ('7')"),)))
    assert runner.read_applied(client).versions == {"7": None}
    assert runner.roll_back(client, "7", migration(7, "", "CREATE TABLE x(y);")) is not None
    assert runner.read_applied(client).versions == {}


@pytest.mark.parametrize("exists", [True, False])
def test_a_rehearsal_tells_what_would_change_and_changes_nothing(client: Client, exists: bool) -> None:
    if exists:
        runner.apply(client, CREATE)
        client.execute(Request((Statement("INSERT INTO t VALUES (1, 1), (2, 2), (3, 3)"),)))
    before = runner.read_applied(client)
    later = migration(2, "CREATE TABLE IF NOT EXISTS t(a, b);DELETE FROM t WHERE a > 1; CREATE INDEX i ON t(b);")
    with rehearsal.rehearsal_branch(client) as (there, branch):
        assert runner.apply(there, later) is not None
        changes = {change.name: change for change in rehearsal.changes(there, branch)}
    assert changes["i"].schema == "created"
    assert (changes["t"].schema, changes["t"].removed) == (("", 2) if exists else ("created", 0))
    assert set(changes) == {"t", "i"}
    assert runner.read_applied(client) == before
    listed = client.act("databases")["databases"]
    assert [one["name"] for one in listed] == (["main"] if exists else [])


def test_a_rehearsal_that_fails_leaves_no_branch(client: Client) -> None:
    runner.apply(client, CREATE)

    def rehearse() -> None:
        with rehearsal.rehearsal_branch(client) as (there, _):
            runner.apply(there, migration(2, "SELECT nope;"))

    with pytest.raises(SldbError, match="no such column: nope"):
        rehearse()
    assert [one["name"] for one in client.act("databases")["databases"]] == ["main"]
